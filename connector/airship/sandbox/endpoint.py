"""One request's way through the stand-in: plan, credentials, body, verdict, storing, answer.

The order of the checks is the endpoint's as far as it is known: credentials, entitlement, version, content type, size,
JSON, events. Rules that stand in front of the endpoint (a status, a drop, a limit) answer before any of them. Storing
is one step on one loop, so the order of the ledger is the order of acceptance.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from typing import Literal
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from connector.airship.sandbox.clock import SandboxClock
from connector.airship.sandbox.contract_check import (
    Accepted,
    ContractCheck,
    Refusal,
    Verdict,
    answer_of,
    app_key_fault,
    refusal_of_headers,
)
from connector.airship.sandbox.fault_rules import ConcurrencyFault, DropFault, StatusFault
from connector.airship.sandbox.faults import FaultBook, Plan
from connector.airship.sandbox.ledger import Ledger, RequestInProgress
from connector.airship.sandbox.options import BODY_BYTES_MAX, SandboxOptions
from connector.airship.sandbox.tokens import TokenDesk, TokenFault, bearer_token

EVENTS_PATHS = ("/api/custom-events", "/api/custom-events/")
TOKEN_PATH = "/token"  # noqa: S105  a path
_JSON_TYPE = "application/vnd.urbanairship+json; version=3"
_PATH_CHARACTERS_MAX = 200
_FORM_FIELDS_MAX = 100
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class Endpoint:
    """Serves the two addresses of the contract, and says 404 and 405 on everything beside them."""

    def __init__(
        self, options: SandboxOptions, clock: SandboxClock, faults: FaultBook, ledger: Ledger, tokens: TokenDesk
    ) -> None:
        self._options = options
        self._clock = clock
        self._faults = faults
        self._ledger = ledger
        self._tokens = tokens
        self._check = ContractCheck(options)
        self._release = asyncio.Event()

    def release(self) -> None:
        """Lets the requests that wait for a latency go on at once."""
        self._release.set()
        self._release = asyncio.Event()

    @staticmethod
    async def _wait(seconds: float, release: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await release.wait()

    async def serve_events(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.path[:_PATH_CHARACTERS_MAX]
        with self._ledger.open_request(request.method, path, events_endpoint=True) as entry:
            plan = self._faults.plan("events", self._ledger.in_flight, time.monotonic())
            entry.faults = plan.names
            release = self._release  # the one of the plan: the rule may end while the body is still on its way
            body = await self._read(request)
            if not isinstance(body, bytes):
                return self._unread(request, body, entry)
            if plan.wait_seconds and not plan.store_before_wait:
                await self._wait(plan.wait_seconds, release)
            answer = self._answer_events(request, body, plan, entry)
            if plan.wait_seconds and plan.store_before_wait:
                await self._wait(plan.wait_seconds, release)
            return self._send(request, answer, plan, entry)

    def _answer_events(
        self, request: web.Request, body: bytes, plan: Plan, entry: RequestInProgress
    ) -> web.StreamResponse | None:
        """The endpoint's own answer; None when a rule stands in front of it and it never saw the request."""
        if plan.instead is not None and not _stores(plan.instead):
            return None
        verdict = self._verdict(request, body, plan, entry)
        if isinstance(verdict, Accepted):
            self._ledger.store(entry, body, verdict.events)
            entry.events = verdict.events
            return _json(200, self._accepted_body())
        entry.events = verdict.events
        entry.refused_events = verdict.events
        return self._refusal_response(verdict, body)

    def _verdict(self, request: web.Request, body: bytes, plan: Plan, entry: RequestInProgress) -> Verdict:
        if request.path not in EVENTS_PATHS:
            return Refusal(404, "There is nothing at this path; events go to POST /api/custom-events.")
        if request.method != "POST":
            return Refusal(405, "Events are sent with POST.")
        refusal = self._refusal_of_credentials(request, plan, entry) or refusal_of_headers(request.headers)
        if refusal is not None:
            return refusal
        verdict = self._check.verdict(body, self._clock.now(), plan.markers)
        if isinstance(verdict, Refusal) and verdict.rule_named:
            entry.faults += (f"refuse:{verdict.status}",)
        return verdict

    def _refusal_of_credentials(self, request: web.Request, plan: Plan, entry: RequestInProgress) -> Refusal | None:
        token = bearer_token(request.headers.get("Authorization"))
        if token is None:
            return Refusal(401, "Authorization: Bearer <token> is missing.")
        app_key = request.headers.get("X-UA-Appkey")
        fault = app_key_fault(app_key, self._options.app_key)
        if fault is not None:
            return Refusal(401, fault)
        match self._tokens.standing(token, app_key or "", time.monotonic(), plan.expired_since):
            case "good":
                return None
            case "unknown":
                return Refusal(401, "The bearer token is not known.")
            case "expired":
                if plan.expired_since is not None:
                    entry.faults += ("expire_tokens",)
                return Refusal(401, "The bearer token has expired.")
            case "other_app":
                return Refusal(401, "The bearer token was issued for another app.")
            case "no_scope":
                return Refusal(403, "The bearer token lacks the scope evt.")

    async def serve_token(self, request: web.Request) -> web.StreamResponse:
        with self._ledger.open_request(request.method, request.path, events_endpoint=False) as entry:
            plan = self._faults.plan("token", self._ledger.in_flight, time.monotonic())
            entry.faults = plan.names
            release = self._release  # the one of the plan: the rule may end while the body is still on its way
            body = await self._read(request)
            if not isinstance(body, bytes):
                return self._unread(request, body, entry)
            if plan.wait_seconds:
                await self._wait(plan.wait_seconds, release)
            answer = None if plan.instead is not None else self._answer_token(request, body)
            return self._send(request, answer, plan, entry)

    def _answer_token(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method != "POST":
            return _json(405, {"error": "invalid_request", "error_description": "use POST"}, {"Allow": "POST"})
        try:
            form = _form(request.content_type, body)
            answer = self._tokens.answer(form, request.headers, self._audiences(request), time.monotonic())
        except TokenFault as fault:
            return _json(fault.status, {"error": fault.error, "error_description": fault.description})
        return _json(200, answer, {"Cache-Control": "no-store"}, content_type="application/json")

    def _audiences(self, request: web.Request) -> tuple[str, ...]:
        if self._options.token_audience is not None:
            return (self._options.token_audience,)
        return (f"{request.scheme}://{request.host}{TOKEN_PATH}",)

    async def _read(self, request: web.Request) -> bytes | Literal["gone", "slow"]:
        """The body, or why there is none; one byte over the limit stands for any longer one."""
        try:
            async with asyncio.timeout(self._options.read_seconds):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return bytes(BODY_BYTES_MAX + 1)
        except (ConnectionError, web.RequestPayloadError):
            return "gone"
        except TimeoutError:
            return "slow"

    def _unread(
        self, request: web.Request, why: Literal["gone", "slow"], entry: RequestInProgress
    ) -> web.StreamResponse:
        if why == "gone":
            return _cut(request, "close")
        answer = self._refusal_response(Refusal(408, "The body did not arrive in time."), b"")
        answer.force_close()
        entry.status = answer.status
        return answer

    def _accepted_body(self) -> dict[str, object]:
        if self._options.operation_id == "none":
            return {"ok": True}
        return {"ok": True, self._options.operation_id: str(uuid.uuid4())}

    def _refusal_response(self, refusal: Refusal, body: bytes) -> web.Response:
        if refusal.status == 401:
            headers = {"WWW-Authenticate": "Bearer"}
            return _response(401, "text/plain; charset=utf-8", refusal.error.encode(), headers)  # as documented
        headers = {"Allow": "POST"} if refusal.status == 405 else {}
        return _json(refusal.status, answer_of(refusal, body, self._options), headers)

    def _send(
        self, request: web.Request, answer: web.StreamResponse | None, plan: Plan, entry: RequestInProgress
    ) -> web.StreamResponse:
        match plan.instead:
            case None:
                assert answer is not None
            case DropFault(how=how):
                return _cut(request, how)
            case StatusFault() as rule:
                answer = self._status_response(rule)
            case ConcurrencyFault(status=status, retry_after=retry_after):
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                answer = _json(status, {"ok": False, "error": "Too many requests at once."}, headers)
        entry.status = answer.status
        return answer

    def _status_response(self, rule: StatusFault) -> web.Response:
        now = self._clock.real_now() + rule.date_skew_seconds
        headers = {"Date": formatdate(now, usegmt=True)}
        if rule.retry_after is not None:
            headers["Retry-After"] = str(rule.retry_after)
        if rule.retry_after_date is not None:
            headers["Retry-After"] = formatdate(int(now) + rule.retry_after_date, usegmt=True)
        content_type, body = self._status_body(rule)
        return _response(rule.status, content_type, body, {**headers, **rule.headers})

    def _status_body(self, rule: StatusFault) -> tuple[str, bytes]:
        title = f"{rule.status} on request"
        match rule.body:
            case "json" if rule.status < 300:
                return _JSON_TYPE, msgspec.json.encode(self._accepted_body())
            case "json" | "ok_false":
                refusal = {"ok": False, "error": title, "error_code": rule.status * 100}
                return _JSON_TYPE, msgspec.json.encode(refusal)
            case "html":
                return "text/html; charset=utf-8", _HTML.format(title).encode()
            case "text":
                return "text/plain; charset=utf-8", title.encode()
            case "empty":
                return "", b""
            case "unreadable":
                return _JSON_TYPE, b'{"ok": tr'


def _form(content_type: str, body: bytes) -> dict[str, str]:
    if content_type != "application/x-www-form-urlencoded":
        raise TokenFault(400, "invalid_request", "Content-Type must be application/x-www-form-urlencoded")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX))
    except ValueError:
        raise TokenFault(400, "invalid_request", "the form cannot be read") from None


def _stores(instead: StatusFault | DropFault | ConcurrencyFault) -> bool:
    return not isinstance(instead, ConcurrencyFault) and instead.stored


def _json(
    status: int, value: object, headers: Mapping[str, str] | None = None, *, content_type: str = _JSON_TYPE
) -> web.Response:
    return _response(status, content_type, msgspec.json.encode(value), headers or {})


def _response(status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> web.Response:
    """A later header replaces an earlier one of the same name, however that is written."""
    merged = CIMultiDict({"Content-Type": content_type} if content_type else {})
    merged.update(headers)
    return web.Response(status=status, body=body, headers=merged)


def _cut(request: web.Request, how: Literal["close", "reset"]) -> web.StreamResponse:
    """Ends the connection without an answer: in order (FIN), or with a reset."""
    transport = request.transport
    if transport is not None:
        if how == "reset":
            # Lingering for zero seconds makes the kernel send a reset instead of an orderly end.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()  # aiohttp wants one; there is no connection left to write it to
