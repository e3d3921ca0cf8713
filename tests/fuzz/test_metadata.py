"""Whatever stands in a commit's metadata: another program's, a newer version's, damaged, or the worst that is ours."""

from __future__ import annotations

import zlib
from base64 import b85encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.core import commit_metadata
from connector.core.progress import OffsetRange, Progress
from connector.core.records import NextOffset
from tests.fuzz.spending import within_bytes, within_steps

POSITION = NextOffset(1000)
MIB = 1 << 20


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def ours(raw: bytes, level: int = 6) -> str:
    return "ac1:" + b85encode(zlib.compress(raw, level)).decode()


numbers = st.integers(0, 5) | st.integers(0, 2**63) | st.sampled_from([2**63 - 1, 2**62, 1000, 999])
varints = st.lists(numbers.map(varint), max_size=30).map(b"".join)
written = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=40)


@given(st.binary(max_size=80) | varints | varints.map(lambda raw: varint(POSITION) + raw))
@example(varint(POSITION) + varint(0) + varint(2**63 - 1))
@example(varint(POSITION) + varint(2**63 - 1) + varint(1))
@example(varint(POSITION) + b"\xff" * 40)
def test_any_numbers_in_our_frame_are_true_ranges_or_nothing(raw: bytes) -> None:
    below = int(POSITION)
    for found in commit_metadata.decode(ours(raw), POSITION):
        assert below <= found.start < found.end <= 2**63 - 1
        below = found.end


@given(written, st.integers(0, 10_000), st.integers(1, 255), st.booleans())
def test_a_damaged_text_says_what_it_said_or_nothing(
    steps: list[tuple[int, int]], at: int, change: int, cut: bool
) -> None:
    named, end = [], int(POSITION)
    for distance, length in steps:
        named.append(OffsetRange(end + distance, end + distance + length))
        end += distance + length
    text = commit_metadata.encode(POSITION, named)
    at %= len(text)
    damaged = text[:at] if cut else text[:at] + chr((ord(text[at]) + change) % 256) + text[at + 1 :]
    assert commit_metadata.decode(damaged, POSITION) in ([], named)


@given(st.text(max_size=80), st.sampled_from(["", "ac2:", "ac1", "AC1:", "{", "ac10:", "ac1:\u0661"]))
def test_other_programs_and_newer_versions_say_nothing(text: str, mark: str) -> None:
    if not (mark + text).startswith("ac1:"):
        assert commit_metadata.decode(mark + text, POSITION) == []
    commit_metadata.decode(mark + text, POSITION)


@pytest.mark.parametrize("raw", [bytes(1 << 26), b"\xff" * (1 << 24), b"\x01" * (1 << 24)], ids=["0", "255", "1"])
def test_a_bomb_is_not_unpacked(raw: bytes) -> None:
    text = ours(raw, level=9)
    del raw
    assert within_bytes(16 * MIB, lambda: commit_metadata.decode(text, POSITION)) == []


def test_the_worst_that_a_broker_keeps_is_read_and_used_in_linear_time() -> None:
    """As many ranges as 4,096 characters hold: every second offset of a hundred thousand."""
    count = 100_000
    text = ours(varint(POSITION) + (varint(1) + varint(1)) * count, level=9)
    assert len(text) <= commit_metadata.METADATA_BYTES_MAX
    ahead = within_bytes(32 * MIB, lambda: commit_metadata.decode(text, POSITION))
    assert len(ahead) == count
    progress = Progress(POSITION, ahead)
    arrived = list(range(POSITION, POSITION + 2000))
    within_steps(100 * len(arrived), lambda: progress.settled_before(arrived))
