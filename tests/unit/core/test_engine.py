"""The engine as a whole: what is committed, what is sent together, what a rebalance leaves behind."""

from __future__ import annotations

from random import Random

import pytest

from connector.core.actions import AnswerReport, EngineLimits, SendRequest, WriteDeadLetter
from connector.core.batching import BatchLimits
from connector.core.engine import Engine
from connector.core.flow import WindowLimits
from connector.core.guard import GuardLimits
from connector.core.pacing import PacingLimits
from connector.core.partition import Partition
from connector.core.records import Answer, Fault, HttpAnswer, NextOffset, PreparedRun, Reject, TopicPartition
from tests.unit.core.records import FakeRecord, entry

OK = HttpAnswer(200, b'{"ok": true}')
REFUSED = HttpAnswer(400, b'{"ok": false, "error": "bad"}')


def engine(requests_max: int = 4, events_max: int = 3, linger: float = 0.05) -> Engine:
    limits = EngineLimits(
        BatchLimits(events_max, 10_000, linger),
        WindowLimits(20_000, 64 * 1024 * 1024),
        PacingLimits(0.2, 30.0, 5),
        GuardLimits(1.0, 10**9),
        requests_max,
    )
    return Engine(limits, Random(1))


def give(subject: Engine, partition: Partition, offsets: list[int], keys: list[bytes | None], now: float = 0.0) -> None:
    made = [entry(offset, key, b"%d" % offset) for offset, key in zip(offsets, keys, strict=True)]
    subject.received(partition, [each[3] for each in made])
    subject.offer(partition, len(made), PreparedRun(entries=made), now)


def assigned(subject: Engine, partition: int = 0, position: int = 0, metadata: str | None = None) -> Partition:
    return subject.assign(TopicPartition("orders", partition), NextOffset(position), metadata)


def sends(subject: Engine, now: float = 0.0) -> dict[int, list[int]]:
    """Requests that are due: id -> offsets."""
    return {
        action.request_id: [each[0] for _, entries in action.batch.runs for each in entries]
        for action in subject.actions(now)
        if isinstance(action, SendRequest)
    }


def answer(subject: Engine, request_id: int, with_: Answer = OK, now: float = 0.0) -> AnswerReport:
    return subject.answered(request_id, with_, now)


def position(subject: Engine) -> dict[int, int]:
    return {item.partition.name.partition: item.position for item in subject.commit_plan({})}


def test_a_quiet_topic_is_sent_at_once_and_a_busy_one_in_full_batches() -> None:
    subject = engine()
    one = assigned(subject)
    give(subject, one, [0], [None])
    assert sends(subject) == {1: [0]}
    give(subject, one, [1, 2], [None, None])
    assert sends(subject) == {}  # something is in flight: what is open may still fill
    give(subject, one, [3], [None])
    assert sends(subject) == {2: [1, 2, 3]}
    give(subject, one, [4], [None])
    assert sends(subject, now=0.049) == {}
    assert sends(subject, now=0.051) == {3: [4]}


def test_nothing_is_committed_above_what_waits_and_what_is_settled_beyond_is_named() -> None:
    subject = engine()
    one = assigned(subject)
    give(subject, one, list(range(6)), [None] * 6)
    first, second = sends(subject)
    answer(subject, second)
    plan = subject.commit_plan({})
    assert [(item.position, bool(item.metadata)) for item in plan] == [(0, True)]
    subject.confirmed(plan[0])
    assert subject.commit_plan({}) == []
    answer(subject, first)
    assert position(subject) == {0: 6}


def test_a_commit_that_was_not_confirmed_is_offered_again() -> None:
    subject = engine()
    one = assigned(subject)
    give(subject, one, [0], [None])
    answer(subject, next(iter(sends(subject))))
    assert position(subject) == {0: 1}
    assert position(subject) == {0: 1}


def test_a_commit_never_goes_back_behind_control_records() -> None:
    subject = engine()
    one = assigned(subject, position=5)
    plan = subject.commit_plan({one.name: 9})
    assert [item.position for item in plan] == [9]
    subject.confirmed(plan[0])
    assert subject.commit_plan({}) == []


def test_a_key_that_is_under_way_holds_back_its_later_events_and_no_others() -> None:
    subject = engine()
    one = assigned(subject)
    give(subject, one, [0, 1, 2], [b"a", b"b", b"c"])
    first = next(iter(sends(subject)))
    give(subject, one, [3, 4, 5, 6], [b"a", b"d", b"a", b"b"])
    assert sends(subject, now=1.0) == {2: [4]}
    answer(subject, first)
    assert sends(subject, now=2.0) == {3: [3, 5, 6]}


def test_a_key_in_two_runs_of_one_batch_is_freed_once() -> None:
    subject = engine(events_max=4)
    one, two = assigned(subject, 0), assigned(subject, 1)
    give(subject, one, [0], [b"a"])
    give(subject, two, [0], [b"x"])
    give(subject, one, [1], [b"a"])
    give(subject, two, [1], [b"y"])
    first = sends(subject)
    assert list(first.values()) == [[0, 0, 1, 1]]
    give(subject, one, [2, 3, 4, 5, 6, 7], [b"a"] * 6)
    answer(subject, 1)
    assert sends(subject) == {2: [2, 3, 4, 5]}
    assert sends(subject, now=9.0) == {}  # the rest is parked behind it
    answer(subject, 2, now=9.0)
    assert sends(subject, now=10.0) == {3: [6, 7]}


def test_a_reject_is_settled_by_its_report_alone() -> None:
    subject = engine()
    one = assigned(subject)
    record = FakeRecord(0)
    subject.received(one, [record])
    subject.offer(one, 1, PreparedRun(rejects=[Reject(record, "decode", "not_json", (Fault("", "x", "y"),))]), 0.0)
    letters = [action.letter for action in subject.actions(0.0) if isinstance(action, WriteDeadLetter)]
    assert position(subject) == {}
    subject.rejects.failed(letters[0].letter_id, "down", 0.0)
    assert position(subject) == {}
    again = [action.letter for action in subject.actions(60.0) if isinstance(action, WriteDeadLetter)]
    subject.dead_letter_reported(again[0].letter_id)
    assert position(subject) == {0: 1}


def test_one_refused_event_is_rejected_alone_and_the_rest_delivered() -> None:
    subject = engine(events_max=8)
    one = assigned(subject)
    give(subject, one, list(range(8)), [b"%d" % n for n in range(8)])
    delivered: list[int] = []
    for _ in range(20):
        for request_id, offsets in sends(subject).items():
            bad = 5 in offsets
            if not bad:
                delivered += offsets
            answer(subject, request_id, REFUSED if bad else OK)
    assert sorted(delivered) == [0, 1, 2, 3, 4, 6, 7]
    assert [letter.offset for letter in subject.rejects.waiting] == []
    assert position(subject) == {0: 5}


def test_an_answer_for_a_partition_that_was_given_away_changes_nothing() -> None:
    subject = engine()
    one = assigned(subject)
    give(subject, one, [0, 1, 2], [b"a", b"b", b"c"])
    request_id = next(iter(sends(subject)))
    subject.drop([one.name])
    again = assigned(subject)
    assert answer(subject, request_id).stale_events == 3
    assert again.progress.position == 0
    assert subject.window_records == 0
    give(subject, again, [0], [b"a"])
    assert list(sends(subject).values()) == [[0]]


def test_what_is_not_sent_of_a_partition_that_was_given_away_is_never_sent() -> None:
    subject = engine(requests_max=1)
    one, two = assigned(subject, 0), assigned(subject, 1)
    give(subject, one, [0, 1, 2], [None] * 3)
    give(subject, one, [3, 4], [None] * 2)
    give(subject, two, [0], [None])
    first = next(iter(sends(subject)))
    answer(subject, first, HttpAnswer(503, b""))
    subject.drop([one.name])
    assert sends(subject, now=99.0) == {2: [0]}
    assert subject.window_records == 1


@pytest.mark.parametrize("status", [401, 404, 204])
def test_a_block_sends_one_probe_at_a_time_and_heals(status: int) -> None:
    subject = engine()
    one = assigned(subject)
    give(subject, one, list(range(9)), [None] * 9)
    for request_id in sends(subject):
        answer(subject, request_id, HttpAnswer(status, b""))
    assert sends(subject) == {}
    probe = sends(subject, now=10.0)
    assert len(probe) == 1
    assert sends(subject, now=20.0) == {}
    answer(subject, next(iter(probe)), now=20.0)
    assert len(sends(subject, now=20.0)) == 2
    assert len(subject.rejects) == 0


def test_a_record_of_several_events_is_committed_when_all_are_settled() -> None:
    subject = engine(events_max=1)
    one = assigned(subject)
    parts = [entry(0, b"k", b"1"), entry(0, b"k", b"2")]
    subject.received(one, [parts[0][3]])
    subject.offer(one, 1, PreparedRun(entries=parts), 0.0)
    answer(subject, next(iter(sends(subject))))
    assert position(subject) == {}
    answer(subject, next(iter(sends(subject))))
    assert position(subject) == {0: 1}


def test_a_restart_sends_only_what_the_commit_does_not_name() -> None:
    before = engine()
    one = assigned(before)
    give(before, one, list(range(6)), [None] * 6)
    first, second = sends(before)
    assert first < second
    answer(before, second)
    item = before.commit_plan({})[0]
    after = engine()
    again = assigned(after, position=item.position, metadata=item.metadata)
    fresh, ahead = after.received(again, [FakeRecord(offset) for offset in range(6)])
    assert [record.offset() for record in fresh] == [0, 1, 2]
    assert ahead == 3


def test_a_tripped_guard_holds_its_rejects_through_a_drain_and_is_not_waited_for() -> None:
    limits = EngineLimits(
        BatchLimits(3, 10_000, 0.05),
        WindowLimits(20_000, 10**7),
        PacingLimits(0.2, 30.0, 5),
        GuardLimits(share_max=1.0, run_max=5),
        requests_max=4,
    )
    subject = Engine(limits, Random(1))
    one = assigned(subject)
    made = [FakeRecord(offset) for offset in range(8)]
    subject.received(one, made)
    rejects = [Reject(record, "decode", "not_json", (Fault("", "x", "y"),)) for record in made]
    subject.offer(one, 8, PreparedRun(rejects=rejects), 0.0)
    assert subject.guard_tripped
    subject.draining = True
    assert subject.actions(0.0) == []
    assert not subject.busy_with([one.name])
    assert position(subject) == {}


def test_a_batch_of_which_nothing_is_ours_any_more_is_told_as_ended() -> None:
    subject = engine(requests_max=1)
    one = assigned(subject)
    give(subject, one, [0, 1, 2], [None] * 3)
    answer(subject, next(iter(sends(subject))), HttpAnswer(503, b""))
    subject.drop([one.name])
    assert sends(subject, now=99.0) == {}
    assert len(subject.take_abandoned()) == 1
    assert subject.take_abandoned() == []
