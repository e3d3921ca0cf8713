"""The pages under /sandbox: read the ledger, set and end faults, set the clock. JSON in, JSON out.

A wrong request is answered 400 with what was found and what was expected; nothing here is counted in the ledger.
"""

from __future__ import annotations

import re
import time
from typing import Any, Protocol, TypeVar

import msgspec
from aiohttp import web

from connector.airship.sandbox.clock import SandboxClock, parse_instant
from connector.airship.sandbox.fault_rules import Rule, rule_from
from connector.airship.sandbox.faults import StandingRule
from connector.airship.sandbox.ledger import AcceptedEvent, Ledger, Summary

PAGE_MAX = 10_000
PAGE_DEFAULT = 1_000
WAIT_SECONDS_MAX = 300.0


class ClockSetting(msgspec.Struct, forbid_unknown_fields=True):
    now: str | msgspec.UnsetType | None = msgspec.UNSET
    """null goes back to the real time."""
    frozen: bool = False
    advance_seconds: float = 0.0


_Setting = TypeVar("_Setting")


class FaultSwitch(Protocol):
    """What the pages need of the sandbox beside the ledger and the clock."""

    def set_fault(self, rule: Rule) -> int: ...
    def clear_faults(self, fault_id: int | None = None) -> int: ...
    def standing_faults(self) -> list[StandingRule]: ...


class ControlPages:
    def __init__(self, ledger: Ledger, clock: SandboxClock, switch: FaultSwitch) -> None:
        self._ledger = ledger
        self._clock = clock
        self._switch = switch

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/sandbox/events", self._events)
        router.add_delete("/sandbox/events", self._clear_events)
        router.add_get("/sandbox/requests", self._requests)
        router.add_get("/sandbox/summary", self._summary)
        router.add_get("/sandbox/faults", self._faults)
        router.add_post("/sandbox/faults", self._set_faults)
        router.add_delete("/sandbox/faults", self._clear_faults)
        router.add_get("/sandbox/clock", self._show_clock)
        router.add_post("/sandbox/clock", self._set_clock)

    async def _events(self, request: web.Request) -> web.Response:
        after, limit = _number(request, "after", 0), _page(request)
        events = self._ledger.events(after, limit)
        if _wants_lines(request):
            body = b"".join(msgspec.json.encode(_event_json(event)) + b"\n" for event in events)
            return web.Response(body=body, content_type="application/x-ndjson")
        summary = self._ledger.summary()
        return _json(
            {
                "events": [_event_json(event) for event in events],
                "next_after": events[-1].sequence if events else max(after, summary.first_kept - 1),
                "accepted": summary.accepted,
                "first_kept": summary.first_kept,
            }
        )

    async def _clear_events(self, _request: web.Request) -> web.Response:
        forgotten = self._ledger.summary().accepted
        self._ledger.clear()
        return _json({"forgotten": forgotten})

    async def _requests(self, request: web.Request) -> web.Response:
        entries = [entry._asdict() for entry in self._ledger.requests(_number(request, "after", 0), _page(request))]
        if _wants_lines(request):
            body = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
            return web.Response(body=body, content_type="application/x-ndjson")
        return _json({"requests": entries, "total": self._ledger.summary().requests})

    async def _summary(self, request: web.Request) -> web.Response:
        wanted = _number(request, "accepted", 0)
        within = min(_seconds(request, "within"), WAIT_SECONDS_MAX)
        summary = self._ledger.summary()
        if wanted and within and summary.accepted < wanted:
            summary = await self._await_accepted(wanted, within)
        return _json(summary._asdict())

    async def _await_accepted(self, wanted: int, within_seconds: float) -> Summary:
        def reached(summary: Summary) -> bool:
            return summary.accepted >= wanted

        try:
            return await self._ledger.wait_until(reached, within_seconds)
        except TimeoutError:
            return self._ledger.summary()

    async def _faults(self, _request: web.Request) -> web.Response:
        now = time.monotonic()
        return _json({"faults": [standing.as_json(now) for standing in self._switch.standing_faults()]})

    async def _set_faults(self, request: web.Request) -> web.Response:
        value = await _decoded(request)
        try:
            rules = [rule_from(item) for item in (value if isinstance(value, list) else [value])]
        except ValueError as fault:
            raise _bad_request(str(fault)) from None
        ids = [self._switch.set_fault(rule) for rule in rules]
        return _json({"ids": ids}, status=201)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        fault_id = _number(request, "id", 0) or None
        return _json({"ended": self._switch.clear_faults(fault_id)})

    async def _show_clock(self, _request: web.Request) -> web.Response:
        return _json({"now": self._clock.now(), "frozen": self._clock.frozen})

    async def _set_clock(self, request: web.Request) -> web.Response:
        setting = await _converted(request, ClockSetting)
        if setting.now is None:
            self._clock.reset()
        elif not isinstance(setting.now, msgspec.UnsetType):
            try:
                self._clock.set(parse_instant(setting.now), frozen=setting.frozen)
            except ValueError as fault:
                raise _bad_request(f"now: {fault}") from None
        if setting.advance_seconds:
            self._clock.advance(setting.advance_seconds)
        return await self._show_clock(request)


def _event_json(event: AcceptedEvent) -> dict[str, object]:
    return {
        "sequence": event.sequence,
        "request": event.request,
        "arrived": event.arrived,
        "event": msgspec.Raw(event.raw),
    }


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _bad_request(fault: str) -> web.HTTPBadRequest:
    text = msgspec.json.encode({"error": fault}).decode()
    return web.HTTPBadRequest(text=text, content_type="application/json")


async def _decoded(request: web.Request) -> Any:
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise _bad_request(f"the body: {fault}; expected JSON") from None


async def _converted(request: web.Request, kind: type[_Setting]) -> _Setting:
    try:
        return msgspec.convert(await _decoded(request), kind)
    except msgspec.ValidationError as fault:
        raise _bad_request(str(fault)) from None


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise _bad_request(f"{name}: found {text!r}, expected a whole number from 0")
    return int(text)


def _seconds(request: web.Request, name: str) -> float:
    text = request.query.get(name, "0")
    if not re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        raise _bad_request(f"{name}: found {text!r}, expected seconds")
    return float(text)


def _page(request: web.Request) -> int:
    limit = _number(request, "limit", PAGE_DEFAULT)
    if not 1 <= limit <= PAGE_MAX:
        raise _bad_request(f"limit: found {limit}, expected 1 to {PAGE_MAX}")
    return limit


def _wants_lines(request: web.Request) -> bool:
    shape = request.query.get("format")
    if shape not in {None, "json", "ndjson"}:
        raise _bad_request(f"format: found {shape!r}, expected json or ndjson")
    return shape == "ndjson" or (shape is None and "application/x-ndjson" in request.headers.get("Accept", ""))
