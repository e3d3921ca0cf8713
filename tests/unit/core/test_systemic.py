"""Systemic trouble through the engine: nothing is rejected for it, little is tried, nothing spins, and it ends."""

from __future__ import annotations

from random import Random

import pytest

from connector.core.actions import EngineLimits, SendRequest, WriteDeadLetter
from connector.core.batching import BatchLimits
from connector.core.engine import Engine
from connector.core.flow import Flow, WindowLimits
from connector.core.guard import SAMPLE_RECORDS, GuardLimits, RejectGuard
from connector.core.pacing import PacingLimits
from connector.core.partition import Partition
from connector.core.records import Entry, Fault, HttpAnswer, NextOffset, PreparedRun, Reject, SchemaWait, TopicPartition
from tests.unit.core.records import FakeRecord, entry

OK = HttpAnswer(200, b'{"ok": true}')
REFUSED = HttpAnswer(400, b'{"ok": false, "error": "bad"}')


def engine(guard: GuardLimits) -> tuple[Engine, Partition]:
    limits = EngineLimits(
        BatchLimits(1, 10_000, 0.0), WindowLimits(20_000, 10**8), PacingLimits(0.2, 30.0, 5), guard, requests_max=1000
    )
    subject = Engine(limits, Random(1))
    return subject, subject.assign(TopicPartition("orders", 0), NextOffset(0), None)


def give(subject: Engine, partition: Partition, count: int, now: float) -> None:
    made = [entry(int(partition.progress.next_offset) + n, None, b"{}") for n in range(count)]
    subject.received(partition, [each[3] for each in made])
    subject.offer(partition, count, PreparedRun(entries=made), now)


def give_rejects(subject: Engine, partition: Partition, count: int, now: float) -> None:
    made = [FakeRecord(int(partition.progress.next_offset) + n) for n in range(count)]
    subject.received(partition, made)
    rejects = [Reject(record, "decode", "not_json", (Fault("", "x", "y"),)) for record in made]
    subject.offer(partition, count, PreparedRun(rejects=rejects), now)


def sent(subject: Engine, now: float) -> list[int]:
    return [action.request_id for action in subject.actions(now) if isinstance(action, SendRequest)]


def flood(subject: Engine, partition: Partition, count: int) -> float:
    """So many events in a row are refused by the endpoint. Gives when the guard takes a sample."""
    give(subject, partition, count, 0.0)
    for request in sent(subject, 0.0):
        subject.answered(request, REFUSED, 0.0)
    assert subject.delivery_guard.trip is not None
    return subject.delivery_guard.trip.sample_at


def test_a_sample_is_no_larger_when_the_endpoint_is_slow_to_judge_it() -> None:
    subject, one = engine(GuardLimits(0.05, 50))
    at = flood(subject, one, 60)
    read = 0
    for tick in range(200):  # answers take longer than all of this
        allowed = subject.reading(at + tick * 0.005).records
        if allowed:
            give(subject, one, allowed, at)
            read += allowed
        sent(subject, at)
    assert read == SAMPLE_RECORDS


def test_a_sample_that_the_endpoint_has_not_judged_is_waited_for() -> None:
    subject, one = engine(GuardLimits(0.05, 50))
    at = flood(subject, one, 60)
    give(subject, one, subject.reading(at).records, at)
    requests = sent(subject, at)
    subject.reading(at + 300.0)
    assert subject.guard_tripped
    for request in requests:
        subject.answered(request, OK, at + 301.0)
    assert not subject.guard_tripped


def test_a_healed_guard_lets_the_held_rejects_go() -> None:
    subject, one = engine(GuardLimits(0.05, 50))
    at = flood(subject, one, 60)
    assert subject.actions(at) == []
    give(subject, one, SAMPLE_RECORDS, at)
    for request in sent(subject, at):
        subject.answered(request, OK, at)
    letters = [action.letter for action in subject.actions(at) if isinstance(action, WriteDeadLetter)]
    assert [letter.offset for letter in letters] == list(range(60))


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_a_sample_that_is_all_rejects_never_heals(share: float) -> None:
    guard = RejectGuard(GuardLimits(share, 1000))
    guard.verdicts(0, 1000, 0.0)
    assert guard.trip is not None
    at = guard.trip.sample_at
    for _ in range(SAMPLE_RECORDS):
        guard.verdicts(0, 1, at)
    assert guard.trip.sample_at > at
    guard.verdicts(0, 3, guard.trip.sample_at)
    guard.time_passed(guard.trip.sample_at + 30.0)
    assert guard.trip is not None


def test_what_a_filter_skips_ends_no_row_of_rejects() -> None:
    guard = RejectGuard(GuardLimits(1.0, 1000))
    for _ in range(2):
        guard.verdicts(0, 500, 0.0)
        guard.verdicts(0, 0, 0.0)
    assert guard.trip is not None


def test_what_a_guard_holds_back_is_nothing_to_wake_up_for() -> None:
    subject, one = engine(GuardLimits(0.05, 50))
    give_rejects(subject, one, 50, 0.0)
    assert subject.guard_tripped
    assert subject.next_due(1.0) is None


def test_a_letter_that_waits_for_another_ones_report_is_nothing_to_wake_up_for() -> None:
    subject, one = engine(GuardLimits(1.0, 10**9))
    give_rejects(subject, one, 3, 0.0)
    first = next(action.letter for action in subject.actions(0.0) if isinstance(action, WriteDeadLetter))
    subject.rejects.failed(first.letter_id, "down", 0.0)
    assert [type(action) for action in subject.actions(60.0)] == []  # two of the three are with the producer
    assert subject.next_due(60.0) is None
    for letter_id in (2, 3):
        subject.rejects.failed(letter_id, "down", 60.0)
    due = subject.next_due(60.0)
    assert due is not None
    assert due > 60.0
    assert len(subject.actions(due)) == 1


def test_with_the_first_letter_written_the_others_do_not_wait_out_a_back_off() -> None:
    subject, one = engine(GuardLimits(1.0, 10**9))
    give_rejects(subject, one, 3, 0.0)
    letters = [action.letter.letter_id for action in subject.actions(0.0) if isinstance(action, WriteDeadLetter)]
    for letter_id in letters[:2]:
        subject.rejects.failed(letter_id, "down", 1.0)
    subject.dead_letter_reported(letters[2])
    assert len(subject.actions(1.0)) == 2


def test_a_letter_without_a_report_for_long_is_told() -> None:
    subject, one = engine(GuardLimits(1.0, 10**9))
    give_rejects(subject, one, 2, 0.0)
    subject.actions(5.0)
    assert subject.rejects.unreported_since(14.9) is None
    assert subject.rejects.unreported_since(15.0) == 5.0
    subject.dead_letter_reported(1)
    subject.dead_letter_reported(2)
    assert subject.rejects.unreported_since(99.0) is None


def hold(subject: Engine, partition: Partition, count: int, value_bytes: int) -> None:
    made = [FakeRecord(int(partition.progress.next_offset) + n, value_bytes=b"x" * value_bytes) for n in range(count)]
    fresh, _ = subject.received(partition, made)
    if fresh:
        subject.offer(partition, count, PreparedRun(rest=fresh, wait=SchemaWait("id:1")), 0.0)


def prepare_held(subject: Engine, partition: Partition, body_bytes: int, now: float) -> list[int]:
    """All that the engine lets be prepared now. Gives the offsets."""
    done: list[int] = []
    while records := subject.take_held(partition):
        made: list[Entry] = [
            (r.offset(), None, b"x" * body_bytes, r, len(r.value() or b"") + body_bytes) for r in records
        ]
        subject.offer(partition, len(made), PreparedRun(entries=made), now)
        done += [record.offset() for record in records]
    return done


def test_what_waited_for_a_schema_is_prepared_as_far_as_the_window_has_room_for_its_events() -> None:
    limits = EngineLimits(
        BatchLimits(1, 10**6, 0.0),
        WindowLimits(20_000, 1_600_000),
        PacingLimits(0.2, 30.0, 5),
        GuardLimits(1.0, 10**9),
        1000,
    )
    subject = Engine(limits, Random(1))
    one = subject.assign(TopicPartition("orders", 0), NextOffset(0), None)
    hold(subject, one, 100, 10_000)
    hold(subject, one, 60, 10_000)  # what comes meanwhile stays behind them
    assert subject.window_bytes == 1_600_000
    slice_bytes = 1_600_000 // 16 + 10_000
    done: list[int] = []
    for _ in range(50):
        done += prepare_held(subject, one, 20_000, 0.0)
        assert subject.window_bytes <= 1_600_000 + 2 * slice_bytes
        for request in sent(subject, 0.0):
            subject.answered(request, OK, 0.0)
    assert done == list(range(160))
    assert (subject.window_bytes, subject.window_records, one.held_bytes) == (0, 0, 0)


def test_a_second_unknown_schema_within_what_was_held_keeps_the_order() -> None:
    subject, one = engine(GuardLimits(1.0, 10**9))
    hold(subject, one, 6, 10)
    records = subject.take_held(one)
    subject.offer(one, 6, PreparedRun(rest=records[2:], wait=SchemaWait("id:2"), entries=[entry(0), entry(1)]), 0.0)
    hold(subject, one, 2, 10)
    assert [record.offset() for record in subject.take_held(one)] == [2, 3, 4, 5, 6, 7]


def test_large_records_after_small_ones_are_read_as_large_ones_at_once() -> None:
    flow = Flow(WindowLimits(20_000, 10**6))
    flow.received(500, 500 * 100)
    assert flow.decide([], 0, 0, None, 0.0).records == 500
    flow.received(10, 10 * 50_000)
    assert flow.decide([], 10, 500_000, None, 0.0).records == 10


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_trouble_of_the_endpoint_for_hours_costs_few_requests_no_reject_and_ends_with_one_good_answer(
    status: int,
) -> None:
    subject, one = engine(GuardLimits(0.05, 50))
    give(subject, one, 20, 0.0)
    now, requests = 0.0, 0
    while now < 3600.0:
        for request in sent(subject, now):
            requests += 1
            subject.answered(request, HttpAnswer(status, b""), now)
        due = subject.next_due(now)
        assert due is not None
        assert due > now
        now = due
    assert requests < 3600 / 2.5 + 60
    assert len(subject.rejects) == 0
    probe = sent(subject, now)
    assert len(probe) == 1
    subject.answered(probe[0], OK, now)
    assert len(sent(subject, now)) == 19
    assert not subject.pacing.in_trouble
