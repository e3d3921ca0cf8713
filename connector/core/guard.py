"""The guard against a flood of rejects: a wrong deployment must not drain a topic into the dead letters.

Owns the recent verdicts. It trips when rejects exceed a share of them, or come so many in a row. Tripped, it stops
consuming and holds the rejects that are not written yet; after a wait it lets a small sample through, and goes on when
that is good. So it heals by itself when the bad stretch is over, and leaves at most a sample behind at each try.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

_BUCKET_VERDICTS = 500
_BUCKETS = 10

SAMPLE_RECORDS = 100
_WAIT_SECONDS_FIRST = 30.0
_WAIT_SECONDS_MAX = 600.0
_SAMPLE_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class GuardLimits:
    share_max: float
    run_max: int
    verdicts_min: int = 1000
    """A share says nothing about fewer messages than this."""
    sample_records: int = SAMPLE_RECORDS


@dataclass(frozen=True, slots=True)
class Trip:
    """Why the guard stopped consuming, since when, and when it tries again."""

    cause: Literal["share", "run"]
    rejects: int
    of: int
    since: float
    sample_at: float


class RejectGuard:
    __slots__ = ("_buckets", "_limits", "_run", "_sample_bad", "_sample_good", "_trips", "trip")

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._buckets: deque[list[int]] = deque([[0, 0]], maxlen=_BUCKETS)  # [good, bad]
        self._run = 0
        self._trips = 0
        self._sample_good = self._sample_bad = 0
        self.trip: Trip | None = None

    def reading_allowed(self, now: float, undecided: int = 0) -> int | None:
        """How many records may be read now; None: as many as you like. `undecided`: read, and their verdict to come."""
        if self.trip is None:
            return None
        if now < self.trip.sample_at:
            return 0
        return max(0, self._limits.sample_records - self._sample_good - self._sample_bad - undecided)

    def due_at(self) -> float | None:
        return None if self.trip is None else self.trip.sample_at

    def verdicts(self, good: int, bad: int, now: float) -> None:
        """Counts verdicts of one run: messages that are deliverable so far, and rejects."""
        if good == bad == 0:
            return  # a filter skipped all of it: that says nothing, and ends no row of rejects
        if self.trip is not None:
            self._sampled(good, bad, now)
            return
        bucket = self._buckets[-1]
        bucket[0] += good
        bucket[1] += bad
        if bucket[0] + bucket[1] >= _BUCKET_VERDICTS:
            self._buckets.append([0, 0])
        if bad == 0:
            self._run = 0
            self._trips = 0 if self._share()[0] == 0 else self._trips
            return
        self._run = bad if good else self._run + bad
        rejects, verdicts = self._share()
        if self._run >= self._limits.run_max:
            self._trip("run", self._run, self._run, now)
        elif verdicts >= self._limits.verdicts_min and rejects > self._limits.share_max * verdicts:
            self._trip("share", rejects, verdicts, now)

    def _share(self) -> tuple[int, int]:
        bad = sum(bucket[1] for bucket in self._buckets)
        return bad, bad + sum(bucket[0] for bucket in self._buckets)

    def _sampled(self, good: int, bad: int, now: float) -> None:
        assert self.trip is not None
        if now < self.trip.sample_at:
            return  # verdicts on what was already read when it tripped
        self._sample_good += good
        self._sample_bad += bad
        seen = self._sample_good + self._sample_bad
        if self._is_bad(self._limits.sample_records):
            self._trip(self.trip.cause, self.trip.rejects, self.trip.of, now)
        elif seen >= self._limits.sample_records // 2 and not self._is_bad(seen):
            self._heal()

    def _is_bad(self, of: int) -> bool:
        """Whether so much of a sample of `of` is rejected that the flood goes on. All of it is, whatever the share."""
        return self._sample_bad > 0 and (self._sample_bad > self._limits.share_max * of or self._sample_bad >= of)

    def time_passed(self, now: float, undecided: int = 0) -> None:
        """A sample that too few messages came for is judged by those that came; by none, that the flood is over."""
        trip = self.trip
        if trip is None or undecided or now < trip.sample_at + _SAMPLE_SECONDS_MAX:
            return
        if self._is_bad(self._sample_good + self._sample_bad):
            self._trip(trip.cause, trip.rejects, trip.of, now)
        else:
            self._heal()

    def _heal(self) -> None:
        self._buckets.clear()
        self._buckets.append([0, 0])
        self._run = 0
        self.trip = None

    def _trip(self, cause: Literal["share", "run"], rejects: int, of: int, now: float) -> None:
        wait = min(_WAIT_SECONDS_FIRST * 2.0 ** min(self._trips, 10), _WAIT_SECONDS_MAX)
        self._trips += 1
        self._sample_good = self._sample_bad = 0
        since = self.trip.since if self.trip is not None else now
        self.trip = Trip(cause, rejects, of, since, now + wait)
