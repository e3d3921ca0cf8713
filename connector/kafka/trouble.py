"""What is wrong with Kafka, and since when. The client tells of faults, never of their end: one counts while it lasts
in repetitions. Owned by the loop's thread; pure, the clock is handed in."""

from __future__ import annotations

from typing import NamedTuple

_SECONDS = 10.0
"""So long what the client told counts; while the trouble lasts it tells again sooner."""


class Told(NamedTuple):
    since: float
    last: float
    code: str
    detail: str


class KafkaTrouble:
    __slots__ = ("_told", "lost_since")

    def __init__(self) -> None:
        self._told: Told | None = None
        self.lost_since: float | None = None
        """Since when the group counts this member as gone, or no broker tells it otherwise."""

    def told(self, code: str, detail: str, now: float) -> None:
        """While it lasts it keeps the code that it began with: one outage is told by several, in turn."""
        before = self.current(now)
        self._told = Told(now, now, code, detail) if before is None else before._replace(last=now, detail=detail)

    def over(self) -> None:
        """The cluster has just answered what was asked."""
        self._told = None

    def current(self, now: float) -> Told | None:
        told = self._told
        return told if told is not None and now - told.last < _SECONDS else None
