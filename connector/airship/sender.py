"""Posts bodies to the endpoint and answers each of them, whatever happens.

`send` is called by the owner's thread and costs it microseconds; everything else lives in the HTTP thread. A request
is in `_open` from `send` until its answer is put into the queue; whoever takes it out of there answers it, so that
each has exactly one answer. What an answer means is not decided here (`core/outcomes.py`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import ipaddress
import logging
import queue
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple

from connector.airship.auth import NoToken, Token, unavailable
from connector.airship.connection import ExchangeFault
from connector.airship.endpoint import build_endpoint
from connector.core.records import Answer, HttpAnswer, TransportFault
from connector.http_thread import HttpThread
from connector.settings import AirshipSettings

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 0.5
"""Of a stop's deadline, kept for cancelling what is still open; a stop takes at least as long if the thread hangs."""


class Answered(NamedTuple):
    request_id: int
    answer: Answer
    seconds: float
    """From `send` to the answer."""


class _Job(NamedTuple):
    request_id: int
    body: bytes
    resend_count: int
    headers: Mapping[str, str] | None
    sent_at: float
    """On the monotonic clock, which is the loop's as well."""


class Sender:
    """`start`, `send`, `stop`, all by the owner's thread. Raises SettingsError when it is made."""

    def __init__(
        self,
        settings: AirshipSettings,
        requests_max: int,
        http: HttpThread,
        answers: queue.SimpleQueue[Answered],
    ) -> None:
        self._requests_max = requests_max
        self._request_seconds_max = settings.request_timeout_ms / 1000
        self._http = http
        self._answers = answers
        self._endpoint = build_endpoint(settings, http)
        self.address = self._endpoint.address
        self._head = b""
        self._head_token: Token | None = None
        self._open: dict[int, _Job] = {}
        self._line: deque[_Job] = deque()
        self._line_wakes = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False

    def start(self) -> None:
        """Connects to nothing yet: the first request does."""
        self._started = True
        if not self.address.tls and not _is_loopback(self.address.host):
            logger.warning(
                "airship.base_url: http to %s sends the token in clear; https protects it", self.address.host
            )

    def send(
        self, request_id: int, body: bytes, resend_count: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        """Posts `body`; its answer comes through the queue. At most `requests_max` may be open.

        `headers` are added to the contract's (`traceparent`). `resend_count` is for the log: what was sent before.
        """
        assert self._started
        assert request_id not in self._open
        assert len(self._open) < self._requests_max
        job = _Job(request_id, body, resend_count, headers, time.monotonic())
        self._open[request_id] = job
        self._line.append(job)
        if not self._line_wakes:  # waking the loop is a system call: once for all that stand in line
            self._line_wakes = True
            self._http.post(self._start_line)

    @property
    def in_flight(self) -> int:
        return len(self._open)

    def stop(self, deadline_seconds: float) -> None:
        """Waits for the answers, cancels what has none at the deadline, and closes the connections.

        When it returns, every request has its answer in the queue: its own, or TransportFault("cancelled").
        """
        if self._started and not self._http.failed:
            wait_seconds = max(0.0, deadline_seconds - CANCEL_SECONDS)
            ended = self._http.call(lambda: self._end(wait_seconds))
            concurrent.futures.wait([ended], timeout=max(deadline_seconds, CANCEL_SECONDS))
            ended.cancel()
        self._started = False
        while self._open:  # never begun, or the HTTP thread hangs or is gone
            _, job = self._open.popitem()
            self._put(job, _cancelled())

    def _start_line(self) -> None:
        """In the loop. The mark first: who comes after it wakes the loop again."""
        self._line_wakes = False
        while self._line:
            task = self._http.spawn(self._deliver(self._line.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _end(self, wait_seconds: float) -> None:
        self._start_line()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait_seconds)
        open_tasks = set(self._tasks)
        for task in open_tasks:
            task.cancel()
        if open_tasks:
            await asyncio.wait(open_tasks, timeout=CANCEL_SECONDS)
        self._endpoint.close()

    async def _deliver(self, job: _Job) -> None:
        answer: Answer
        try:
            answer = await self._attempt(job, job.sent_at + self._request_seconds_max)
        except ExchangeFault as fault:
            answer = TransportFault(fault.kind, fault.detail, fault.may_have_arrived)
        except asyncio.CancelledError:
            answer = _cancelled()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("request %d, sent %d times before: %s", job.request_id, job.resend_count, _in_short(answer))
        if self._open.pop(job.request_id, None) is not None:
            self._put(job, answer)

    def _put(self, job: _Job, answer: Answer) -> None:
        self._answers.put(Answered(job.request_id, answer, time.monotonic() - job.sent_at))

    async def _attempt(self, job: _Job, deadline: float) -> Answer:
        """One POST; a second one if a 401 brings another token. Its answer stands, 401 or not."""
        credentials = self._endpoint.credentials
        token: Token | NoToken | None = credentials.ready()
        if token is None:
            token = await _before(deadline, credentials.obtain())
        if not isinstance(token, Token):
            return token
        answer = await self._post(token, job, deadline)
        if answer.status != 401:
            return answer
        renewed = await _before(deadline, credentials.renew(token))
        if not isinstance(renewed, Token):
            return renewed
        if renewed == token:
            return answer
        second = await self._post(renewed, job, deadline)
        return dataclasses.replace(second, sent_tokens=2, resends=answer.resends + second.resends)

    async def _post(self, token: Token, job: _Job, deadline: float) -> HttpAnswer:
        if token is not self._head_token:
            self._head = b"%bAuthorization: Bearer %b\r\n" % (self._endpoint.head, token.value.encode("ascii"))
            self._head_token = token
        head = self._head
        if job.headers:
            lines = "".join(f"{name}: {value}\r\n" for name, value in job.headers.items())
            assert lines.count("\n") == len(job.headers)
            head += lines.encode("ascii")
        return await self._endpoint.client.post(head, job.body, deadline)


async def _before(deadline: float, wait: Coroutine[Any, Any, Token | NoToken]) -> Token | NoToken:
    limit = asyncio.timeout_at(deadline)
    try:
        async with limit:
            return await wait
    except TimeoutError:
        if not limit.expired():
            raise
        return unavailable("no token before the request's deadline")


def _cancelled() -> TransportFault:
    return TransportFault("cancelled", "stopped before there was an answer")


def _in_short(answer: Answer) -> str:
    return f"status {answer.status}" if isinstance(answer, HttpAnswer) else f"{type(answer).__name__}: {answer.detail}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
