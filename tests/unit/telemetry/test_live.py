"""What becomes of what the loop tells: rates, rejects by reason, and the lines in the log."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from connector.core.records import Fault, Reject, TopicPartition
from connector.core.snapshot import BreakerState, RejectCount, Snapshot, Trouble
from connector.telemetry.port import NO_HEADERS, Telemetry
from tests.unit.telemetry.samples import Record, Wired, reject, run


def snapshot(taken: float, **changes: object) -> Snapshot:
    return Snapshot(taken=taken, phase="running", joined=True, **changes)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def from_info_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "connector")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, object]]]:
    return [
        (record.levelname, record.getMessage(), dict(record.event_fields))  # type: ignore[attr-defined]
        for record in caplog.records
    ]


def test_rates_are_over_the_last_ten_seconds():
    wired = Wired(tracing=False)
    telemetry = wired.telemetry
    telemetry.publish(snapshot(100.0))
    assert telemetry.latest is not None
    assert telemetry.latest.rates.delivered == 0.0
    for second in range(1, 21):
        telemetry.settled("delivered", 100 if second <= 10 else 40)
        telemetry.settled("skipped", 1000)
        telemetry.polled({"orders": 200}, 0.01, [])
        telemetry.rejected([reject(second)])
        telemetry.batch_sent(second, [run(1)], requests=1, body_bytes=1, waited_seconds=0)
        telemetry.publish(snapshot(100.0 + second))
        if second == 10:
            assert telemetry.latest.rates.delivered == 100.0
    rates = telemetry.latest.rates
    assert rates.delivered == 40.0, "what was before is forgotten"
    assert rates.read == 200.0
    assert rates.rejected == 1.0
    assert rates.requests == 1.0


def test_many_snapshots_in_a_moment_do_not_upset_the_rates():
    telemetry = Wired(tracing=False).telemetry
    for _ in range(5):
        telemetry.settled("delivered", 10)
        telemetry.publish(snapshot(7.0))
    assert telemetry.latest is not None
    assert telemetry.latest.rates.delivered == 0.0


def test_rejects_are_kept_by_reason_with_the_time_of_the_last_one():
    telemetry = Wired(tracing=False).telemetry
    telemetry.rejected([reject(1), reject(2), reject(3, "validate", "too_large")])
    telemetry.publish(snapshot(10.0))
    telemetry.rejected([reject(4)])
    telemetry.publish(snapshot(20.0))
    assert telemetry.latest is not None
    assert set(telemetry.latest.rejects) == {
        RejectCount("decode", "not_json", 3, 20.0, "value: found text that is not JSON, expected JSON"),
        RejectCount("validate", "too_large", 1, 10.0, "value: found text that is not JSON, expected JSON"),
    }


def test_the_text_of_a_reject_is_that_of_its_dead_letter_but_not_what_airship_said_of_the_event():
    telemetry = Wired(tracing=False).telemetry
    long = replace(reject(2, "map", "expression_failed"), faults=(Fault("a", "x" * 5000, "y"),))
    telemetry.rejected([reject(1), long, reject(3, "deliver", "refused")])
    telemetry.publish(snapshot(10.0))
    assert telemetry.latest is not None
    texts = {count.stage: count.fault for count in telemetry.latest.rejects}
    assert texts == {"decode": reject(1).message, "map": long.message[:1000], "deliver": ""}


def test_a_rejected_record_is_told_by_its_place_and_fault_and_never_by_its_content(caplog: pytest.LogCaptureFixture):
    secret = Record(41, "orders", 3, value_=b"hugh.manbeing", key_=b"hugh.key")
    faults = (Fault("body.name", "a string with an upper-case character", "lower case"),)
    telling = Reject(secret, "validate", "invalid_event", faults, answer="hugh.answer")
    Wired(tracing=False).telemetry.rejected([telling])
    assert told(caplog) == [
        (
            "WARNING",
            "record rejected",
            {
                "stage": "validate",
                "reason": "invalid_event",
                "records": 1,
                "topic": "orders",
                "partition": 3,
                "offset": 41,
                "field": "body.name",
                "fault": "body.name: found a string with an upper-case character, expected lower case",
                "http_status": None,
            },
        )
    ]


def test_a_run_of_rejects_is_one_line_for_each_reason(caplog: pytest.LogCaptureFixture):
    Wired(tracing=False).telemetry.rejected([reject(n) for n in range(100)] + [reject(7, "map", "required_missing")])
    assert [(message, fields["records"]) for _, message, fields in told(caplog)] == [
        ("records rejected", 100),
        ("record rejected", 1),
    ]


def test_troubles_are_told_when_they_begin_and_when_they_are_over(caplog: pytest.LogCaptureFixture):
    telemetry = Wired(tracing=False).telemetry
    trouble = Trouble("airship", "unauthorized", 12.0, "answered 401")
    telemetry.publish(snapshot(10.0))
    for taken in (12.0, 13.0, 14.0):
        telemetry.publish(snapshot(taken, troubles=(trouble,)))
    telemetry.publish(snapshot(20.5))
    telemetry.publish(snapshot(21.5))
    assert told(caplog) == [
        (
            "ERROR",
            "delivery waits",
            {"side": "airship", "reason": "unauthorized", "detail": "answered 401"},
        ),
        ("INFO", "trouble is over", {"side": "airship", "reason": "unauthorized", "lasted_seconds": 8.5}),
    ]


def test_the_breaker_is_told_when_it_opens_and_closes_not_while_it_probes(caplog: pytest.LogCaptureFixture):
    telemetry = Wired(tracing=False).telemetry
    for state in ("closed", "open", "half_open", "open", "half_open", "closed", "closed"):
        telemetry.publish(snapshot(1.0, breaker=BreakerState(state, 0.0, "503")))  # type: ignore[arg-type]
    assert [message for _, message, _ in told(caplog)] == [
        "breaker open: requests are held back",
        "breaker closed: requests flow again",
    ]


def test_lines_about_a_request_carry_its_trace_and_the_id_of_the_operation(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "connector")
    wired = Wired()
    wired.telemetry.batch_sent(1, [run(1)], requests=1, body_bytes=1, waited_seconds=0)
    wired.telemetry.batch_answered(1, "delivered", 0.1, status=200, operation_id="op-9")
    (record,) = caplog.records
    assert record.event_trace == wired.span("POST /api/custom-events").context  # type: ignore[attr-defined]
    assert record.event_fields["operation_id"] == "op-9"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("event", "level"), [("assigned", "INFO"), ("revoked", "INFO"), ("lost", "WARNING")])
def test_rebalances_are_told_with_the_partitions(caplog: pytest.LogCaptureFixture, event: str, level: str):
    names = [TopicPartition("orders", 0), TopicPartition("returns", 4)]
    Wired(tracing=False).telemetry.rebalanced(event, names)  # type: ignore[arg-type]
    assert told(caplog) == [(level, f"partitions {event}", {"count": 2, "partitions": "orders[0], returns[4]"})]


def test_the_one_that_listens_to_nothing_takes_all_the_same():
    silent = Telemetry()
    live = Wired().telemetry
    names = [TopicPartition("orders", 0)]
    for telemetry in (silent, live):
        telemetry.polled({"orders": 1}, 0.1, [Record()])
        headers = telemetry.batch_sent(1, [run(1)], requests=1, body_bytes=1, waited_seconds=0)
        assert isinstance(headers, dict)
        telemetry.batch_answered(1, "delivered", 0.1, status=200)
        telemetry.batch_delivered([run(1)])
        telemetry.batch_ended(1, 0.1)
        telemetry.settled("delivered", 1)
        telemetry.rejected([reject()])
        telemetry.dead_letter_sent(reject(), "dlq")
        telemetry.dead_letter_reported(names[0], 0, "dlq")
        telemetry.committed(names, 0.1)
        telemetry.rebalanced("assigned", names)
        telemetry.expired(names[0], 1)
        telemetry.answers_stale(1)
        telemetry.publish(snapshot(1.0))
        telemetry.trace_of(1)
        telemetry.stopped()
    assert silent.batch_sent(1, [run(1)], requests=1, body_bytes=1, waited_seconds=0) is NO_HEADERS
    assert NO_HEADERS == {}
    assert silent.latest is None


def test_both_have_the_same_methods():
    public = {name for name in dir(Telemetry) if not name.startswith("_")}
    assert public == {name for name in dir(type(Wired().telemetry)) if not name.startswith("_")}
    overridden = set(vars(type(Wired().telemetry)))
    assert public - overridden == {"latest"}
