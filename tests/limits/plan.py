"""How much is fed, for how long, and the bounds that must hold: they are stated in docs/operations.md."""

from __future__ import annotations

from dataclasses import dataclass

RSS_MAX_MB = 320
"""Of a process with the default window (20,000 records, 64 MiB), whatever the topic and the endpoint do: about 128 MB
for itself and three times `window.bytes_max`, for what is in flight is there once more as the bodies of requests."""

RSS_MAX_SMALL_MB = 192
"""The same where the window is full by its number of records, because they are small."""

WINDOW_EXCESS = 1 / 8
"""What waited for a schema is prepared a sixteenth of the window at a time, and its events may weigh as much again."""

PAUSES_PER_MINUTE_MAX = 6.0
"""Of one partition. A pause throws away what was fetched and costs about a second; the partition's share of the window,
of which half is left at the resume, has to last longer than that."""

PAUSES_FREE = 9
"""One for each partition whose share is full, and one for all: into the trouble, however short a phase is."""

MAX_POLL_INTERVAL_MS = 6000
"""Shorter than each phase of trouble: a loop that does not poll in it is thrown out of the group."""


@dataclass(frozen=True, slots=True)
class Plan:
    events: int
    stopped_seconds: float
    slow_seconds: float
    drain_seconds_max: float
    large_records: int
    """Of about 50 KB, that wait for their schema."""


LONG = Plan(5_000_000, 60.0, 60.0, 900.0, 8000)
SHORT = Plan(120_000, 7.0, 7.0, 60.0, 1800)
