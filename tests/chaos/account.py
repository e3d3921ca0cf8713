"""What a run produced, what arrived, and what was done to it: plain values, which `score.py` judges.

Times are seconds since the epoch by this machine's clock; the sandbox, the processes and the test share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from connector.core.commit_metadata import decode
from connector.core.progress import OffsetRange
from connector.core.records import NextOffset
from tests.support.topics import Committed, Position


class Nature(Enum):
    """What a produced record is; the second and third belong into the dead letters."""

    GOOD = "good"
    REFUSED = "refused"
    NOT_JSON = "not json"


class Produced(NamedTuple):
    position: Position
    key: str
    nature: Nature


class Copy(NamedTuple):
    """One event, stored once by the endpoint of one member."""

    number: int
    slot: int
    """The member's place: each has an endpoint of its own, so that the ledgers tell who sent what."""
    sequence: int
    arrived: float
    ended: float
    """When its request was over for the endpoint."""
    answered: bool
    """Whether the endpoint gave a 200 for it."""


class Letter(NamedTuple):
    """A record of the dead-letter topic, by its origin."""

    origin: Position
    written: float
    reason: str


@dataclass(frozen=True)
class Exposure:
    """A moment at which evidence is lost: a kill, or a member that its group threw out.

    What the member had delivered in [`began`, `until`] and its group's commit of that moment does not hold may be
    delivered once more; nothing else may. `began` is its start, or the end of its exposure before.
    """

    slot: int
    began: float
    at: float
    until: float
    committed: dict[int, Committed]
    commit_seconds: float
    """An answer older than this at the kill must be in the commit."""

    def settled(self) -> dict[int, Settled]:
        return {
            number: Settled(at.offset, decode(at.metadata, NextOffset(at.offset)))
            for number, at in self.committed.items()
        }


class Settled(NamedTuple):
    """What a commit holds of one partition: all below the position, and the ranges that it names above it."""

    position: int
    ahead: list[OffsetRange]

    def __contains__(self, offset: object) -> bool:
        assert isinstance(offset, int)
        return offset < self.position or any(r.start <= offset < r.end for r in self.ahead)


@dataclass
class Account:
    produced: list[Produced] = field(default_factory=list)
    """By the number that the event carries."""
    copies: list[Copy] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list)
    ordered: bool = True
    """No partition changed hands between two members, so the order of a key must hold, too."""
