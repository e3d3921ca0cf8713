"""How much is read: what one partition may hold of the window, and when enough is ready."""

from __future__ import annotations

import pytest

from connector.core.flow import CONSUME_MAX, HOLD_SECONDS, Flow, Reading, WindowLimits
from connector.core.partition import Partition
from connector.core.progress import Progress
from connector.core.records import NextOffset, TopicPartition

WINDOW = 20_000
PARTITIONS = 8
SHARE = WINDOW // PARTITIONS


def partitions(*held: int) -> list[Partition]:
    made = []
    for number, records in enumerate([*held, *[0] * (PARTITIONS - len(held))]):
        partition = Partition(TopicPartition("t", number), number, Progress(NextOffset(0)), committed=NextOffset(0))
        if records:
            partition.progress.track(range(records))
        made.append(partition)
    return made


def decide(flow: Flow, all_of_them: list[Partition], now: float = 0.0) -> Reading:
    return flow.decide(all_of_them, sum(p.window_records for p in all_of_them), 0, None, now)


def test_a_backlog_that_comes_from_one_partition_is_read_on_while_half_of_the_window_is_free() -> None:
    reading = decide(Flow(WindowLimits(WINDOW, 2**30)), partitions(WINDOW // 2 - CONSUME_MAX))
    assert reading.poll
    assert reading.records == CONSUME_MAX


@pytest.mark.parametrize("stuck", ["rejected", "held"])
def test_where_something_is_stuck_the_share_alone_counts(stuck: str) -> None:
    flow, own = Flow(WindowLimits(WINDOW, 2**30)), partitions(SHARE)
    if stuck == "rejected":
        own[0].rejected.add(0)
    else:
        own[0].held.append(None)  # type: ignore[arg-type]  # whatever it is
    assert not decide(flow, own).poll
    later = decide(flow, own, HOLD_SECONDS)
    assert later.pause == [own[0]]
    assert later.poll, "the others flow on"


def test_beyond_half_of_the_window_it_counts_for_all() -> None:
    flow, own = Flow(WindowLimits(WINDOW, 2**30)), partitions(WINDOW // 2 - SHARE, SHARE, 2 * CONSUME_MAX)
    assert not decide(flow, own).poll
    assert decide(flow, own, HOLD_SECONDS).pause == own[:2]


def test_while_enough_is_ready_reading_waits_but_not_for_ever() -> None:
    flow, own = Flow(WindowLimits(WINDOW, 2**30)), partitions(CONSUME_MAX)

    def reading(now: float, *, enough: bool) -> Reading:
        return flow.decide(own, CONSUME_MAX, 0, None, now, enough=enough)

    assert reading(0.0, enough=False).records == CONSUME_MAX
    assert not reading(1.0, enough=True).poll
    assert not reading(1.0 + HOLD_SECONDS / 2, enough=True).poll
    assert reading(1.0 + HOLD_SECONDS, enough=True).records == CONSUME_MAX, "a slow endpoint finds a full window"
    assert reading(3.0, enough=False).poll
    assert not reading(4.0, enough=True).poll, "it waits anew"
