"""Progress and the commit's metadata: nothing unsettled is ever below what may be committed, or named as settled."""

from __future__ import annotations

import zlib
from base64 import b85decode, b85encode
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import commit_metadata
from connector.core.progress import OffsetRange, Progress
from connector.core.records import NextOffset


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """A start, the offsets that arrive (with holes), and those of them that are settled, in some order."""
    start = draw(st.integers(0, 10**12))
    gaps = draw(st.lists(st.integers(0, 3), min_size=1, max_size=60))
    offsets, at = [], start
    for gap in gaps:
        at += gap
        offsets.append(at)
        at += 1
    settled = draw(st.lists(st.sampled_from(offsets), unique=True))
    return start, offsets, settled


@given(histories())
def test_the_position_is_the_lowest_offset_that_is_not_settled(history: tuple[int, list[int], list[int]]) -> None:
    start, offsets, settled = history
    progress = Progress(NextOffset(start))
    progress.track(offsets)
    progress.settle(settled)
    left = sorted(set(offsets) - set(settled))
    assert progress.position == (left[0] if left else offsets[-1] + 1)
    assert len(progress) == len(left)


@given(histories())
def test_what_is_named_as_settled_ahead_is_exactly_what_is_not_outstanding(
    history: tuple[int, list[int], list[int]],
) -> None:
    start, offsets, settled = history
    progress = Progress(NextOffset(start))
    progress.track(offsets)
    progress.settle(settled)
    named = {offset for r in progress.settled_ahead() for offset in range(r.start, r.end)}
    left = set(offsets) - set(settled)
    assert not named & left
    assert {offset for offset in settled if offset > progress.position} <= named


@given(histories())
def test_a_restart_repeats_only_what_was_not_settled(history: tuple[int, list[int], list[int]]) -> None:
    start, offsets, settled = history
    before = Progress(NextOffset(start))
    before.track(offsets)
    before.settle(settled)
    text = commit_metadata.encode(before.position, before.settled_ahead())
    after = Progress(before.position, commit_metadata.decode(text, before.position))
    again = [offset for offset in offsets if offset >= before.position]
    if again:
        assert set(again) - set(after.settled_before(again)) == set(offsets) - set(settled)


@given(histories(), st.data())
def test_what_a_commit_named_stays_named_while_it_has_not_arrived(
    history: tuple[int, list[int], list[int]], data: st.DataObject
) -> None:
    start, offsets, settled = history
    before = Progress(NextOffset(start))
    before.track(offsets)
    before.settle(settled)
    ahead = before.settled_ahead()
    after = Progress(before.position, ahead)
    arrived = [offset for offset in offsets if offset >= before.position]
    arrived = arrived[: data.draw(st.integers(0, len(arrived)))]
    if arrived:
        done = after.settled_before(arrived)
        after.track(arrived)
        after.settle(done)
    assert {o for r in after.settled_ahead() for o in range(r.start, r.end) if o > after.position} >= {
        o for r in ahead for o in range(r.start, r.end) if o > after.position
    }


def test_a_record_of_several_events_is_settled_with_the_last_of_them() -> None:
    progress = Progress(NextOffset(0))
    progress.track([0, 1, 2])
    progress.expect_events(1, 3)
    progress.settle([0, 1, 2])
    assert progress.position == 1
    progress.settle([1])
    assert progress.position == 1
    progress.settle([1])
    assert progress.position == 3


ranges = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), max_size=400)


@given(st.integers(0, 2**60), ranges)
def test_metadata_is_read_back_as_written_or_as_a_true_part_of_it(position: int, steps: list[tuple[int, int]]) -> None:
    named, at = [], position
    for distance, length in steps:
        named.append(OffsetRange(at + distance, at + distance + length))
        at += distance + length
    text = commit_metadata.encode(NextOffset(position), named)
    assert len(text) <= commit_metadata.METADATA_BYTES_MAX
    assert set(commit_metadata.decode(text, NextOffset(position))) <= set(named)
    if len(named) <= 100:
        assert commit_metadata.decode(text, NextOffset(position)) == named


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_default_window_of_scattered_offsets_fits(share: float) -> None:
    random = Random(7)
    settled = [random.random() < share for _ in range(20_000)]
    progress = Progress(NextOffset(10**9))
    offsets = list(range(10**9, 10**9 + len(settled)))
    progress.track(offsets)
    progress.settle([offset for offset, done in zip(offsets, settled, strict=True) if done])
    text = commit_metadata.encode(progress.position, progress.settled_ahead())
    assert len(text) <= commit_metadata.METADATA_BYTES_MAX
    named = {o for r in commit_metadata.decode(text, progress.position) for o in range(r.start, r.end)}
    true = {o for r in progress.settled_ahead() for o in range(r.start, r.end)}
    assert named <= true
    assert len(named) >= 0.85 * len(true)  # half of them at random is the worst there is: one bit each


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: "ac1:" + text) | st.none())
def test_a_text_that_is_not_ours_says_nothing_and_breaks_nothing(text: str | None) -> None:
    commit_metadata.decode(text, NextOffset(5))


@given(st.binary(max_size=80))
def test_any_bytes_within_our_frame_give_ranges_above_the_position_or_nothing(raw: bytes) -> None:
    text = "ac1:" + b85encode(zlib.compress(raw)).decode()
    for found in commit_metadata.decode(text, NextOffset(5)):
        assert 5 <= found.start < found.end <= 2**63 - 1


def test_a_damaged_or_foreign_text_counts_as_nothing() -> None:
    text = commit_metadata.encode(NextOffset(7), [OffsetRange(9, 20)])
    assert commit_metadata.decode(text, NextOffset(7)) == [OffsetRange(9, 20)]
    assert commit_metadata.decode(text, NextOffset(8)) == []
    assert commit_metadata.decode(text.replace("ac1", "ac2"), NextOffset(7)) == []
    packed = bytearray(b85decode(text[4:]))
    for index in range(len(packed)):
        damaged = bytes(packed[:index]) + bytes([packed[index] ^ 1]) + bytes(packed[index + 1 :])
        assert commit_metadata.decode("ac1:" + b85encode(damaged).decode(), NextOffset(7)) in ([], [OffsetRange(9, 20)])


def test_a_text_that_unpacks_to_gigabytes_is_not_unpacked() -> None:
    bomb = "ac1:" + b85encode(zlib.compress(b"\x01" * 100_000_000, 9)).decode()
    assert commit_metadata.decode(bomb, NextOffset(1)) == []


def test_an_offset_cannot_arrive_twice() -> None:
    progress = Progress(NextOffset(5))
    progress.track([5, 6])
    with pytest.raises(AssertionError):
        progress.track([6])


def test_the_oldest_that_waits_is_the_lowest_outstanding_by_the_timestamp_of_its_run():
    progress = Progress(NextOffset(0))
    assert progress.oldest_ms is None, "nothing was read"
    progress.track([0, 1], 1_000)
    progress.track([2], None)
    progress.track([5, 6], 3_000)
    progress.settle([0, 5])
    assert progress.oldest_ms == 1_000
    progress.settle([1])
    assert progress.oldest_ms is None, "a record without a timestamp has no age"
    progress.settle([2])
    assert progress.oldest_ms == 3_000
    progress.settle([6])
    assert progress.oldest_ms is None, "nothing waits"
