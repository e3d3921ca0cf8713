"""One dead letter: where it lies, where its message came from, what was wrong with it, and the message itself.

Nothing here decides about a letter; `facts.py` says what its headers mean.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

from connector.core.records import SourceRecord
from connector.dlq.facts import Facts, Headers, decimal, facts_of, last, own_headers
from connector.kafka import letter_format as names


class Position(NamedTuple):
    """Where a letter lies in the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Letter:
    """A dead letter as it was read. What its headers say is worked out when it is first asked for."""

    def __init__(self, record: SourceRecord) -> None:
        self.record = record

    @property
    def position(self) -> Position:
        return Position(self.record.partition(), self.record.offset())

    @cached_property
    def facts(self) -> Facts:
        return facts_of(self.record)

    @cached_property
    def replays(self) -> int:
        """How often its message was replayed before."""
        return decimal(last(self.record.headers() or [], names.REPLAYS)) or 0

    @property
    def is_newer(self) -> bool:
        """In a format of ours that came after this program: what its headers say may mean something else by then."""
        return (self.facts.format or 0) > names.VERSION

    @property
    def is_pointer(self) -> bool:
        """The message was too large for the dead-letter topic: it has to be read where it came from."""
        return "value" in self.facts.left_out

    @property
    def failed_at(self) -> str | None:
        """ISO 8601 in UTC; where the writer did not say, when the letter was written."""
        if self.facts.failed_at is not None:
            return self.facts.failed_at
        kind, milliseconds = self.record.timestamp()
        return iso(milliseconds / 1000) if kind else None


class Message:
    """The message of a letter as it was at its origin: what a route's expressions see. Fulfils SourceRecord."""

    def __init__(self, letter: Letter, topic: str | None = None, original: SourceRecord | None = None) -> None:
        """`topic` stands in where the writer did not name it, `original` for what a pointer left out."""
        record, facts = letter.record, letter.facts
        self._topic = facts.origin.topic or topic or ""
        self._partition = -1 if facts.origin.partition is None else facts.origin.partition
        self._offset = -1 if facts.origin.offset is None else facts.origin.offset
        holder = record if original is None else original
        self._key, self._value = holder.key(), holder.value()
        self._headers = own_headers(holder, facts.writer)
        told = facts.original_timestamp
        self._timestamp = record.timestamp() if told is None else (1, told)

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp


def iso(seconds: float) -> str | None:
    """UTC with milliseconds; None for what is outside the calendar: a timestamp is any number that its writer chose."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
