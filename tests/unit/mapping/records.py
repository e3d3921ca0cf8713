"""A record as the broker gives it, with everything that a test may want to say about it."""

from __future__ import annotations

Headers = list[tuple[str, bytes | None]]


class StoredRecord:
    """Fulfils `SourceRecord`."""

    def __init__(
        self,
        value: bytes | None,
        *,
        topic: str = "orders",
        partition: int = 0,
        offset: int = 0,
        key: bytes | None = None,
        headers: Headers | None = None,
        timestamp: tuple[int, int] = (1, 1_700_000_000_000),
    ) -> None:
        self._value = value
        self._topic = topic
        self._partition = partition
        self._offset = offset
        self._key = key
        self._headers = headers
        self._timestamp = timestamp

    def value(self) -> bytes | None:
        return self._value

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def headers(self) -> Headers | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp
