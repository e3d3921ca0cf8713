"""Which letters were replayed: a compacted topic beside the dead letters, `<dead-letter topic>.replayed`.

Owns the marks of one group. A letter is marked when its replay is settled, and never unmarked. A committed offset
could not say it: filters leave letters behind in any pattern, what is left behind must be found by the next replay,
and a broker forgets the offsets of a group that is idle for a week.

One record holds the marks of CHUNK_LETTERS letters as bits. Its key names the dead-letter topic by its id, so that the
marks of a topic that was deleted are not taken for those of a new one with the same name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from connector.core.records import SourceRecord
from connector.dlq.letter import Position
from connector.errors import StartError

CHUNK_LETTERS = 16_384
_CHUNK_BYTES = CHUNK_LETTERS // 8
_FORM = b"\x01"
"""The first byte of a value: bits, deflated."""


def ledger_topic(dead_letter_topic: str) -> str:
    return f"{dead_letter_topic}.replayed"


class Ledger:
    def __init__(self, topic_id: str, group: str) -> None:
        self._prefix = f"{topic_id}/{group}/"
        self._chunks: dict[tuple[int, int], bytearray] = {}
        self._changed: set[tuple[int, int]] = set()

    def take(self, record: SourceRecord) -> None:
        """A record of the ledger's topic. Those of other groups and topics are passed over.

        Raises StartError for a value that this version did not write: without it letters would be sent twice.
        """
        key, value = (record.key() or b"").decode("utf-8", "replace"), record.value()
        partition, _, chunk = key.removeprefix(self._prefix).partition("/")
        if not (key.startswith(self._prefix) and partition.isdigit() and chunk.isdigit()) or value is None:
            return
        self._chunks[int(partition), int(chunk)] = _bits(key, value)

    def __contains__(self, position: Position) -> bool:
        chunk, place = divmod(position.offset, CHUNK_LETTERS)
        bits = self._chunks.get((position.partition, chunk))
        return bits is not None and bool(bits[place >> 3] & (1 << (place & 7)))

    def mark(self, positions: Iterable[Position]) -> None:
        for partition, offset in positions:
            chunk, place = divmod(offset, CHUNK_LETTERS)
            bits = self._chunks.setdefault((partition, chunk), bytearray(_CHUNK_BYTES))
            bits[place >> 3] |= 1 << (place & 7)
            self._changed.add((partition, chunk))

    def take_changes(self) -> list[tuple[bytes, bytes]]:
        """Key and value of each record that is to be written. They count as written from here on."""
        changed, self._changed = sorted(self._changed), set()
        return [
            (f"{self._prefix}{partition}/{chunk}".encode(), _FORM + zlib.compress(self._chunks[partition, chunk]))
            for partition, chunk in changed
        ]


def _bits(key: str, value: bytes) -> bytearray:
    try:
        bits = zlib.decompress(value[1:], bufsize=_CHUNK_BYTES) if value.startswith(_FORM) else None
    except zlib.error:
        bits = None
    if bits is None:
        found = f"{key} holds {len(value)} bytes that are no marks of this version"
        raise StartError(f"what was replayed cannot be read: {found}; use the version that wrote them")
    return bytearray(bits[:_CHUNK_BYTES].ljust(_CHUNK_BYTES, b"\0"))
