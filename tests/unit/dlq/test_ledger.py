"""The memory of replays: exact whatever the pattern, one group's and one topic's only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dlq.ledger import CHUNK_LETTERS, Ledger
from connector.dlq.letter import Position
from connector.errors import StartError
from tests.unit.core.records import FakeRecord

POSITIONS = st.builds(Position, st.integers(0, 2), st.integers(0, 3 * CHUNK_LETTERS) | st.just(2**62))


def read_back(ledger: Ledger, topic_id: str = "id", group: str = "shop") -> Ledger:
    other = Ledger(topic_id, group)
    for key, value in ledger.take_changes():
        other.take(FakeRecord(0, key, value))
    return other


@given(st.sets(POSITIONS, max_size=30), st.sets(POSITIONS, max_size=30))
def test_what_is_marked_and_nothing_else_is_remembered(marked: set[Position], others: set[Position]) -> None:
    ledger = Ledger("id", "shop")
    ledger.mark(marked)
    again = read_back(ledger)
    for position in marked | others:
        assert (position in again) is (position in marked)
    assert ledger.take_changes() == []


def test_later_marks_are_added_to_those_that_were_read() -> None:
    first = Ledger("id", "shop")
    first.mark([Position(0, 1)])
    second = read_back(first)
    second.mark([Position(0, 2), Position(0, CHUNK_LETTERS)])
    third = read_back(second)
    assert all(position in third for position in (Position(0, 1), Position(0, 2), Position(0, CHUNK_LETTERS)))


def test_marks_of_another_group_topic_or_form_do_not_count() -> None:
    for topic_id, group in [("other", "shop"), ("id", "shop2"), ("id", "sho")]:
        ledger = Ledger("id", "shop")
        ledger.mark([Position(0, 1)])
        assert Position(0, 1) not in read_back(ledger, topic_id, group)


@pytest.mark.parametrize("value", [b"", b"\x02newer", b"\x01damaged"])
def test_marks_that_cannot_be_read_stop_a_replay(value: bytes) -> None:
    ledger = Ledger("id", "shop")
    for key, other in [(b"id/shop/0/0", None), (b"id/shop/x/0", value), (b"id/other/0/0", value), (None, value)]:
        ledger.take(FakeRecord(0, key, other))
    with pytest.raises(StartError, match="what was replayed cannot be read"):
        ledger.take(FakeRecord(0, b"id/shop/0/0", value))


def test_any_pattern_fits_into_a_small_record() -> None:
    ledger = Ledger("id", "shop")
    ledger.mark(Position(0, n) for n in range(CHUNK_LETTERS) if (n * 2_654_435_761) % 7 < 3)
    ((_, value),) = ledger.take_changes()
    assert len(value) < 2_200
