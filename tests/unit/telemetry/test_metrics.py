"""What the loop tells, as Prometheus reads it: names, labels, sums; nothing stale, nothing that is not declared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import BreakerState, PartitionState, Snapshot, Trouble
from connector.telemetry import metrics, metrics_page
from connector.telemetry.prometheus import Exposition
from tests.unit.telemetry.samples import Wired, reject, run

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def samples(wired: Wired) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, content_type = Exposition(wired.registry, {"service.name": "airship-connector"}).render("")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(body.decode())
        for sample in family.samples
    }


def value(wired: Wired, name: str, **labels: str) -> float:
    """The only series of that name whose labels include these."""
    wanted = set(labels.items())
    found = [number for (known, have), number in samples(wired).items() if known == name and wanted <= have]
    assert len(found) == 1, f"{name} {labels}: {found}"
    return found[0]


def series(wired: Wired, name: str) -> list[dict[str, str]]:
    return [dict(labels) for known, labels in samples(wired) if known == name]


def partition(topic: str, number: int, lag: int, **changes: object) -> PartitionState:
    return PartitionState(
        TopicPartition(topic, number),
        NextOffset(10),
        NextOffset(10),
        NextOffset(10 + lag),
        **changes,  # type: ignore[arg-type]
    )


def snapshot(*partitions: PartitionState, **changes: object) -> Snapshot:
    return Snapshot(taken=50.0, phase="running", joined=True, partitions=partitions, **changes)  # type: ignore[arg-type]


def test_reading_and_settling_are_counted():
    wired = Wired(tracing=False)
    wired.telemetry.polled({"orders": 300, "returns": 20}, 0.02, [])
    wired.telemetry.polled({"orders": 5}, 0.01, [])
    wired.telemetry.settled("delivered", 100)
    wired.telemetry.settled("delivered", 50)
    wired.telemetry.settled("skipped", 7)
    wired.telemetry.settled("dead_lettered", 0)
    consumed = "messaging_client_consumed_messages_total"
    assert value(wired, consumed, messaging_destination_name="orders") == 305
    assert value(wired, consumed, messaging_destination_name="returns") == 20
    assert series(wired, consumed)[0] == {
        "messaging_system": "kafka",
        "messaging_operation_name": "poll",
        "messaging_consumer_group_name": "shop",
        "messaging_destination_name": "orders",
    }
    assert value(wired, "connector_records_settled_total", evidence="delivered") == 150
    assert value(wired, "connector_records_settled_total", evidence="skipped") == 7
    assert value(wired, "connector_records_settled_total", evidence="dead_lettered") == 0, (
        "from 0: a rate must see the first"
    )
    polls = "messaging_client_operation_duration_seconds_count"
    assert value(wired, polls, messaging_operation_name="poll", messaging_destination_name="orders") == 1
    assert value(wired, polls, messaging_operation_name="poll", messaging_destination_name="") == 1


def test_requests_are_measured_by_their_answer():
    wired = Wired(tracing=False)
    for batch_id, answer in enumerate(
        [
            ("delivered", 0.02, 200, None),
            ("delivered", 0.3, 200, None),
            ("retry", 0.01, 503, "server_error"),
            ("retry", 5.0, None, "timeout"),
            ("blocked", 0.01, 401, "unauthorized"),
            ("blocked", 0.01, None, "credentials_refused"),
            ("refused", 0.01, 400, None),
            ("split", 0.01, 413, None),
        ]
    ):
        outcome, seconds, status, reason = answer
        wired.telemetry.batch_sent(batch_id, [run(3)], requests=1, body_bytes=9, waited_seconds=0.0)
        wired.telemetry.batch_answered(batch_id, outcome, seconds, status=status, reason=reason)  # type: ignore[arg-type]
    count = "http_client_request_duration_seconds_count"
    assert value(wired, count, http_response_status_code="200", error_type="") == 2
    assert value(wired, count, http_response_status_code="503", error_type="503") == 1
    assert value(wired, count, http_response_status_code="", error_type="timeout") == 1
    assert value(wired, count, http_response_status_code="401") == 1
    assert value(wired, count, http_response_status_code="", error_type="credentials_refused") == 1
    assert value(wired, count, http_response_status_code="400") == 1
    assert value(wired, "http_client_request_duration_seconds_sum", http_response_status_code="200") == pytest.approx(
        0.32
    )
    bucket = "http_client_request_duration_seconds_bucket"
    assert value(wired, bucket, http_response_status_code="200", le="0.025") == 1
    assert value(wired, bucket, http_response_status_code="200", le="+Inf") == 2
    assert value(wired, "connector_requests_retried_total", reason="server_error") == 1
    assert value(wired, "connector_requests_retried_total", reason="timeout") == 1
    assert value(wired, "connector_requests_retried_total", reason="throttled") == 0
    assert value(wired, "connector_batch_events_count") == 8
    assert value(wired, "connector_batch_events_sum") == 24


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 100])
def test_the_age_of_every_event_counts_also_where_some_stand_for_others(count: int):
    wired = Wired(tracing=False, wall_seconds=1_700_000_010.0)
    old = run(count, timestamp_=(1, 1_700_000_000_000))
    new = run(2, partition=1, timestamp_=(2, 1_700_000_009_900))
    wired.telemetry.batch_delivered([old, new])
    assert value(wired, "connector_event_age_seconds_count") == count + 2
    assert value(wired, "connector_event_age_seconds_bucket", le="0.25") == 2
    assert value(wired, "connector_event_age_seconds_bucket", le="10.0") == count + 2
    assert value(wired, "connector_event_age_seconds_sum") == pytest.approx(count * 10 + 0.2)


def test_events_without_a_timestamp_or_from_the_future_have_no_negative_age():
    wired = Wired(tracing=False, wall_seconds=1_700_000_010.0)
    wired.telemetry.batch_delivered([run(1, timestamp_=(0, -1))])
    wired.telemetry.batch_delivered([run(1, timestamp_=(1, 1_700_000_999_000))])
    assert value(wired, "connector_event_age_seconds_count") == 1
    assert value(wired, "connector_event_age_seconds_sum") == 0


def test_rejects_are_counted_by_stage_and_reason():
    wired = Wired(tracing=False)
    wired.telemetry.rejected([reject(1), reject(2), reject(3, "validate", "too_large")])
    wired.telemetry.rejected([reject(4)])
    wired.telemetry.rejected([])
    assert value(wired, "connector_records_rejected_total", stage="decode", reason="not_json") == 3
    assert value(wired, "connector_records_rejected_total", stage="validate", reason="too_large") == 1


def test_gauges_are_the_latest_snapshot_and_keep_nothing_that_was_given_away():
    wired = Wired(tracing=False)
    assert series(wired, "connector_consumer_lag") == []
    wired.telemetry.publish(
        snapshot(
            partition("orders", 0, 5, window_records=3, window_bytes=2100, paused=True),
            partition("orders", 1, 7, window_records=4, window_bytes=2800),
            requests_in_flight=2,
            dead_letters_waiting=9,
        )
    )
    assert value(wired, "connector_consumer_lag", messaging_destination_partition_id="0") == 5
    assert value(wired, "connector_consumer_lag", messaging_destination_partition_id="1") == 7
    assert value(wired, "connector_window_records") == 7
    assert value(wired, "connector_window_bytes") == 4900
    assert value(wired, "connector_requests_in_flight") == 2
    assert value(wired, "connector_partitions_assigned") == 2
    assert value(wired, "connector_partitions_paused") == 1
    assert value(wired, "connector_dead_letters_waiting") == 9

    wired.telemetry.publish(snapshot(partition("orders", 1, 0)))
    assert [labels["messaging_destination_partition_id"] for labels in series(wired, "connector_consumer_lag")] == ["1"]
    assert value(wired, "connector_consumer_lag") == 0
    assert value(wired, "connector_partitions_assigned") == 1


def test_a_lag_that_is_not_known_has_no_series():
    wired = Wired(tracing=False)
    unknown = PartitionState(TopicPartition("orders", 0), None, None, None)
    wired.telemetry.publish(snapshot(unknown, partition("orders", 1, 3)))
    assert len(series(wired, "connector_consumer_lag")) == 1


def test_the_age_of_the_oldest_record_grows_while_nothing_moves():
    wired = Wired(tracing=False, wall_seconds=1_000.0)
    younger, older = partition("a", 0, 1, oldest_ms=1_000_000), partition("a", 1, 1, oldest_ms=400_000)
    wired.telemetry.publish(snapshot(younger, older))
    assert value(wired, "connector_window_oldest_age_seconds") == 600
    wired.wall_seconds = 1_030.0
    assert value(wired, "connector_window_oldest_age_seconds") == 630, "without another snapshot"
    wired.telemetry.publish(snapshot(partition("a", 0, 0)))
    assert value(wired, "connector_window_oldest_age_seconds") == 0


def test_a_block_is_1_while_it_lasts_and_0_afterwards():
    wired = Wired(tracing=False)
    wired.telemetry.publish(snapshot())
    assert series(wired, "connector_delivery_blocked") == []
    blocked = Trouble("airship", "unauthorized", 40.0, "401")
    hindered = Trouble("schema_registry", "unreachable", 40.0, "", stops_delivery=False)
    wired.telemetry.publish(snapshot(troubles=(blocked, hindered), breaker=BreakerState("half_open", 1.0)))
    assert [labels["reason"] for labels in series(wired, "connector_delivery_blocked")] == ["unauthorized"]
    assert value(wired, "connector_delivery_blocked") == 1
    assert value(wired, "connector_breaker_open") == 1
    wired.telemetry.publish(snapshot())
    assert value(wired, "connector_delivery_blocked", reason="unauthorized") == 0
    assert value(wired, "connector_breaker_open") == 0


@pytest.mark.parametrize("reason", ["throttled", "server_error", "connect", "timeout", "credentials_unavailable"])
def test_the_first_retry_for_a_reason_is_an_increase(reason: str):
    assert value(Wired(tracing=False), "connector_requests_retried_total", reason=reason) == 0


def test_rebalances_stale_answers_expired_records_commits_and_dead_letters():
    wired = Wired(tracing=False)
    names = [TopicPartition("orders", 0), TopicPartition("returns", 1)]
    wired.telemetry.rebalanced("assigned", names)
    wired.telemetry.rebalanced("lost", names)
    wired.telemetry.answers_stale(40)
    wired.telemetry.expired(names[0], 12)
    wired.telemetry.committed(names, 0.02)
    wired.telemetry.committed(names[:1], 0.02, "UNKNOWN_MEMBER_ID: Broker: Unknown member")
    wired.telemetry.dead_letter_sent(reject(1), "dlq")
    wired.wall_seconds += 0.3
    wired.telemetry.dead_letter_sent(reject(1), "dlq")  # the producer had no room for it before
    wired.wall_seconds += 0.3
    wired.telemetry.dead_letter_reported(names[0], 1, "dlq")
    wired.telemetry.dead_letter_reported(names[0], 2, "dlq", "MSG_SIZE_TOO_LARGE: Broker: Message size too large")
    assert value(wired, "connector_rebalances_total", event="assigned") == 1
    assert value(wired, "connector_rebalances_total", event="lost") == 1
    assert value(wired, "connector_rebalances_total", event="revoked") == 0
    assert value(wired, "connector_answers_stale_total") == 40
    assert value(wired, "connector_records_expired_total", messaging_destination_name="orders") == 12
    duration = "messaging_client_operation_duration_seconds_count"
    assert value(wired, duration, messaging_operation_name="commit", error_type="") == 1
    assert value(wired, duration, messaging_operation_name="commit", error_type="UNKNOWN_MEMBER_ID") == 1
    assert value(wired, duration, messaging_operation_name="send") == 1
    assert value(
        wired, "messaging_client_operation_duration_seconds_sum", messaging_operation_name="send"
    ) == pytest.approx(0.6)
    assert value(wired, "messaging_client_sent_messages_total", error_type="") == 1
    assert value(wired, "messaging_client_sent_messages_total", error_type="MSG_SIZE_TOO_LARGE") == 1


def test_the_process_describes_itself():
    wired = Wired(tracing=False)
    assert value(wired, "process_memory_usage_bytes") > 1024 * 1024
    assert value(wired, "process_cpu_time_seconds_total", cpu_mode="user") > 0
    assert value(wired, "process_uptime_seconds") >= 0
    assert value(wired, "target_info", service_name="airship-connector") == 1


def everything() -> Wired:
    """Each metric has at least one series."""
    wired = Wired()
    wired.telemetry.polled({"orders": 1}, 0.02, [])
    wired.telemetry.batch_sent(1, [run(1)], requests=1, body_bytes=9, waited_seconds=0.0)
    wired.telemetry.batch_answered(1, "delivered", 0.03, status=200)
    wired.telemetry.batch_delivered([run(1)])
    wired.telemetry.batch_ended(1, 0.1)
    wired.telemetry.rejected([reject(1)])
    wired.telemetry.expired(TopicPartition("orders", 0), 1)
    wired.telemetry.dead_letter_reported(TopicPartition("orders", 0), 1, "dlq")
    trouble = Trouble("airship", "unauthorized", 40.0, "401")
    wired.telemetry.publish(snapshot(partition("orders", 0, 5), troubles=(trouble,)))
    return wired


def test_openmetrics_is_served_to_those_who_ask_and_has_the_trace_of_a_request():
    wired = everything()
    body, content_type = Exposition(wired.registry, {}).render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name: family for family in parse_openmetrics(body.decode())}
    post = wired.span("POST /api/custom-events")
    exemplars = [
        sample.exemplar for sample in families["http_client_request_duration_seconds"].samples if sample.exemplar
    ]
    assert [exemplar.labels["trace_id"] for exemplar in exemplars] == [f"{post.context.trace_id:032x}"]
    assert exemplars[0].value == 0.03


def test_every_metric_that_goes_out_is_declared_and_every_declared_one_goes_out():
    declared = {metrics_page.sample_name(declaration) for declaration in metrics.ALL}
    names = {name for name, _ in samples(everything())} - {"target_info"}
    shown = {name for name in names if not re.search(r"_(count|sum)$", name)}
    assert shown == declared


def test_units_and_kinds_are_told():
    body, _ = Exposition(everything().registry, {}).render("")
    families = {family.name: family for family in parse_text(body.decode())}
    assert families["http_client_request_duration_seconds"].type == "histogram"
    assert families["connector_records_settled"].type == "counter"
    assert families["connector_consumer_lag"].type == "gauge"
    assert families["connector_consumer_lag"].documentation == metrics.LAG.meaning


@pytest.mark.parametrize("declaration", metrics.ALL, ids=lambda declaration: declaration.name)
def test_a_declaration_says_what_it_means_and_what_to_do(declaration: metrics.Declaration):
    assert declaration.meaning.endswith(".")
    assert declaration.action.endswith(".")
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", declaration.name)
    assert declaration.unit in {"s", "By"} or re.fullmatch(r"\{[a-z]+\}", declaration.unit)
    assert bool(declaration.bounds) == (declaration.kind == "histogram")


def test_the_names_of_the_design_are_all_there():
    assert {
        "messaging.client.consumed.messages",
        "messaging.client.operation.duration",
        "messaging.process.duration",
        "messaging.client.sent.messages",
        "http.client.request.duration",
        "connector.records.settled",
        "connector.records.rejected",
        "connector.consumer.lag",
        "connector.window.records",
        "connector.window.bytes",
        "connector.batch.events",
        "connector.requests.in_flight",
        "connector.requests.retried",
        "connector.delivery.blocked",
        "connector.breaker.open",
        "connector.event.age",
        "connector.rebalances",
        "connector.answers.stale",
    } <= {declaration.name for declaration in metrics.ALL}


def test_the_page_about_them_is_up_to_date():
    assert DOCS.read_text(encoding="utf-8") == metrics_page.render(), "run `make docs`"
