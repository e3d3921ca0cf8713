"""The snapshot's own sums."""

from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import PartitionState, Snapshot, Trouble

NAME = TopicPartition("orders", 0)


def state(committed: int | None, end: int | None, settled: int | None = None) -> PartitionState:
    def offset(value: int | None) -> NextOffset | None:
        return None if value is None else NextOffset(value)

    return PartitionState(NAME, None, offset(committed), offset(end), settled=offset(settled))


def test_lag_counts_from_what_is_settled_else_from_what_is_committed():
    assert state(10, 30).lag == 20
    assert state(10, 30, settled=25).lag == 5
    assert state(None, 30, settled=25).lag == 5


def test_lag_is_unknown_rather_than_guessed():
    assert state(None, 30).lag is None
    assert state(10, None).lag is None
    assert Snapshot(0.0, partitions=(state(10, 30), state(10, None))).lag is None


def test_lag_is_never_negative():
    assert state(10, 8, settled=12).lag == 0, "the end was asked for before the records were settled"


def test_a_member_that_lost_its_partitions_does_not_know_how_far_behind_it_is():
    lost = Trouble("kafka", "partitions_lost", 0.0)
    assert Snapshot(1.0, troubles=(lost,)).lag is None


def test_a_member_without_partitions_is_not_behind():
    assert Snapshot(0.0).lag == 0
