"""A record as the broker gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    content: bytes | None
    sent_headers: list[tuple[str, bytes | None]] | None = None

    def topic(self) -> str:
        return "orders"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def key(self) -> bytes | None:
        return b"key"

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.sent_headers

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_700_000_000_000)
