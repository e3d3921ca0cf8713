"""Records and entries for the tests of the core."""

from __future__ import annotations

from dataclasses import dataclass

from connector.core.records import Entry


@dataclass(frozen=True)
class FakeRecord:
    """What the core reads of a source record."""

    at: int
    key_bytes: bytes | None = None
    value_bytes: bytes | None = b"{}"
    in_topic: str = "orders"
    in_partition: int = 0
    own_headers: tuple[tuple[str, bytes | None], ...] = ()

    def topic(self) -> str:
        return self.in_topic

    def partition(self) -> int:
        return self.in_partition

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.value_bytes

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return list(self.own_headers) or None

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_700_000_000_000 + self.at)


def entry(offset: int, key: bytes | None = None, body: bytes = b'{"a":1}') -> Entry:
    return (offset, key, body, FakeRecord(offset, key, body), len(body))
