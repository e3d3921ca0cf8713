"""Leaves out lines that repeat themselves, and counts them.

Of each kind of line (logger, level, message, and its `reason` if it has one) `LINES_MAX` go out within
`WINDOW_SECONDS`; the rest is counted, and the count is said with the next line of that kind, or once the window is
over. Owned by the thread that writes the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

LINES_MAX = 5
WINDOW_SECONDS = 30.0
KINDS_MAX = 1_000
"""Kinds kept apart at once. Beyond it, lines pass: messages are constants, so only a library could get there."""

_LIBRDKAFKA = "%s [%s] %s"
"""How confluent-kafka writes librdkafka's own log lines: facility, client, text."""

_Kind: TypeAlias = tuple[str, int, str, str]


class LeftOut(NamedTuple):
    logger: str
    level: int
    message: str
    reason: str
    lines: int


class _Window:
    __slots__ = ("count", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.count = 0


def _message(record: logging.LogRecord) -> str:
    """What is the same in all lines of a kind. librdkafka's are told apart by their facility, such as FAIL."""
    if record.msg == _LIBRDKAFKA and isinstance(record.args, tuple) and record.args:
        return f"{record.args[0]} of librdkafka"
    return str(record.msg)


class Storms:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[_Kind, _Window] = {}

    def passes(self, record: logging.LogRecord) -> bool:
        """Whether the line goes out. One that opens a new window tells how many before it did not."""
        fields: Mapping[str, object] = getattr(record, "event_fields", {})
        kind = (record.name, record.levelno, _message(record), str(fields.get("reason") or ""))
        now = self._clock()
        window = self._windows.get(kind)
        if window is None or now - window.started >= WINDOW_SECONDS:
            if window is None and len(self._windows) >= KINDS_MAX:
                return True
            if window is not None and window.count > LINES_MAX:
                record.event_left_out = window.count - LINES_MAX
            self._windows[kind] = window = _Window(now)
        window.count += 1
        return window.count <= LINES_MAX

    def ended(self, *, everything: bool = False) -> list[LeftOut]:
        """Storms whose window is over, with what was left out of each; `everything`: the others, too."""
        now = self._clock()
        ended: list[LeftOut] = []
        for kind, window in list(self._windows.items()):
            if everything or now - window.started >= WINDOW_SECONDS:
                del self._windows[kind]
                if window.count > LINES_MAX:
                    ended.append(LeftOut(*kind, window.count - LINES_MAX))
        return ended
