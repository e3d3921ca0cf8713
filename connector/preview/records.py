"""A record that comes from a file: it fulfils `SourceRecord`, as a message of the broker does."""

from __future__ import annotations

from dataclasses import dataclass

Headers = list[tuple[str, bytes | None]]

CREATE_TIME = 1
"""A timestamp that the producer set, as Kafka's clients number it."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    place: str
    """Where it stands, for people: `messages.jsonl:3`."""
    topic_name: str
    partition_number: int
    offset_number: int
    key_bytes: bytes | None
    value_bytes: bytes | None
    header_list: Headers | None
    timestamp_ms: int

    def topic(self) -> str:
        return self.topic_name

    def partition(self) -> int:
        return self.partition_number

    def offset(self) -> int:
        return self.offset_number

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.value_bytes

    def headers(self) -> Headers | None:
        return self.header_list

    def timestamp(self) -> tuple[int, int]:
        return CREATE_TIME, self.timestamp_ms
