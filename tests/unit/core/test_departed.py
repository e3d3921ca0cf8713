"""What a member knows of partitions that it was thrown out of, when it gets them back."""

from __future__ import annotations

import pytest

from connector.core.actions import CommitItem
from connector.core.departed import Commit, Departed
from connector.core.partition import Partition
from connector.core.progress import OffsetRange, Progress
from connector.core.records import NextOffset, TopicPartition

NAME = TopicPartition("orders", 0)


def held(position: int, metadata: str = "") -> Partition:
    partition = Partition(NAME, 1, Progress(NextOffset(position)), committed=NextOffset(position))
    partition.committed_metadata = metadata
    return partition


def thrown_out(*unanswered: Commit) -> tuple[Departed, Partition]:
    """Of 10 to 19 it has 10, 11 and 15 settled, and 17 in flight."""
    partition = held(10, "their text")
    partition.progress.track(range(10, 20))
    partition.progress.settle([10, 11, 15])
    departed = Departed()
    for position, metadata in unanswered:
        departed.offered([CommitItem(partition, position, metadata)])
    departed.leave(partition)
    partition.gone = True
    return departed, partition


def settled(partition: Partition) -> list[int]:
    return partition.progress.settled_before(range(5, 25))


def test_what_it_saw_settled_is_settled_when_it_comes_back() -> None:
    departed, _ = thrown_out()
    again = held(10, "their text")
    departed.come_back(again)
    assert settled(again) == [10, 11, 15]
    assert again.committed == 10
    assert again.progress.next_offset == 10


def test_an_answer_that_came_too_late_counts_as_well() -> None:
    departed, before = thrown_out()
    departed.settled(before, [17])
    again = held(10, "their text")
    departed.come_back(again)
    assert settled(again) == [10, 11, 15, 17]


def test_an_answer_for_an_earlier_epoch_changes_nothing() -> None:
    departed, before = thrown_out()
    departed.come_back(held(10, "their text"))
    departed.settled(before, [17])
    departed.leave(held(10, "their text"))
    departed.settled(before, [18])
    again = held(10, "their text")
    departed.come_back(again)
    assert settled(again) == []


def test_a_record_with_several_events_is_settled_by_the_last() -> None:
    departed, before = thrown_out()
    before.progress.expect_events(17, 2)
    departed.settled(before, [17])
    assert 17 not in {offset for r in before.progress.settled_ahead() for offset in range(r.start, r.end)}
    departed.settled(before, [17])
    again = held(10, "their text")
    departed.come_back(again)
    assert 17 in settled(again)


@pytest.mark.parametrize(
    ("position", "metadata"),
    [(10, ""), (10, "another text"), (12, "their text"), (9, "their text"), (0, "")],
    ids=["no text", "another's text", "further on", "back", "made anew"],
)
def test_where_somebody_else_committed_or_the_topic_is_another_nothing_is_known(position: int, metadata: str) -> None:
    departed, _ = thrown_out()
    again = held(position, metadata)
    departed.come_back(again)
    assert settled(again) == []


def test_each_commit_without_an_answer_may_be_the_one_that_arrived() -> None:
    for position, text, known in [(11, "earlier", [11, 15]), (12, "later", [15]), (10, "their text", [10, 11, 15])]:
        departed, _ = thrown_out((NextOffset(11), "earlier"), (NextOffset(12), "later"))
        again = held(position, text)
        departed.come_back(again)
        assert settled(again) == known


def test_a_commit_before_a_confirmed_one_is_of_no_interest() -> None:
    departed, partition = Departed(), held(10)
    departed.offered([CommitItem(partition, NextOffset(11), "earlier")])
    departed.confirmed(CommitItem(partition, NextOffset(12), "later"))
    partition.progress.track(range(10, 20))
    partition.progress.settle([10, 11, 15])
    departed.leave(partition)
    again = held(11, "earlier")
    departed.come_back(again)
    assert settled(again) == []


def test_a_partition_without_a_commit_could_be_of_a_topic_made_anew() -> None:
    departed, partition = Departed(), held(0)
    partition.progress.track(range(20))
    partition.progress.settle(range(15))
    departed.leave(partition)
    again = held(0)
    departed.come_back(again)
    assert settled(again) == []


def test_nothing_is_remembered_twice() -> None:
    departed, _ = thrown_out()
    departed.come_back(held(10, "their text"))
    again = held(10, "their text")
    departed.come_back(again)
    assert settled(again) == []


def test_the_ranges_are_in_order_and_apart() -> None:
    departed, _ = thrown_out()
    again = held(10, "their text")
    departed.come_back(again)
    assert again.progress.settled_ahead() == [OffsetRange(10, 12), OffsetRange(15, 16)]
