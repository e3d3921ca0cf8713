"""When may the next request go: back-off, `Retry-After`, the breaker, what blocks delivery, the rate budget.

Owns what is known of the endpoint's health. Nothing here is about a single message: trouble of the endpoint, the way
to it or the credentials slows all requests down and turns none of them into a reject.

The breaker opens after `breaker_failures` failures in a row, over all requests. While it is open, or delivery is
blocked, one request at a time goes as a probe; the first answer that means something closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from connector.core.outcomes import Blocked, Retry

PROBE_SECONDS_MAX = 5.0
"""The longest wait between two probes: one request each five seconds hurts nobody, and recovery takes seconds."""


class Permit(Enum):
    """What may be sent now."""

    ANY = "any"
    PROBE = "probe"
    """One request, whichever batch it is, although a back-off may not be over."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class PacingLimits:
    initial_seconds: float
    max_seconds: float
    breaker_failures: int
    events_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Blockage:
    """What blocks delivery, and since when."""

    cause: Blocked
    since: float


class Pacing:
    __slots__ = (
        "_budget",
        "_budget_at",
        "_failures_in_row",
        "_limits",
        "_next_probe_at",
        "_paused_until",
        "_probes",
        "_random",
        "blockage",
        "breaker_open_since",
        "budget_share",
        "last_failure",
    )

    def __init__(self, limits: PacingLimits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._failures_in_row = 0
        self._probes = 0  # without success, since trouble began
        self._next_probe_at = 0.0
        self._paused_until = 0.0  # what Retry-After asked for
        self._budget = 0.0
        self._budget_at: float | None = None
        self.blockage: Blockage | None = None
        self.breaker_open_since: float | None = None
        self.last_failure: Retry | None = None
        self.budget_share = 1.0
        """The part of the group's rate that is this member's: partitions held over partitions there are."""

    @property
    def in_trouble(self) -> bool:
        return self.blockage is not None or self.breaker_open_since is not None

    def permit(self, now: float, *, probing: bool) -> Permit:
        """`probing`: a probe is in flight."""
        if now < self._paused_until or now < self._budget_due_at(now):
            return Permit.NOTHING
        if not self.in_trouble:
            return Permit.ANY
        if not probing and now >= self._next_probe_at:
            return Permit.PROBE
        return Permit.NOTHING

    def due_at(self, now: float) -> float:
        """When `permit` may say more than it does now, if no answer changes that before."""
        due = max(self._paused_until, self._budget_due_at(now))
        return max(due, self._next_probe_at) if self.in_trouble else due

    def sent(self, events: int, now: float) -> None:
        """Takes `events` from the rate budget. A batch may overdraw it; the next one waits the longer."""
        if self._limits.events_per_second is not None:
            self._refill(now)
            self._budget -= events

    def answered_well(self) -> bool:
        """An answer about the events themselves: the endpoint works. True if that ends the trouble."""
        ended = self.in_trouble
        self._failures_in_row = self._probes = 0
        self.blockage = self.breaker_open_since = self.last_failure = None
        return ended

    def failed(self, retry: Retry, attempts: int, now: float) -> float:
        """A request without a usable answer, the `attempts`-th of its batch in a row. Gives when to send it again."""
        self._failures_in_row += 1
        self.last_failure = retry
        if retry.after_seconds is not None:
            self._paused_until = max(self._paused_until, now + retry.after_seconds)
        if self.blockage is not None:
            # The endpoint no longer says what blocked it: from here on this is trouble of the breaker's kind.
            self.breaker_open_since = self.breaker_open_since or self.blockage.since
            self.blockage = None
        if self.breaker_open_since is None and self._failures_in_row >= self._limits.breaker_failures:
            self.breaker_open_since = now
        if self.breaker_open_since is not None:
            self._schedule_probe(now)
        return max(now + self._backoff(attempts), self._paused_until)

    def blocked(self, cause: Blocked, now: float) -> None:
        since = self.blockage.since if self.blockage is not None else now
        self.blockage = Blockage(cause, since)
        self._schedule_probe(now)

    def _schedule_probe(self, now: float) -> None:
        self._probes += 1
        ceiling = min(PROBE_SECONDS_MAX, self._limits.initial_seconds * 2.0 ** min(self._probes - 1, 30))
        self._next_probe_at = now + ceiling * (0.5 + 0.5 * self._random.random())

    def _backoff(self, attempts: int) -> float:
        """Full jitter: anything between nothing and a ceiling that doubles with each attempt."""
        ceiling = min(self._limits.max_seconds, self._limits.initial_seconds * 2.0 ** min(attempts - 1, 30))
        return self._random.random() * ceiling

    def _rate(self) -> float:
        return (self._limits.events_per_second or 0.0) * self.budget_share

    def _refill(self, now: float) -> None:
        if self._budget_at is not None:
            rate = self._rate()
            self._budget = min(self._budget + (now - self._budget_at) * rate, rate)  # at most a second's worth
        self._budget_at = now

    def _budget_due_at(self, now: float) -> float:
        if self._limits.events_per_second is None:
            return 0.0
        self._refill(now)
        if self._budget >= 0:
            return 0.0
        rate = self._rate()
        return now - self._budget / rate if rate > 0 else now + 1.0
