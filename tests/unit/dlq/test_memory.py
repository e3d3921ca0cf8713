"""Where the next replay begins: never behind a letter that was left, or chosen and not settled."""

from __future__ import annotations

from typing import Literal, cast

from hypothesis import given
from hypothesis import strategies as st

from connector.dlq.ledger import Ledger
from connector.dlq.letter import Position
from connector.dlq.memory import ReplayMemory
from connector.kafka.topic_reader import TopicReader


class Reader:
    """What the memory asks of a reader."""

    def __init__(self) -> None:
        self.next_offsets = {0: 0}
        self.ends = {0: 1_000}


Fate = Literal["replayed_before", "left", "chosen", "settled"]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["replayed_before", "left", "chosen", "settled"]))))
def test_the_frontier_passes_what_is_replayed_and_nothing_else(letters: list[tuple[int, Fate]]) -> None:
    reader = Reader()
    memory = ReplayMemory(Ledger("id", "shop"), cast("TopicReader", reader))
    offset = 0
    unreplayed: list[int] = []
    for gap, fate in letters:  # a gap is a hole in the log
        offset += gap
        position = Position(0, offset)
        reader.next_offsets[0] = offset + 1
        if fate == "left":
            memory.left(position)
        elif fate != "replayed_before":
            memory.chose(position)
        if fate == "settled":
            memory.settle([position])
            assert position in memory.ledger
        if fate in {"left", "chosen"}:
            unreplayed.append(offset)
        assert memory.frontier() == {0: min([*unreplayed, offset + 1])}
        offset += 1
    moved = memory.moved()
    assert moved == ({0: memory.frontier()[0]} if memory.frontier()[0] else {})
    assert not memory.has_moved
