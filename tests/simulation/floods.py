"""Floods of rejects that end: a wrong deployment of a producer, seen from the topics.

Draws from a source of its own, so that a world without a flood is the same world with and without this module.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from connector.core.guard import GuardLimits
from connector.core.records import TopicPartition
from tests.simulation.chances import Chances

_GUARD_OFF = GuardLimits(1.0, 10**9)

_Kind = Literal["invalid", "events"]


class Floods:
    """Owns which partitions are in a flood, and for how many more records."""

    def __init__(self, seed: int, chances: Chances) -> None:
        self._random = Random(f"floods of {seed}")
        self._chances = chances
        self._guarded = self._random.random() < 0.3
        self._left: dict[TopicPartition, tuple[_Kind, int]] = {}

    def guard_limits(self) -> GuardLimits:
        """Small ones: a world has hundreds of records, not millions."""
        if not self._guarded:
            return _GUARD_OFF
        pick = self._random.choice
        return GuardLimits(pick((0.3, 0.5, 1.0)), pick((5, 12, 30)), pick((20, 50, 10**9)), pick((6, 10, 20)))

    def verdict(self, name: TopicPartition) -> _Kind | None:
        """What the next record of a partition has to be; None: as it comes."""
        if not self._guarded:
            return None
        if name not in self._left:
            kind: _Kind | None = None
            if self._chances.flood("flood of invalid records", self._random):
                kind = "invalid"
            elif self._chances.flood("flood of refused events", self._random):
                kind = "events"
            if kind is None:
                return None
            self._left[name] = (kind, self._random.randint(5, 60))
        kind, left = self._left.pop(name)
        if left > 1:
            self._left[name] = (kind, left - 1)
        return kind
