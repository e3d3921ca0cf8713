"""The endpoint: all or nothing, every outcome of the closed set, answers late, reordered and lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from connector.core.records import Answer, CredentialsRefused, HttpAnswer, TransportFault
from tests.simulation.chances import Chances, Timeline
from tests.simulation.kafka_model import EventId, EventKind, event_ids

_OUTAGES = {
    "outage 503": 503,
    "outage 429 with Retry-After": 429,
    "outage 401": 401,
    "outage 403": 403,
    "outage 404": 404,
    "outage without a connection": 0,
}


class EndpointModel:
    """`stored` is told of every array that was stored; `answer` of a request is called once, later."""

    def __init__(
        self,
        chances: Chances,
        timeline: Timeline,
        kinds: Mapping[EventId, EventKind],
        stored: Callable[[int, list[EventId]], None],
    ) -> None:
        self._chances = chances
        self._random = chances.random
        self._timeline = timeline
        self._kinds = kinds
        self._stored = stored
        self._outage = 0
        self._outage_until = 0.0

    def post(self, number: int, body: bytes, answer: Callable[[Answer], None]) -> None:
        """Takes a request. `number` tells it from all others of the world."""
        self._timeline.after(self._random.uniform(0.001, 0.03), lambda: self._arrived(number, body, answer))

    def _arrived(self, number: int, body: bytes, answer: Callable[[Answer], None]) -> None:
        delay = self._random.uniform(0.001, 0.08)
        if self._chances.hit("very late answer"):
            delay = self._random.uniform(0.5, 3.0)
        reply = self._outage_reply() or self._odd_reply(number, body) or self._reply(number, event_ids(body), body)
        self._timeline.after(delay, lambda: answer(reply))

    def _outage_reply(self) -> Answer | None:
        if self._chances.calm:
            self._outage_until = 0.0
        elif self._timeline.now >= self._outage_until:
            for kind, status in _OUTAGES.items():
                if self._chances.hit(kind):
                    self._outage = status
                    self._outage_until = self._timeline.now + self._random.uniform(0.05, 4.0)
                    break
        if self._timeline.now >= self._outage_until:
            return None
        if self._outage == 0:
            return TransportFault("connect", "refused", may_have_arrived=False)
        wait = self._random.choice((None, "0", "1", "2", "soon")) if self._outage in {429, 503} else None
        return HttpAnswer(self._outage, b'{"ok": false}', retry_after=wait)

    def _odd_reply(self, number: int, body: bytes) -> Answer | None:
        """A single fault of this request."""
        hit, events = self._chances.hit, event_ids(body)
        if hit("500"):
            return HttpAnswer(self._random.choice((500, 502, 504)), b"<html>")
        if hit("408 or 425"):
            return HttpAnswer(self._random.choice((408, 425)), b"")
        if hit("redirect or unforeseen status"):
            return HttpAnswer(self._random.choice((302, 405, 415, 418, 501)), b"")
        if hit("200 with ok false"):
            return HttpAnswer(200, b'{"ok": false, "error": "no"}')
        if hit("disconnected before it was stored"):
            return TransportFault("disconnected", "ServerDisconnected")
        if hit("no credentials"):
            return self._random.choice(
                (CredentialsRefused("invalid_client"), TransportFault("credentials_unavailable", "", False))
            )
        if hit("413 for the whole") and len(events) > self._random.randint(1, 6):
            return HttpAnswer(413, b"too large")
        if len(events) > 1 and hit("spurious 400"):
            return self._refusal(self._random.randrange(len(events)), body)
        if not self._faulty(events):
            return self._lost_reply(number, events)
        return None

    def _lost_reply(self, number: int, events: list[EventId]) -> Answer | None:
        """Stored, but the answer does not say so."""
        if self._chances.hit("answer lost after it was stored"):
            self._stored(number, events)
            return TransportFault("disconnected", "ServerDisconnected")
        if self._chances.hit("200 that is not JSON"):
            self._stored(number, events)
            return HttpAnswer(200, self._random.choice((b"", b"<html>", b"[]", b"{}")))
        if self._chances.hit("stored after the time-out"):
            self._timeline.after(self._random.uniform(0.1, 3.0), lambda: self._stored(number, events))
            return TransportFault("timeout", "60 s")
        return None

    def _faulty(self, events: list[EventId]) -> list[int]:
        return [index for index, event in enumerate(events) if self._kinds[event] != "good"]

    def _reply(self, number: int, events: list[EventId], body: bytes) -> Answer:
        faulty = self._faulty(events)
        if not faulty:
            self._stored(number, events)
            return HttpAnswer(200, b'{"ok": true, "operation_id": "x"}')
        if any(self._kinds[events[index]] == "large" for index in faulty):
            return HttpAnswer(413, b"too large")
        return self._refusal(faulty[0], body)

    def _refusal(self, index: int, body: bytes) -> HttpAnswer:
        if self._chances.hit("wrong path"):
            index = self._random.randrange(120)
        details: dict[str, object] = {"error": "invalid"}
        if self._chances.hit("location only"):
            before = body[: self._start_of(index, body)].decode()
            details["location"] = {"line": before.count("\n") + 1, "column": len(before.rpartition("\n")[2]) + 1}
        elif not self._chances.hit("no path"):
            spelling = self._random.choice(("$[{}].body.name", "[{}]", "{}.user", "$.[{}]", "events[{}].body"))
            details["path"] = spelling.format(index)
        status = self._random.choice((400, 422))
        return HttpAnswer(status, json.dumps({"ok": False, "error": "invalid", "details": details}).encode())

    @staticmethod
    def _start_of(index: int, body: bytes) -> int:
        start = 0
        for _ in range(index + 1):
            start = max(start, body.find(b"{", start + 1))
        return start
