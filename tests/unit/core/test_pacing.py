"""Pacing and the guard: trouble slows requests, is probed, and ends; a flood of rejects stops reading, and heals."""

from __future__ import annotations

from random import Random

import pytest

from connector.core.guard import SAMPLE_RECORDS, GuardLimits, RejectGuard
from connector.core.outcomes import Blocked, Retry
from connector.core.pacing import PROBE_SECONDS_MAX, Pacing, PacingLimits, Permit

LIMITS = PacingLimits(0.2, 30.0, breaker_failures=5)
FAULT = Retry("transport", None, "reset")


def pacing(limits: PacingLimits = LIMITS, seed: int = 1) -> Pacing:
    return Pacing(limits, Random(seed))


def test_the_back_off_has_full_jitter_and_a_ceiling() -> None:
    subject = pacing(PacingLimits(0.2, 30.0, breaker_failures=10**9))
    for attempts in range(1, 40):
        waits = [subject.failed(FAULT, attempts, 100.0) - 100.0 for _ in range(50)]
        ceiling = min(30.0, 0.2 * 2 ** (attempts - 1))
        assert all(0 <= wait <= ceiling for wait in waits)
        assert max(waits) > 0.5 * ceiling
        assert min(waits) < 0.5 * ceiling


def test_retry_after_holds_everything_back_and_wins_when_it_is_longer() -> None:
    subject = pacing()
    due = subject.failed(Retry("throttled", 3.0, "429"), 1, 10.0)
    assert due >= 13.0
    assert subject.permit(12.9, probing=False) is Permit.NOTHING
    assert subject.permit(13.0, probing=False) is Permit.ANY
    assert subject.due_at(10.0) == 13.0


def test_the_breaker_opens_on_failures_in_a_row_probes_once_and_closes_on_the_first_good_answer() -> None:
    subject = pacing()
    for _ in range(4):
        subject.failed(FAULT, 1, 0.0)
    subject.answered_well()
    for _ in range(4):
        subject.failed(FAULT, 1, 0.0)
    assert subject.breaker_open_since is None
    subject.failed(FAULT, 1, 0.0)
    assert subject.breaker_open_since == 0.0
    assert subject.permit(0.0, probing=False) is Permit.NOTHING
    assert subject.permit(subject.due_at(0.0), probing=False) is Permit.PROBE
    assert subject.permit(subject.due_at(0.0), probing=True) is Permit.NOTHING
    assert subject.answered_well()
    assert subject.permit(0.0, probing=False) is Permit.ANY


def test_probes_never_wait_longer_than_seconds_whatever_the_outage() -> None:
    subject = pacing()
    for attempt in range(1, 200):
        subject.failed(FAULT, attempt, float(attempt))
        assert subject.due_at(float(attempt)) <= attempt + PROBE_SECONDS_MAX


def test_a_block_says_since_when_and_heals_by_a_probe() -> None:
    subject = pacing()
    subject.blocked(Blocked("unauthorized", "401"), 5.0)
    subject.blocked(Blocked("unauthorized", "401"), 9.0)
    assert subject.blockage is not None
    assert subject.blockage.since == 5.0
    assert subject.permit(20.0, probing=False) is Permit.PROBE
    assert subject.answered_well()
    assert subject.blockage is None


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_rate_budget_is_kept_over_time(share: float) -> None:
    subject = pacing(PacingLimits(0.2, 30.0, 5, events_per_second=1000.0))
    subject.budget_share = share
    sent, now = 0, 0.0
    while now < 20.0:
        if subject.permit(now, probing=False) is Permit.ANY:
            subject.sent(100, now)
            sent += 100
        now += 0.001
    assert sent == pytest.approx(20 * 1000 * share, rel=0.06)


def guard(share: float = 0.05, run: int = 1000) -> RejectGuard:
    return RejectGuard(GuardLimits(share, run))


def test_a_few_rejects_among_many_trip_nothing() -> None:
    subject = guard()
    for _ in range(1000):
        subject.verdicts(97, 3, 0.0)
    assert subject.reading_allowed(0.0) is None


def test_too_large_a_share_trips_but_not_on_a_handful_of_messages() -> None:
    subject = guard()
    subject.verdicts(100, 90, 0.0)
    assert subject.trip is None
    for _ in range(20):
        subject.verdicts(90, 10, 1.0)
    assert subject.trip is not None
    assert subject.trip.cause == "share"
    assert subject.reading_allowed(1.0) == 0


def test_a_run_of_rejects_trips_and_one_good_message_breaks_a_run() -> None:
    subject = guard(share=1.0, run=1000)
    for _ in range(5):
        subject.verdicts(0, 900, 0.0)
        subject.verdicts(1, 0, 0.0)
    assert subject.trip is None
    subject.verdicts(0, 1000, 2.0)
    assert subject.trip is not None
    assert subject.trip.cause == "run"


def test_tripped_it_lets_a_sample_through_after_a_while_and_goes_on_when_that_is_good() -> None:
    subject = guard()
    subject.verdicts(0, 1000, 0.0)
    assert subject.trip is not None
    at = subject.trip.sample_at
    assert subject.reading_allowed(at) == SAMPLE_RECORDS
    subject.verdicts(100, 0, at)
    assert subject.trip is None


def test_a_flood_that_was_the_last_of_its_topic_ends_by_itself() -> None:
    subject = guard()
    subject.verdicts(0, 1000, 0.0)
    assert subject.trip is not None
    at = subject.trip.sample_at
    subject.verdicts(0, 3, at)  # all that is left
    subject.time_passed(at + 29.0)
    assert subject.trip.sample_at == at
    subject.time_passed(at + 30.0)
    assert subject.trip.sample_at > at + 30.0
    subject.time_passed(subject.trip.sample_at + 30.0)
    assert subject.trip is None


def test_a_bad_sample_makes_it_wait_longer_and_leaves_no_more_than_the_sample_behind() -> None:
    subject = guard()
    subject.verdicts(0, 1000, 0.0)
    waits, now = [], 0.0
    for _ in range(8):
        assert subject.trip is not None
        waits.append(subject.trip.sample_at - now)
        now = subject.trip.sample_at
        subject.verdicts(0, 100, now)
        assert subject.reading_allowed(now) == 0
    assert waits == sorted(waits)
    assert waits[-1] == 600.0
