"""`requests_max: auto` against endpoints that are modelled: in virtual time, from seeds."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from random import Random

import pytest

from connector.core.concurrency import LIMIT_FIRST, LIMIT_MAX, Concurrency, Sign, sign_of
from connector.core.outcomes import classify
from connector.core.records import Answer, HttpAnswer, TransportFault


@dataclass
class Endpoint:
    """`workers` serve one request each; more wait in line. Each request in line makes all of them slower by `drag`.

    `turns_away`: in flight at most, more are answered with 429 at once.
    """

    workers: int = 24
    seconds: float = 0.05
    jitter: float = 0.0
    drag: float = 0.0
    turns_away: int | None = None

    def service_seconds(self, random: Random, waiting: int) -> float:
        factor = random.lognormvariate(0, self.jitter) if self.jitter else 1.0
        return self.seconds * factor * (1 + self.drag * waiting)


@dataclass
class Run:
    """A connector that always has something to send, or as much as `offered` requests a second."""

    endpoint: Endpoint
    limit: Callable[[], int]
    concurrency: Concurrency | None = None
    offered: float | None = None
    seed: int = 1
    delivered_at: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)
    throttled: int = 0

    def go(self, seconds: float, change: tuple[float, Endpoint] | None = None) -> Run:
        random = Random(self.seed)
        now, request = 0.0, 0
        ends: list[tuple[float, int, Sign]] = []
        line: deque[int] = deque()
        busy = in_flight = 0
        credit = 0.0
        while now < seconds:
            if change is not None and now >= change[0]:
                self.endpoint = change[1]
                change = None
            while in_flight < self.limit() and (self.offered is None or credit >= 1):
                request += 1
                credit -= 1
                in_flight += 1
                if self.concurrency is not None:
                    self.concurrency.sent(request, now)
                if self.endpoint.turns_away is not None and in_flight > self.endpoint.turns_away:
                    heapq.heappush(ends, (now + 0.002, request, "too_many"))
                else:
                    line.append(request)
            while line and busy < self.endpoint.workers:
                busy += 1
                took = self.endpoint.service_seconds(random, len(line) - 1)
                heapq.heappush(ends, (now + took, line.popleft(), "delivered"))
            before = now
            if ends and (self.offered is None or ends[0][0] < now + 0.01):
                now, ended, sign = heapq.heappop(ends)
                in_flight -= 1
                busy -= sign == "delivered"
                if sign == "delivered":
                    self.delivered_at.append(now)
                else:
                    self.throttled += 1
                if self.concurrency is not None:
                    more = self.offered is None or credit >= 1
                    self.concurrency.answered(ended, sign, now, more=more)
                    self.limits.append((now, self.limit()))
            else:
                now += 0.01
            credit += (self.offered or 0) * (now - before)
        return self

    def rate(self, start: float, end: float) -> float:
        return sum(start <= at < end for at in self.delivered_at) / (end - start)

    def limits_after(self, start: float) -> list[int]:
        return [limit for at, limit in self.limits if at >= start]


def auto(endpoint: Endpoint, seconds: float = 120, seed: int = 1, **more: object) -> Run:
    concurrency = Concurrency()
    run = Run(endpoint, lambda: concurrency.limit, concurrency, seed=seed)
    return run.go(seconds, **more)  # type: ignore[arg-type]


@cache
def best_fixed(name: str) -> float:
    """Requests a second with the best of many fixed settings."""
    limits = sorted({*range(1, 6), 20, *(round(6 * 1.2**step) for step in range(18))})
    return max(Run(ENDPOINTS[name], lambda n=limit: n).go(8).rate(1, 8) for limit in limits if limit <= LIMIT_MAX)


ENDPOINTS = {
    "a knee at 24": Endpoint(),
    "a knee at 3": Endpoint(workers=3),
    "one at a time": Endpoint(workers=1, seconds=0.02),
    "a knee at 100": Endpoint(workers=100, seconds=0.1),
    "no knee in reach": Endpoint(workers=1000, seconds=0.1),
    "slower beyond the knee": Endpoint(workers=16, drag=0.05),
    "uneven answers": Endpoint(workers=24, jitter=0.5),
    "very uneven answers, slower beyond": Endpoint(workers=40, jitter=0.8, drag=0.02),
    "turns away beyond 20": Endpoint(workers=100, turns_away=20),
    "turns away beyond 2": Endpoint(workers=100, turns_away=2),
}


SEEDED = [(name, seed) for name, endpoint in ENDPOINTS.items() for seed in ((1, 2, 3) if endpoint.jitter else (1,))]


@pytest.mark.parametrize(("name", "seed"), SEEDED)
def test_it_finds_what_the_endpoint_likes_and_stays_there(name: str, seed: int) -> None:
    run = auto(ENDPOINTS[name], 100, seed)
    best = best_fixed(name)
    assert run.rate(0, 10) >= 0.7 * best, "soon"
    assert run.rate(30, 100) >= 0.85 * best
    settled = run.limits_after(30)
    changes = sum(before != after for before, after in pairwise(settled))
    assert changes <= 20, "no oscillation: steps in vain grow rare"
    assert max(settled) <= 2.5 * min(settled)


def test_it_follows_an_endpoint_that_changes() -> None:
    fewer = auto(Endpoint(workers=40), 90, change=(30, Endpoint(workers=6, drag=0.1)))
    assert fewer.rate(60, 90) >= 0.85 * Run(Endpoint(workers=6, drag=0.1), lambda: 7).go(30).rate(0, 30)
    more = auto(Endpoint(workers=6), 200, change=(30, Endpoint(workers=60)))
    assert more.rate(150, 200) >= 0.85 * 60 / 0.05


def test_with_little_to_send_nothing_is_tried() -> None:
    concurrency = Concurrency()
    run = Run(Endpoint(), lambda: concurrency.limit, concurrency, offered=30).go(30)
    assert set(run.limits_after(0)) == {LIMIT_FIRST}
    assert run.rate(5, 30) == pytest.approx(30, rel=0.1)


def test_requests_that_were_in_flight_together_lower_it_once() -> None:
    concurrency = Concurrency()
    concurrency.limit = concurrency._base = 40
    for request in range(40):
        concurrency.sent(request, 0.0)
    for request in range(40):
        concurrency.answered(request, "too_many", 1.0 + request / 1000, more=True)
    assert concurrency.limit == 30


@pytest.mark.parametrize("limit_max", [1, 3, 10])
def test_it_keeps_to_the_most(limit_max: int) -> None:
    concurrency = Concurrency(limit_max)
    run = Run(Endpoint(workers=1000), lambda: concurrency.limit, concurrency).go(20)
    assert max(run.limits_after(0)) == limit_max


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        (HttpAnswer(200, b'{"ok":true}'), "delivered"),
        (HttpAnswer(429, b""), "too_many"),
        (HttpAnswer(503, b""), "other"),
        (HttpAnswer(400, b"{}"), "other"),
        (TransportFault("timeout", ""), "too_many"),
        (TransportFault("connect", ""), "other"),
    ],
)
def test_what_an_answer_says_of_the_number(answer: Answer, sign: Sign) -> None:
    assert sign_of(answer, classify(answer)) == sign
