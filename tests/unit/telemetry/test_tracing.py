"""Spans: names, kinds, parents, links and attributes as the messaging conventions want them."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanKind, StatusCode

from connector.core.records import TopicPartition
from connector.telemetry.tracing import LINKS_MAX, context_of, traceparent
from tests.unit.telemetry.samples import Record, Wired, reject, run, trace_header

VALID = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def send(wired: Wired, batch_id: int, runs, requests: int = 1):
    return wired.telemetry.batch_sent(batch_id, runs, requests=requests, body_bytes=900, waited_seconds=0.25)


def test_a_batch_is_a_process_span_with_a_post_for_each_attempt():
    wired = Wired()
    runs = [run(2, traced=True)]
    first = send(wired, 7, runs)
    wired.telemetry.batch_answered(7, "retry", 0.1, status=503, reason="server_error")
    second = send(wired, 7, runs, requests=2)
    wired.telemetry.batch_answered(7, "delivered", 0.1, status=200, operation_id="op-1")
    wired.telemetry.batch_ended(7, 0.9)

    process = wired.span("process orders")
    assert process.kind is SpanKind.CONSUMER
    assert process.parent is None
    assert dict(process.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "shop",
        "messaging.client.id": "member-1",
        "messaging.destination.name": "orders",
        "messaging.batch.message_count": 2,
    }
    failed, delivered = [span for span in wired.spans if span.name == "POST /api/custom-events"]
    for post in (failed, delivered):
        assert post.kind is SpanKind.CLIENT
        assert post.parent.span_id == process.context.span_id
        assert post.attributes["http.request.method"] == "POST"
        assert post.attributes["url.full"] == "https://go.example.com/api/custom-events"
        assert post.attributes["server.address"] == "go.example.com"
        assert post.attributes["server.port"] == 443
        assert post.attributes["http.request.body.size"] == 900
    assert failed.attributes["http.response.status_code"] == 503
    assert failed.attributes["error.type"] == "503"
    assert failed.status.status_code is StatusCode.ERROR
    assert "http.request.resend_count" not in failed.attributes
    assert delivered.attributes["http.request.resend_count"] == 1
    assert delivered.attributes["connector.operation_id"] == "op-1"
    assert "error.type" not in delivered.attributes
    for headers, post in ((first, failed), (second, delivered)):
        assert headers["traceparent"] == traceparent(post.context)


def test_the_process_span_begins_with_the_first_record_and_ends_with_the_batch():
    wired = Wired()
    send(wired, 1, [run(1)])
    wired.telemetry.batch_answered(1, "delivered", 0.1, status=200)
    assert [span.name for span in wired.spans] == ["POST /api/custom-events"], "the batch is not over"
    wired.telemetry.batch_ended(1, 0.3)
    process, post = wired.span("process orders"), wired.span("POST /api/custom-events")
    assert 0.25e9 <= post.start_time - process.start_time < 0.35e9
    assert process.end_time >= post.end_time


def test_spans_name_the_cluster_as_soon_as_it_is_known():
    wired = Wired()
    wired.telemetry.connected(None)
    wired.telemetry.polled({"orders": 1}, 0.01, [])
    wired.telemetry.connected("MkU3OEVBNTcwNTJENDM2Qg")
    send(wired, 1, [run(1)])
    wired.telemetry.batch_ended(1, 0.1)
    wired.later_seconds = 1.0
    wired.telemetry.committed([TopicPartition("orders", 0)], 0.01)
    wired.telemetry.dead_letter_sent(reject(), "dlq")
    wired.telemetry.stopped()
    named = {span.name: span.attributes.get("messaging.kafka.cluster.id") for span in wired.spans}
    assert named.pop("poll orders") is None
    assert named.pop("POST /api/custom-events") is None, "the request is not Kafka's"
    assert named == dict.fromkeys(("process orders", "commit orders", "send dlq"), "MkU3OEVBNTcwNTJENDM2Qg")


def test_links_lead_from_each_message_with_its_partition_and_offset():
    wired = Wired()
    send(wired, 1, [run(3, partition=4, traced=True), run(1, partition=5)])
    wired.telemetry.batch_ended(1, 0.1)
    links = wired.span("process orders").links
    assert [(link.context.trace_id, dict(link.attributes)) for link in links] == [
        (5001 + offset, {"messaging.destination.partition.id": "4", "messaging.kafka.offset": offset})
        for offset in range(3)
    ], "a message without a trace of its own has no link"


def test_a_full_batch_keeps_all_its_links():
    wired = Wired()
    send(wired, 1, [run(100, traced=True)])
    wired.telemetry.batch_ended(1, 0.1)
    span = wired.span("process orders")
    assert len(span.links) == 100
    assert span.dropped_links == 0


def test_several_topics_are_left_out_of_the_name_and_put_on_the_links():
    wired = Wired()
    send(wired, 1, [run(1, topic="orders", traced=True), run(1, topic="returns", partition=2, traced=True)])
    wired.telemetry.batch_ended(1, 0.1)
    span = wired.span("process")
    assert "messaging.destination.name" not in span.attributes
    assert [link.attributes["messaging.destination.name"] for link in span.links] == ["orders", "returns"]


def test_a_poll_is_a_span_with_its_own_time_and_bounded_links():
    wired = Wired()
    records = [entry[3] for entry in run(500, traced=True)]
    wired.telemetry.polled({"orders": 500}, 0.5, records)
    span = wired.span("poll orders")
    assert span.kind is SpanKind.CLIENT
    assert span.attributes["messaging.operation.type"] == "receive"
    assert span.attributes["messaging.batch.message_count"] == 500
    assert span.end_time - span.start_time == 500_000_000
    assert len(span.links) == LINKS_MAX
    assert span.dropped_links == 0


def test_a_commit_is_the_child_of_a_batch_that_it_covers():
    wired = Wired()
    partitions = [TopicPartition("orders", 0), TopicPartition("orders", 1)]
    wired.telemetry.committed(partitions, 0.01)
    assert wired.spans == (), "a commit that no sampled batch led to would be a trace of its own that tells nothing"
    send(wired, 1, [run(1)])
    wired.telemetry.batch_ended(1, 0.1)
    wired.telemetry.committed(partitions, 0.02)
    assert len(wired.spans) == 2, "this commit was sent before the batch was settled"
    wired.later_seconds = 1.0
    wired.telemetry.committed(partitions, 0.02, "REBALANCE_IN_PROGRESS: Broker: Group rebalance in progress")
    commit = wired.span("commit orders")
    assert commit.kind is SpanKind.CLIENT
    assert commit.parent.span_id == wired.span("process orders").context.span_id
    assert commit.attributes["messaging.operation.type"] == "settle"
    assert commit.attributes["error.type"] == "REBALANCE_IN_PROGRESS"
    assert commit.end_time - commit.start_time == 20_000_000
    wired.telemetry.committed(partitions, 0.02)
    assert wired.span("commit orders") is commit, "the next commit covers other batches"


def test_a_dead_letter_has_a_context_of_its_own_and_a_link_to_the_message():
    wired = Wired()
    refused = reject(9, headers_=(trace_header(77),), partition_=3)
    own = wired.telemetry.dead_letter_sent(refused, "orders.dlq")
    assert wired.spans == (), "it ends with the delivery report"
    wired.telemetry.dead_letter_reported(TopicPartition("orders", 3), 9, "orders.dlq")
    span = wired.span("send orders.dlq")
    assert own == traceparent(span.context)
    assert span.kind is SpanKind.PRODUCER
    assert span.context.trace_id != 77, "the message's trace is linked, not continued"
    (link,) = span.links
    assert link.context.trace_id == 77
    assert link.attributes["messaging.kafka.offset"] == 9
    assert span.attributes["messaging.destination.name"] == "orders.dlq"
    assert span.attributes["connector.reason"] == "not_json"
    assert refused.record.headers() == [trace_header(77)], "the message's own header is as it was"


def test_a_dead_letter_that_the_producer_had_no_room_for_keeps_its_span():
    wired = Wired()
    first = wired.telemetry.dead_letter_sent(reject(1), "dlq")
    assert wired.telemetry.dead_letter_sent(reject(1), "dlq") == first
    wired.telemetry.dead_letter_reported(TopicPartition("orders", 0), 1, "dlq")
    assert [span.name for span in wired.spans] == ["send dlq"]


def test_a_dead_letter_of_a_partition_that_was_given_away_ends_as_abandoned():
    wired = Wired()
    wired.telemetry.dead_letter_sent(reject(1), "dlq")
    wired.telemetry.rebalanced("revoked", [TopicPartition("orders", 0)])
    wired.telemetry.dead_letter_reported(TopicPartition("orders", 0), 1, "dlq")
    assert wired.span("send dlq").attributes["error.type"] == "abandoned"


def test_a_dead_letter_that_was_refused_says_so():
    wired = Wired()
    wired.telemetry.dead_letter_sent(reject(1), "dlq")
    wired.telemetry.dead_letter_reported(TopicPartition("orders", 0), 1, "dlq", "TOPIC_AUTHORIZATION_FAILED")
    span = wired.span("send dlq")
    assert span.attributes["error.type"] == "TOPIC_AUTHORIZATION_FAILED"
    assert span.status.status_code is StatusCode.ERROR


def test_a_transport_fault_names_its_kind():
    wired = Wired()
    send(wired, 1, [run(1)])
    wired.telemetry.batch_answered(1, "retry", 5.0, status=None, reason="transport")
    post = wired.span("POST /api/custom-events")
    assert post.attributes["error.type"] == "transport"
    assert "http.response.status_code" not in post.attributes


def test_what_was_not_sampled_parses_no_header_and_makes_no_child():
    class Untouched(Record):
        def headers(self):
            raise AssertionError("headers of a record that is not sampled were read")

    wired = Wired(ALWAYS_OFF)
    runs = [[(0, b"k", b"{}", Untouched(), 700)]]
    headers = send(wired, 1, runs)
    assert headers["traceparent"][-2:] in {"00", "02"}, "the decision is told on"
    wired.telemetry.batch_answered(1, "retry", 0.1, status=503, reason="server_error")
    send(wired, 1, runs, requests=2)
    wired.telemetry.batch_ended(1, 0.1)
    wired.telemetry.polled({"orders": 1}, 0.1, [Untouched()])
    assert wired.telemetry.dead_letter_sent(reject(1), "dlq")[-2:] in {"00", "02"}
    assert wired.spans == ()


def test_a_share_of_batches_is_sampled_whole():
    wired = Wired(ParentBased(TraceIdRatioBased(0.2)))
    for batch_id in range(400):
        send(wired, batch_id, [run(1)])
        wired.telemetry.batch_answered(batch_id, "retry", 0.1, status=503)
        send(wired, batch_id, [run(1)], requests=2)
        wired.telemetry.batch_answered(batch_id, "delivered", 0.1, status=200)
        wired.telemetry.batch_ended(batch_id, 0.1)
    processes = [span for span in wired.spans if span.name == "process orders"]
    posts = [span for span in wired.spans if span.name.startswith("POST")]
    assert 40 < len(processes) < 130
    assert len(posts) == 2 * len(processes)
    assert {span.parent.span_id for span in posts} == {span.context.span_id for span in processes}


def test_what_is_open_when_the_loop_stops_ends_as_abandoned():
    wired = Wired()
    send(wired, 1, [run(1)])
    wired.telemetry.dead_letter_sent(reject(1), "dlq")
    wired.telemetry.stopped()
    assert {span.name for span in wired.spans} == {"process orders", "POST /api/custom-events", "send dlq"}
    assert {span.attributes["error.type"] for span in wired.spans} == {"abandoned"}
    wired.telemetry.stopped()
    assert len(wired.spans) == 3


def test_a_batch_that_was_given_up_is_an_error_and_no_commit_covers_it():
    wired = Wired()
    send(wired, 1, [run(1)])
    wired.telemetry.batch_ended(1, 0.1, "partitions_lost")
    assert wired.span("process orders").attributes["error.type"] == "partitions_lost"
    wired.later_seconds = 1.0
    wired.telemetry.committed([TopicPartition("orders", 0)], 0.1)
    assert not [span for span in wired.spans if span.name.startswith("commit")]


def test_answers_for_batches_that_are_not_known_change_nothing():
    wired = Wired()
    wired.telemetry.batch_answered(99, "delivered", 0.1, status=200)
    wired.telemetry.batch_ended(99, 0.1)
    wired.telemetry.dead_letter_reported(TopicPartition("orders", 0), 1, "dlq")
    assert wired.spans == ()


def test_the_trace_of_a_batch_is_there_for_its_log_lines():
    wired = Wired()
    assert wired.telemetry.trace_of(1) is None
    send(wired, 1, [run(1)])
    context = wired.telemetry.trace_of(1)
    wired.telemetry.batch_answered(1, "delivered", 0.1, status=200)
    assert wired.span("POST /api/custom-events").context == context


def test_a_traceparent_is_written_as_w3c_wants_it():
    context = context_of(Record(headers_=(("traceparent", VALID),)))
    assert context is not None
    assert traceparent(context) == VALID.decode()
    assert traceparent(INVALID_SPAN_CONTEXT) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        b"\xff\xfe" + VALID,
        VALID + b"\n",
        b"cc" + VALID[2:] + b"-" + b"x" * 5000,
        None,
    ],
)
def test_a_header_that_is_no_traceparent_is_no_link(value: bytes | None):
    assert context_of(Record(headers_=(("traceparent", value),))) is None


def test_a_traceparent_is_read_with_its_flags_and_state():
    context = context_of(Record(headers_=(("a", b"b"), ("traceparent", VALID), ("tracestate", b"vendor=x,other=y"))))
    assert context is not None
    assert context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert context.span_id == 0xB7AD6B7169203331
    assert context.trace_flags == 1
    assert context.is_remote
    assert context.trace_state.get("vendor") == "x"
    unsampled = context_of(Record(headers_=(("traceparent", VALID[:-1] + b"0"),)))
    assert unsampled is not None
    assert unsampled.trace_flags == 0
    later = context_of(Record(headers_=(("traceparent", b"cc" + VALID[2:] + b"-what-comes"),)))
    assert later is not None, "a later version may have more fields"
    assert context_of(Record(headers_=None)) is None
