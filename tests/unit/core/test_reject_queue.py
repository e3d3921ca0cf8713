"""Rejects that wait: whatever fails in between, they are written in the order in which they came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.core.partition import Partition
from connector.core.progress import Progress
from connector.core.records import Fault, NextOffset, Reject, TopicPartition
from connector.core.reject_queue import RejectQueue
from tests.unit.core.records import FakeRecord


def filled(count: int) -> RejectQueue:
    queue = RejectQueue()
    partition = Partition(TopicPartition("orders", 0), 1, Progress(NextOffset(0)), None)
    for offset in range(count):
        queue.add(partition, offset, Reject(FakeRecord(offset), "decode", "not_json", (Fault("", "x", "y"),)), 0)
    return queue


@given(st.integers(2, 8).flatmap(lambda n: st.permutations(range(1, n + 1))), st.booleans())
def test_letters_that_failed_keep_their_order(reports: list[int], fails: bool) -> None:
    queue = filled(len(reports) + 2)
    taken = [queue.take(0.0) for _ in reports]
    assert None not in taken
    for letter_id in reports:
        if fails:
            queue.failed(letter_id, "no leader", 0.0)
        else:
            queue.not_taken(letter_id, 0.0)
    assert [letter.letter_id for letter in queue.waiting] == list(range(1, len(reports) + 3))


def test_the_first_letter_after_the_last_was_given_away_is_tried_at_once() -> None:
    queue = filled(1)
    failed = queue.take(0.0)
    assert failed is not None
    queue.failed(failed.letter_id, "no leader", 0.0)
    assert queue.due_at() == 0.5
    failed.partition.gone = True
    queue.drop_gone()
    assert queue.blocked_since is None
    partition = Partition(TopicPartition("orders", 0), 2, Progress(NextOffset(0)), None)
    queue.add(partition, 5, failed.reject, 0)
    assert queue.outstanding_of({partition}, held_back=False)
    assert queue.take(0.1) is not None, "what a drain waits for is on its way"
