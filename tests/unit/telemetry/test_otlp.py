"""What leaves the process: OTLP over real HTTP, configured by the standard variables alone."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.resources import Resource

import connector
from connector.core.records import NextOffset, TopicPartition
from connector.core.snapshot import PartitionState, Snapshot
from connector.errors import SettingsError
from connector.telemetry import setup
from connector.telemetry.otlp import MetricPoints, Temporality
from connector.telemetry.registry import Registry
from tests.unit.telemetry.collector import Collector, attributes
from tests.unit.telemetry.samples import run

URL = "https://user:secret@go.example.com/api/custom-events?x=1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def collector(environment: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as receiver:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


def deliver(running: setup.Running, batch_id: int = 1) -> None:
    telemetry = running.telemetry
    runs = [run(2, traced=True)]
    telemetry.batch_sent(batch_id, runs, requests=1, body_bytes=900, waited_seconds=0.01)
    telemetry.batch_answered(batch_id, "delivered", 0.03, status=200, operation_id="op-1")
    telemetry.batch_delivered(runs)
    telemetry.batch_ended(batch_id, 0.1)
    telemetry.settled("delivered", 2)


def test_spans_arrive_with_their_links_and_their_resource(environment: pytest.MonkeyPatch, collector: Collector):
    environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
    environment.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=shop-0,deployment.environment.name=test")
    running = setup.start("shop", URL, "member-1")
    deliver(running)
    running.shutdown(10.0)

    request = collector.traces.get(timeout=10)
    (resource_spans,) = request.resource_spans
    resource = attributes(resource_spans.resource)
    assert resource["service.name"] == "airship-connector"
    assert resource["service.version"] == connector.__version__
    assert resource["k8s.pod.name"] == "shop-0"
    (scope_spans,) = resource_spans.scope_spans
    assert scope_spans.scope.name == "airship-connector"
    assert scope_spans.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    spans = {span.name: span for span in scope_spans.spans}
    process, post = spans["process orders"], spans["POST /api/custom-events"]
    assert process.kind == Span.SPAN_KIND_CONSUMER
    assert post.kind == Span.SPAN_KIND_CLIENT
    assert post.parent_span_id == process.span_id
    assert post.trace_id == process.trace_id
    said = attributes(post)
    assert said["connector.operation_id"] == "op-1"
    assert said["url.full"] == "https://go.example.com/api/custom-events", "no credentials, no query"
    assert said["server.port"] == 443
    assert post.status.code == Status.STATUS_CODE_UNSET
    assert [(int.from_bytes(link.trace_id), attributes(link)["messaging.kafka.offset"]) for link in process.links] == [
        (1001, 0),
        (1002, 1),
    ]
    assert collector.headers[0]["content-type"] == "application/x-protobuf"
    assert collector.metrics.empty(), "no exporter for metrics was named"


def test_metrics_arrive_under_the_same_names_with_units_types_and_exemplars(
    environment: pytest.MonkeyPatch, collector: Collector
):
    environment.setenv("OTEL_METRICS_EXPORTER", "otlp")
    environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
    environment.setenv("OTEL_SERVICE_NAME", "shop-events")
    running = setup.start("shop", URL)
    deliver(running)
    state = PartitionState(TopicPartition("orders", 3), NextOffset(5), NextOffset(5), NextOffset(9))
    running.telemetry.publish(Snapshot(taken=1.0, phase="running", joined=True, partitions=(state,)))
    running.shutdown(10.0)

    request = collector.metrics.get(timeout=10)
    assert attributes(request.resource_metrics[0].resource)["service.name"] == "shop-events"
    metrics = {metric.name: metric for sm in request.resource_metrics[0].scope_metrics for metric in sm.metrics}
    settled = metrics["connector.records.settled"]
    assert settled.unit == "{record}"
    assert settled.sum.is_monotonic
    assert settled.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert {attributes(point)["evidence"]: point.as_double for point in settled.sum.data_points}["delivered"] == 2

    (lag,) = metrics["connector.consumer.lag"].gauge.data_points
    assert lag.as_double == 4
    assert attributes(lag) == {
        "messaging.consumer.group.name": "shop",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "3",
    }

    duration = metrics["http.client.request.duration"]
    assert duration.unit == "s"
    (point,) = duration.histogram.data_points
    assert attributes(point) == {
        "http.request.method": "POST",
        "server.address": "go.example.com",
        "server.port": 443,
        "http.response.status_code": 200,
    }
    assert (point.count, point.sum) == (1, 0.03)
    assert list(point.explicit_bounds)[:3] == [0.005, 0.01, 0.025]
    assert list(point.bucket_counts)[:5] == [0, 0, 0, 1, 0]
    assert not point.HasField("min")
    assert not point.HasField("max")
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    (exemplar,) = point.exemplars
    post = collector.spans()["POST /api/custom-events"]
    assert exemplar.trace_id == post.trace_id
    assert exemplar.as_double == 0.03


def test_deltas_are_sent_where_they_are_asked_for(environment: pytest.MonkeyPatch, collector: Collector):
    environment.setenv("OTEL_METRICS_EXPORTER", "otlp")
    environment.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    environment.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    running = setup.start("shop", URL)
    try:
        deliver(running, 1)
        sums, counts, starts = [], [], []
        while sum(sums) < 2:
            _, total, count, start, end = read(collector)
            sums.append(total)
            counts.append(count)
        deliver(running, 2)
        while sum(sums) < 4:
            temporality, total, count, start, end = read(collector)
            assert temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
            assert not starts or start == starts[-1], "the next begins where the last one ended"
            starts.append(end)
            sums.append(total)
            counts.append(count)
        assert sum(sums) == 4, "nothing is counted twice"
        assert sum(counts) == 2
    finally:
        running.shutdown(10.0)


@pytest.mark.parametrize(("temporality", "starts"), [("cumulative", [100, 100]), ("delta", [100, 200])])
def test_the_time_that_a_point_is_about(temporality: Temporality, starts: list[int]):
    clock = iter([100, 200, 300])
    registry = Registry("shop", "go.example.com", 443)
    points = MetricPoints(registry, Resource.get_empty(), "1", temporality, lambda: next(clock))
    registry.batch_events.record(3.0)
    seen = []
    for _ in starts:
        (resource_metrics,) = points.read().resource_metrics
        metrics = {metric.name: metric for metric in resource_metrics.scope_metrics[0].metrics}
        for name in ("connector.records.settled", "connector.batch.events"):
            point = metrics[name].data.data_points[0]
            seen.append((point.start_time_unix_nano, point.time_unix_nano))
    assert seen == [(starts[0], 200)] * 2 + [(starts[1], 300)] * 2


def read(collector: Collector) -> tuple[int, float, int, int, int]:
    metrics = collector.points()
    settled = metrics["connector.records.settled"].sum
    delivered = next(point for point in settled.data_points if attributes(point)["evidence"] == "delivered")
    histogram = metrics.get("http.client.request.duration")
    count = 0 if histogram is None else sum(point.count for point in histogram.histogram.data_points)
    return (
        settled.aggregation_temporality,
        delivered.as_double,
        count,
        delivered.start_time_unix_nano,
        delivered.time_unix_nano,
    )


@pytest.mark.parametrize("value", [None, "", "none", "NONE"])
def test_no_exporter_means_none(environment: pytest.MonkeyPatch, collector: Collector, value: str | None):
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"):
        if value is not None:
            environment.setenv(name, value)
    running = setup.start("shop", URL)
    deliver(running)
    assert running.telemetry.batch_sent(9, [run(1)], requests=1, body_bytes=1, waited_seconds=0) == {}
    running.shutdown(5.0)
    assert collector.headers == []


def test_the_sdk_can_be_switched_off(environment: pytest.MonkeyPatch, collector: Collector):
    environment.setenv("OTEL_SDK_DISABLED", "true")
    environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
    environment.setenv("OTEL_METRICS_EXPORTER", "otlp")
    running = setup.start("shop", URL)
    deliver(running)
    running.shutdown(5.0)
    assert collector.headers == []
    assert b"connector_records_settled_total" in running.metrics_text("")[0], "/metrics is not the SDK's"


def test_the_sampler_is_the_standard_variable(environment: pytest.MonkeyPatch, collector: Collector):
    environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
    environment.setenv("OTEL_TRACES_SAMPLER", "always_off")
    running = setup.start("shop", URL)
    deliver(running)
    running.shutdown(5.0)
    assert collector.headers == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger", "OTEL_TRACES_EXPORTER: found 'jaeger', expected none, otlp or console"),
        ("OTEL_METRICS_EXPORTER", "statsd", "expected none, otlp, console or prometheus"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "OTEL_EXPORTER_OTLP_PROTOCOL: found 'http/json'"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: found 'udp'"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon", "OTEL_METRIC_EXPORT_INTERVAL: found 'soon', expected milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "expected milliseconds from 1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "rising", "expected cumulative, delta or lowmemory"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named(
    environment: pytest.MonkeyPatch, collector: Collector, name: str, value: str, words: str
):
    environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
    environment.setenv("OTEL_METRICS_EXPORTER", "otlp")
    environment.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        setup.start("shop", URL)
    assert words in str(raised.value)


def test_a_missing_grpc_exporter_is_said_with_what_to_install(environment: pytest.MonkeyPatch):
    environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
    environment.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    environment.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)  # type: ignore[arg-type]
    with pytest.raises(
        SettingsError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL: found 'grpc'.*airship-connector\[otlp-grpc\]"
    ):
        setup.start("shop", URL)


def test_spans_go_out_by_grpc_where_that_is_asked_for(environment: pytest.MonkeyPatch):
    grpc = pytest.importorskip("grpc", reason="the extra otlp-grpc is not installed")
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    received: queue.Queue[trace_service_pb2.ExportTraceServiceRequest] = queue.Queue()

    class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request, context):  # noqa: N802  the name is the protocol's
            received.put(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
        environment.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        running = setup.start("shop", URL)
        deliver(running)
        running.shutdown(10.0)
        (resource_spans,) = received.get(timeout=10).resource_spans
        assert {span.name for span in resource_spans.scope_spans[0].spans} == {
            "process orders",
            "POST /api/custom-events",
        }
    finally:
        server.stop(None).wait(10)


def test_a_collector_that_never_answers_delays_the_end_no_longer_than_the_deadline(environment: pytest.MonkeyPatch):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
        environment.setenv("OTEL_METRICS_EXPORTER", "otlp")
        environment.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
        running = setup.start("shop", URL)
        deliver(running)
        began = time.monotonic()
        running.shutdown(0.5)
        assert time.monotonic() - began < 2.0


def test_a_collector_that_refuses_is_no_trouble_for_the_loop(environment: pytest.MonkeyPatch):
    with Collector(status=400) as refusing:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.url)
        environment.setenv("OTEL_TRACES_EXPORTER", "otlp")
        environment.setenv("OTEL_METRICS_EXPORTER", "otlp")
        running = setup.start("shop", URL)
        deliver(running)
        running.shutdown(10.0)
        assert len(refusing.headers) == 2


def test_the_sdk_is_not_even_imported_without_an_exporter():
    code = (
        "import sys; from connector.telemetry import setup; setup.start('g', 'https://go.example.com/x'); "
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', 'prometheus'))])"
    )
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
