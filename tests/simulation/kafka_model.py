"""Kafka as the connector sees it: logs with holes, one group, commits behind a fence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

from connector.core.records import Entry, NextOffset, TopicPartition

EventKind = Literal["good", "bad", "large"]
RecordKind = Literal["events", "skipped", "invalid"]


class EventId(NamedTuple):
    """One event of one record."""

    partition: int
    offset: int
    part: int


@dataclass(frozen=True, slots=True, eq=False)
class ModelRecord:
    """A source record that knows what has to become of it."""

    name: TopicPartition
    at: int
    ordering_key: bytes | None
    kind: RecordKind
    events: tuple[EventKind, ...]
    schema: str | None
    bodies: tuple[bytes, ...]

    def topic(self) -> str:
        return self.name.topic

    def partition(self) -> int:
        return self.name.partition

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.ordering_key

    def value(self) -> bytes | None:
        return b"".join(self.bodies) or b"x"

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def entries(self) -> list[Entry]:
        """As they are prepared: the first of them carries the weight of the record itself."""
        weights = [len(body) + (0 if index else len(self.value() or b"")) for index, body in enumerate(self.bodies)]
        return [(self.at, self.ordering_key, b, self, w) for b, w in zip(self.bodies, weights, strict=True)]

    @property
    def is_rejected(self) -> bool:
        """Whether it has to end in the dead letters."""
        return self.kind == "invalid" or "bad" in self.events or "large" in self.events


class Committed(NamedTuple):
    position: NextOffset
    metadata: str


@dataclass(slots=True)
class Log:
    """One partition: records in the order of their offsets, and where it ends (control records count)."""

    name: TopicPartition
    records: list[ModelRecord] = field(default_factory=list)
    end: int = 0

    def append(self, random: Random, keys: int, schema: str | None, flood: RecordKind | None) -> None:
        """`flood`: instead of a mixture `invalid` records, or `events` that are all refused."""
        if random.random() < 0.15:
            self.end += random.randint(1, 4)  # compacted, aborted, or a control record
        kind: RecordKind = flood or random.choices(("events", "skipped", "invalid"), (86, 9, 5))[0]
        count = random.choices((1, 2, 3, 5), (85, 8, 4, 3))[0] if kind == "events" else 0
        events: tuple[EventKind, ...] = tuple(
            "bad" if flood else random.choices(("good", "bad", "large"), (93, 5, 2))[0] for _ in range(count)
        )
        key = None if random.random() < 0.2 else b"k%d" % random.randrange(keys)
        bodies = tuple(_body(self.name.partition, self.end, index, random) for index in range(count))
        self.records.append(ModelRecord(self.name, self.end, key, kind, events, schema, bodies))
        self.end += 1

    def from_offset(self, offset: int, count: int) -> list[ModelRecord]:
        return [record for record in self.records if record.at >= offset][:count]


def _body(partition: int, offset: int, index: int, random: Random) -> bytes:
    text = {"p": partition, "o": offset, "e": index, "pad": "ü" * random.randrange(12)}
    return json.dumps(text, ensure_ascii=False, indent=random.choice((None, 1))).encode()


def event_ids(body: bytes) -> list[EventId]:
    """What a request carries, read from the bytes that were sent."""
    return [EventId(event["p"], event["o"], event["e"]) for event in json.loads(body)]


class Group:
    """The coordinator: who holds what, and what is committed. A commit counts only from the present holder."""

    def __init__(self, names: Sequence[TopicPartition]) -> None:
        self.holder: dict[TopicPartition, tuple[int, int] | None] = dict.fromkeys(names)
        self.committed: dict[TopicPartition, Committed] = {}
        self._grants = 0

    def grant(self, name: TopicPartition, member: int) -> int:
        """Gives a free partition to a member. The number tells this grant from every other one."""
        assert self.holder[name] is None
        self._grants += 1
        self.holder[name] = (member, self._grants)
        return self._grants

    def free(self, names: Sequence[TopicPartition], member: int) -> None:
        """Gives up those that the member still holds."""
        for name in set(names) & set(self.held_by(member)):
            self.holder[name] = None

    def free_all(self, member: int) -> None:
        """The member left, died, or its session ran out."""
        self.free(self.held_by(member), member)

    def held_by(self, member: int) -> list[TopicPartition]:
        return [name for name, holder in self.holder.items() if holder is not None and holder[0] == member]

    def commit(self, name: TopicPartition, member: int, grant: int, position: NextOffset, metadata: str) -> bool:
        """False: answered with UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION."""
        if self.holder[name] != (member, grant):
            return False
        self.committed[name] = Committed(position, metadata)
        return True
