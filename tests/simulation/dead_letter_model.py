"""The dead-letter topic and its producer: refusing, slow, down for a while, reports out of order, letters not taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tests.simulation.chances import Chances, Timeline

Report = Literal["written", "failed", "not taken"]


class DeadLetterModel:
    def __init__(self, chances: Chances, timeline: Timeline) -> None:
        self._chances = chances
        self._timeline = timeline
        self._down_until = 0.0
        self.written: set[tuple[int, int]] = set()
        """(partition, offset) of each record that is in the topic."""

    def write(self, partition: int, offset: int, report: Callable[[Report], None]) -> None:
        """Takes a letter. `not taken` is told at once, anything else later."""
        if self._chances.hit("letter not taken"):
            report("not taken")
            return
        delay = self._chances.random.uniform(0.001, 0.05)
        if self._chances.hit("late report"):
            delay = self._chances.random.uniform(0.2, 2.5)
        if self._chances.hit("dead-letter topic down"):
            self._down_until = self._timeline.now + self._chances.random.uniform(0.2, 6.0)
        if self._chances.calm:
            self._down_until = 0.0
        if self._timeline.now < self._down_until or self._chances.hit("dead letters refused"):
            self._timeline.after(delay, lambda: report("failed"))
        elif self._chances.hit("written but reported as failed"):
            self.written.add((partition, offset))
            self._timeline.after(delay, lambda: report("failed"))
        else:
            self._timeline.after(delay, lambda: self._write(partition, offset, report))

    def _write(self, partition: int, offset: int, report: Callable[[Report], None]) -> None:
        self.written.add((partition, offset))
        report("written")
