"""The one line that tells the state: the worst thing that is true comes first."""

from typing import get_args

import pytest

from connector.admin.advice import advice_for
from connector.admin.headline import Moment, headline
from connector.core.outcomes import BlockReason
from connector.core.snapshot import BreakerState, Rates, Side, Snapshot, Trouble
from tests.unit.admin import scenarios

NOW = 5_000.0
MOMENT = Moment(loop_seconds=NOW, wall_seconds=1_700_000_000.0)
WALL_MS = 1_700_000_000_000

UNAUTHORIZED = Trouble("airship", "unauthorized", NOW - 60.0, "the endpoint answered 401: no")
OPEN = BreakerState("open", NOW - 5.0, "the endpoint answered 503", NOW + 7.0)


@pytest.mark.parametrize(
    ("snapshot", "state", "tone"),
    [
        (None, "starting", "waiting"),
        (Snapshot(taken=NOW), "starting", "waiting"),
        (scenarios.job(NOW, phase="stopped"), "stopped", "waiting"),
        (scenarios.job(NOW, taken=NOW - 30.0), "silent", "bad"),
        (scenarios.blocked(NOW, WALL_MS), "blocked", "bad"),
        (scenarios.breaker_open(NOW, WALL_MS), "breaker_open", "bad"),
        (scenarios.job(NOW, phase="draining"), "draining", "waiting"),
        (scenarios.job(NOW, joined=False, partitions=()), "joining", "waiting"),
        (scenarios.job(NOW, partitions=()), "standby", "good"),
        (scenarios.job(NOW), "idle", "good"),
        (scenarios.healthy(NOW), "delivering", "good"),
        (scenarios.lagging(NOW, WALL_MS), "catching_up", "busy"),
        (scenarios.job(NOW, partitions=scenarios.partitions(9), requests_in_flight=1), "delivering", "busy"),
        (scenarios.job(NOW, partitions=scenarios.partitions(9)), "waiting", "waiting"),
    ],
)
def test_each_state_has_its_headline(snapshot: Snapshot | None, state: str, tone: str):
    head = headline(snapshot, None, MOMENT)
    assert (head.state, head.tone) == (state, tone)
    assert head.text


def test_the_worst_comes_first():
    everything = scenarios.job(NOW, troubles=(UNAUTHORIZED,), breaker=OPEN, rates=Rates(delivered=10.0))
    assert headline(everything, "the loop has not beaten for 90 s", MOMENT).state == "stalled"
    assert headline(everything, None, MOMENT).state == "blocked"
    assert headline(scenarios.job(NOW, breaker=OPEN, rates=Rates(delivered=10.0)), None, MOMENT).state == "breaker_open"


def test_a_trouble_that_lets_events_flow_is_not_the_headline():
    schema = Trouble("schema_registry", "unreachable", NOW - 9.0, "no answer", stops_delivery=False)
    assert headline(scenarios.job(NOW, troubles=(schema,)), None, MOMENT).state == "idle"


def test_requests_that_fail_are_told_before_the_breaker_opens():
    failing = BreakerState(reason="the endpoint answered 429", next_attempt=NOW + 4.0)
    waiting = scenarios.job(NOW, partitions=scenarios.partitions(9, window=9), batches_waiting=1, breaker=failing)
    head = headline(waiting, None, MOMENT)
    assert (head.state, head.text) == ("waiting", "Requests fail and are tried again")
    assert head.detail == "the endpoint answered 429. Next attempt in 4 s."


def test_a_member_that_the_group_counts_as_gone_does_not_stand_by():
    lost = Trouble("kafka", "partitions_lost", NOW - 30.0, "no word from the group's coordinator")
    head = headline(scenarios.job(NOW, partitions=(), troubles=(lost,)), None, MOMENT)
    assert (head.state, head.tone, head.since) == ("blocked", "bad", NOW - 30.0)
    assert head.text == "Not delivering: the group counts this member as gone"


def test_a_start_that_waits_says_for_what():
    missing = Trouble("kafka", "not_ready", NOW - 5.0, "the dead-letter topic dlq is missing", stops_delivery=False)
    starting = Snapshot(taken=NOW, troubles=(missing,))
    assert headline(starting, None, MOMENT).detail == "the dead-letter topic dlq is missing"
    assert starting.not_ready() == "starting: the dead-letter topic dlq is missing"


def test_a_block_says_why_and_since_when():
    head = headline(scenarios.blocked(NOW, WALL_MS), None, MOMENT)
    assert head.text == "Not delivering: Airship refuses the token (401)"
    assert head.detail == "the endpoint answered 401: Unauthorized"
    assert head.since == NOW - 753.2


def test_an_open_breaker_says_when_it_tries_again():
    assert headline(scenarios.breaker_open(NOW, WALL_MS), None, MOMENT).detail == (
        "the endpoint answered 503. Next attempt in 11 s."
    )


@pytest.mark.parametrize(
    ("lag", "rate", "words"),
    [
        (50, 100.0, "records behind."),
        (30_000, 100.0, "about 10 min at this rate"),
        (30_000, 1_000.0, "about 60 s at this rate"),
        (3_000_000, 100.0, "about 17 h at this rate"),
    ],
)
def test_how_long_catching_up_takes(lag: int, rate: float, words: str):
    snapshot = scenarios.job(
        NOW, partitions=scenarios.partitions(lag)[:1] + scenarios.partitions(lag)[4:5], rates=Rates(delivered=rate)
    )
    assert words in headline(snapshot, None, MOMENT).detail


def test_an_unknown_lag_is_not_called_up_to_date():
    unknown = scenarios.job(
        NOW, partitions=(scenarios.partitions(0)[0].__class__(scenarios.partitions(0)[0].name, None, None, None),)
    )
    head = headline(unknown, None, MOMENT)
    assert head.state == "waiting"
    assert "not known yet" in head.detail


def test_what_holds_records_back_is_named():
    waiting = scenarios.partitions(9)
    assert (
        "7 dead letters"
        in headline(scenarios.job(NOW, partitions=waiting, dead_letters_waiting=7), None, MOMENT).detail
    )
    assert "4 batches" in headline(scenarios.job(NOW, partitions=waiting, batches_waiting=4), None, MOMENT).detail


@pytest.mark.parametrize("reason", get_args(BlockReason))
def test_every_block_of_the_endpoint_has_advice_of_its_own(reason: str):
    general = advice_for(Trouble("airship", "something else", 0.0))
    assert advice_for(Trouble("airship", reason, 0.0)) != general


@pytest.mark.parametrize("side", get_args(Side))
def test_every_side_has_advice(side: Side):
    advice = advice_for(Trouble(side, "a reason that is not in the list", 0.0))
    assert advice.title
    assert advice.mend.endswith(".")
