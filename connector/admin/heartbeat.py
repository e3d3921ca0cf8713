"""The loop's pulse: it beats, `/livez` looks at when it last did."""

from __future__ import annotations

import time
from collections.abc import Callable

STALLED_SECONDS = 60.0
"""The loop beats many times a second, even while it drains or waits; no call in it may take this long."""


class Heartbeat:
    """Written by the loop's thread, read by the HTTP thread: one float, no lock."""

    def __init__(self, limit_seconds: float = STALLED_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_seconds = limit_seconds
        self._clock = clock
        self._last = clock()

    def beat(self, now: float) -> None:
        """`now` is time.monotonic(), which the loop has at hand."""
        self._last = now

    def age_seconds(self) -> float:
        return max(0.0, self._clock() - self._last)

    def stalled(self) -> str | None:
        """Why the loop counts as dead, or None."""
        age = self.age_seconds()
        if age <= self.limit_seconds:
            return None
        return f"the loop has not beaten for {age:.0f} s, expected every {self.limit_seconds:.0f} s at least"
