"""What the guard of one member promises, watched from outside: it trips in time, waits, lets a sample through, heals.

Counts verdicts on its own. Where the order within a run is not known, it assumes the one that promises less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connector.core.engine import Engine
from connector.core.guard import GuardLimits, RejectGuard, Trip
from tests.simulation.invariants import require
from tests.simulation.kafka_model import ModelRecord

GUARD_DOES = (
    "tripped by a run",
    "tripped by a share",
    "a sample was bad",
    "healed by a sample",
    "healed with nothing to sample",
)


class GuardWatch:
    """Of one of an engine's two guards."""

    def __init__(self, name: str, guard: RejectGuard, limits: GuardLimits, happened: Counter[str]) -> None:
        self._name = name
        self._happened = happened
        self._guard = guard
        self._limits = limits
        self._run = 0
        self._trip: Trip | None = None
        self._trip_at_read: Trip | None = None
        self._let_through = self._good = self._bad = 0

    def verdicts(self, good: int, bad: int, now: float) -> None:
        """After the engine has counted them."""
        before, after = self._trip, self._guard.trip
        if before is None:
            self._run = 0 if good else self._run + bad
            require(after is not None or self._run < self._limits.run_max, self._name, f"{self._run} rejects in a row")
        elif now < before.sample_at:
            require(after is before, self._name, "what was read before it tripped counts as a sample")
        else:
            self._good += good
            self._bad += bad
            if self._is_bad(self._limits.sample_records):
                waits = after is not None and after.sample_at > now
                require(waits, self._name, f"{self._bad} of a sample are rejects, and it goes on")
        self._look()

    def asked_for_records(self) -> None:
        """After the engine has let time pass, and said how many may be read."""
        self._look()
        self._trip_at_read = self._trip

    def read(self, records: int, now: float) -> None:
        """So many were read that need a verdict. What trips it within one read is not held back any more."""
        if self._trip is None or self._trip is not self._trip_at_read:
            return
        require(now >= self._trip.sample_at, self._name, f"{records} are read before it is time for a sample")
        self._let_through += records
        most = self._limits.sample_records
        require(self._let_through <= most, self._name, f"{self._let_through} are read, a sample is {most}")

    def _look(self) -> None:
        before, after = self._trip, self._guard.trip
        if after is before:
            return
        if before is None and after is not None and after.cause == "share":
            require(after.of >= self._limits.verdicts_min, self._name, f"a share of {after.of} verdicts trips it")
        if after is not None:
            self._happened["a sample was bad" if before is not None else f"tripped by a {after.cause}"] += 1
        elif before is not None:
            self._happened["healed by a sample" if self._good + self._bad else "healed with nothing to sample"] += 1
            found = f"it heals with {self._bad} rejects and {self._good} good ones"
            require(not self._is_bad(self._good + self._bad), self._name, found)
        self._trip = after
        self._run = self._let_through = self._good = self._bad = 0

    def _is_bad(self, of: int) -> bool:
        return self._bad > 0 and (self._bad > self._limits.share_max * of or self._bad >= of)


class GuardWatches:
    """Of a member: its two guards, and what they hold back together."""

    def __init__(self, engine: Engine, limits: GuardLimits, happened: Counter[str]) -> None:
        self._engine = engine
        self.prepared = GuardWatch("guard of what was prepared", engine.prepared_guard, limits, happened)
        self.delivery = GuardWatch("guard of what was delivered", engine.delivery_guard, limits, happened)

    def read(self, records: Sequence[ModelRecord], now: float) -> None:
        """What a filter skips needs no verdict, and what waits for a schema has none for long."""
        decided = [record for record in records if record.kind != "skipped" and record.schema is None]
        self.prepared.read(len(decided), now)
        self.delivery.read(sum(record.kind == "events" for record in decided), now)

    def asked_for_records(self) -> None:
        self.prepared.asked_for_records()
        self.delivery.asked_for_records()

    def may_write(self) -> None:
        require(not self._engine.guard_tripped, "guard", "a reject is written while it is tripped")
