"""The text that travels with a commit: which offsets above the committed position are settled already.

Layout: the mark `ac1:`, then base85 of zlib of varints: the position that the text belongs to, then for each range
its distance from the end of the one before (or the position) and its length. The deflate stream carries a checksum,
so that a damaged text is not taken for a true one. Anything that is not exactly this (another program's text, a newer
version's, a text that belongs to another position) counts as nothing: those records are sent again, none is lost.

A broker takes 4,096 bytes by default (`offset.metadata.max.bytes`). Scattered offsets compress to about two bits
each, so that a default window fits, or nearly; where it does not, the shortest ranges are left out, for each is true
alone.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

from connector.core.progress import OffsetRange
from connector.core.records import NextOffset

METADATA_BYTES_MAX = 4096
_MARK = "ac1:"
_UNPACKED_BYTES_MAX = 256 * 1024
_OFFSET_MAX = 2**63 - 1


def encode(position: NextOffset, ahead: Sequence[OffsetRange], bytes_max: int = METADATA_BYTES_MAX) -> str:
    """The text for a commit of `position`; empty when nothing above it is settled."""
    kept = list(ahead)
    while kept:
        text = _pack(position, kept)
        if len(text) <= bytes_max:
            return text
        longest = sorted(kept, key=lambda r: r.start - r.end)[: len(kept) * 3 // 4]
        kept = sorted(longest)
    return ""


def decode(text: str | None, committed: NextOffset) -> list[OffsetRange]:
    """The ranges that `text` names, if it is ours, whole, and belongs to the committed position; else none."""
    if not text or not text.startswith(_MARK):
        return []
    try:
        packed = base64.b85decode(text[len(_MARK) :])
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, _UNPACKED_BYTES_MAX)
    except (ValueError, zlib.error):
        return []
    if not unpacker.eof or unpacker.unused_data:
        return []
    numbers = _varints(raw)
    if numbers is None or len(numbers) % 2 == 0 or numbers[0] != committed:
        return []
    ranges: list[OffsetRange] = []
    end = int(committed)
    for distance, length in zip(numbers[1::2], numbers[2::2], strict=True):
        start = end + distance
        end = start + length
        if length == 0 or end > _OFFSET_MAX:
            return []
        ranges.append(OffsetRange(start, end))
    return ranges


def _pack(position: NextOffset, ranges: Sequence[OffsetRange]) -> str:
    raw = bytearray()
    _put_varint(raw, position)
    end = int(position)
    for r in ranges:
        _put_varint(raw, r.start - end)
        _put_varint(raw, r.end - r.start)
        end = r.end
    return _MARK + base64.b85encode(zlib.compress(raw, 6)).decode("ascii")


def _put_varint(into: bytearray, number: int) -> None:
    while number > 0x7F:
        into.append(number & 0x7F | 0x80)
        number >>= 7
    into.append(number)


def _varints(raw: bytes) -> list[int] | None:
    """All varints of `raw`; None when it ends within one, or one is longer than an offset can be."""
    numbers: list[int] = []
    number = shift = 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 63:
                return None
        else:
            numbers.append(number)
            number = shift = 0
    return numbers if shift == 0 else None
