"""What the recording endpoint wrote: one line for each answer, its time and the numbers of its events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    nanoseconds: int
    """Of the monotonic clock that all processes of a machine share."""
    numbers: tuple[int, ...]

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1e9


def read_answers(told: Path) -> list[Answer]:
    """In the order of the answers; a line that is not whole yet is left out. The file may not be there yet."""
    if not told.exists():
        return []
    found = []
    for line in told.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            moment, *numbers = line.split()
            found.append(Answer(int(moment), tuple(map(int, numbers))))
    return found
