"""The sandbox's clock. Owns two readings: the time that events are judged by, and the age of issued tokens.

The first can be set to any date, because examples carry fixed ones. Tokens and assertions must not follow it: they are
made by clients whose clocks show the real time. So setting the date leaves tokens alone, and `advance` moves both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class SandboxClock:
    def __init__(
        self,
        now: datetime | None = None,
        *,
        frozen: bool = False,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._advanced = 0.0
        self._aged = 0.0
        self._origin = wall()
        self._set_at = monotonic()
        self._follows_wall = True
        self.frozen = frozen
        if now is not None:
            self.set(now, frozen=frozen)
        elif frozen:
            self._follows_wall = False

    def now(self) -> float:
        """Seconds since the epoch, as events see it."""
        if self._follows_wall:
            return self._wall() + self._advanced
        if self.frozen:
            return self._origin
        return self._origin + self._monotonic() - self._set_at

    def age_now(self) -> float:
        """Seconds on a scale without a date, for the life of tokens: moved by `advance`, not by `set`."""
        return self._monotonic() + self._aged

    def real_now(self) -> float:
        """Seconds since the epoch as the clients' clocks have it."""
        return self._wall()

    def set(self, now: datetime, *, frozen: bool = False) -> None:
        self._origin = (now if now.tzinfo else now.replace(tzinfo=UTC)).timestamp()
        self._set_at = self._monotonic()
        self._follows_wall = False
        self.frozen = frozen

    def reset(self) -> None:
        """Back to the real time. Tokens keep the age they have got."""
        self._follows_wall = True
        self.frozen = False
        self._advanced = 0.0

    def advance(self, seconds: float) -> None:
        self._advanced += seconds
        self._aged += seconds
        if not self._follows_wall:
            self._origin += seconds


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date and time; without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"found {text!r}, expected a date and time such as 2020-05-03T00:00:00Z") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
