"""Virtual time, and which faults a world has: both come from the seed alone."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection
from random import Random

RATES: dict[str, float] = {
    # the endpoint, for each request
    "outage 503": 0.02,
    "outage 429 with Retry-After": 0.02,
    "outage 401": 0.015,
    "outage 403": 0.01,
    "outage 404": 0.01,
    "outage without a connection": 0.015,
    "500": 0.03,
    "408 or 425": 0.02,
    "redirect or unforeseen status": 0.01,
    "200 with ok false": 0.03,
    "200 that is not JSON": 0.02,
    "disconnected before it was stored": 0.03,
    "answer lost after it was stored": 0.04,
    "stored after the time-out": 0.03,
    "413 for the whole": 0.04,
    "spurious 400": 0.04,
    "very late answer": 0.04,
    "no credentials": 0.01,
    # what a refusal says
    "wrong path": 0.25,
    "no path": 0.25,
    "location only": 0.25,
    # the dead-letter topic, for each letter
    "dead letters refused": 0.08,
    "dead-letter topic down": 0.03,
    "letter not taken": 0.08,
    "late report": 0.15,
    "written but reported as failed": 0.03,
    # commits
    "commit failed": 0.08,
    "commit done but answered as failed": 0.05,
    "late commit": 0.1,
    "metadata refused": 0.01,
    "metadata damaged": 0.1,
    # the group, for each step
    "rebalance": 0.02,
    "session lost": 0.006,
    "kill": 0.008,
    "stop": 0.004,
    "slow schema": 0.5,
    "drain cut short": 0.1,
}

FLOODS: dict[str, float] = {
    # for each record, in worlds with a guard
    "flood of invalid records": 0.004,
    "flood of refused events": 0.004,
}

KINDS = (*RATES, *FLOODS)


class Chances:
    """Draws faults and counts them. Each world has only some of the kinds; in the calm at its end there are none."""

    def __init__(self, random: Random, without: Collection[str] = ()) -> None:
        self.random = random
        self.calm = False
        self.happened: Counter[str] = Counter()
        mood = random.random()
        share = 0.0 if mood < 0.08 else 1.0 if mood > 0.9 else random.choice((0.15, 0.4, 0.7))
        strength = random.choice((0.5, 1.0, 2.0))
        self._rates = {kind: min(0.9, rate * strength * 1.6) for kind, rate in RATES.items() if random.random() < share}
        self._floods = dict(FLOODS)
        for kind in without:
            self._rates.pop(kind, None)
            self._floods.pop(kind, None)

    def hit(self, kind: str) -> bool:
        rate = self._rates.get(kind)
        if rate is None or self.calm or self.random.random() >= rate:
            return False
        self.happened[kind] += 1
        return True

    def flood(self, kind: str, random: Random) -> bool:
        """Like `hit`. Drawn from `random`, so that worlds without a guard draw the same as ever."""
        if self.calm or random.random() >= self._floods.get(kind, 0.0):
            return False
        self.happened[kind] += 1
        return True

    @property
    def faultless(self) -> bool:
        return not self._rates


class Timeline:
    """What happens when. Callbacks at the same time run in the order in which they were set."""

    def __init__(self) -> None:
        self.now = 100.0
        self._next = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        self._next += 1
        heapq.heappush(self._events, (self.now + seconds, self._next, then))

    def next_at(self) -> float | None:
        return self._events[0][0] if self._events else None

    def advance(self, to: float) -> None:
        while self._events and self._events[0][0] <= to:
            at, _, then = heapq.heappop(self._events)
            self.now = max(self.now, at)
            then()
        self.now = max(self.now, to)
