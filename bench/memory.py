"""The peak of the connector's memory while it works off a backlog that is far larger than it looks on the wire.

Events that differ in user and number alone, compressed by zstd: what a fetch of a few megabytes unpacks to is bounded
by the connector's fetch sizes and its window, or by nothing. Default settings; the endpoint costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.children import run_child
from bench.commands import connector_command
from bench.stage import Dataset, Stage

TARGET_MB = 200


def measure(stage: Stage, count: int, repetitions: int, tell: Callable[[str], None]) -> list[float]:
    """MB, of each repetition."""
    topic = stage.topic(Dataset("event", count, compression="zstd", templates=1))
    peaks = []
    for _ in range(repetitions):
        used = run_child(stage.name("memory"), connector_command(stage, topic, "event"), stage.directory)
        peaks.append(round(used.rss_max_mb, 1))
        tell(f"{count:,} events: {peaks[-1]} MB, {count / used.wall_seconds:,.0f} events/s with the start")
    return peaks
