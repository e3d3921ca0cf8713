"""One order's trace, looked up as a user does: through a real OpenTelemetry Collector, back from a real Jaeger.

Both are programs that the run is told of by `TEST_OTELCOL` and `TEST_JAEGER`; tests/README.md says how they are built.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanContext

from connector.airship.sandbox import SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import StatusFault
from tests.integration.events import custom_event, numbers, records
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import ChildProcess, free_port, wait_until
from tests.support.topics import Record, Topics, produce

OTELCOL, JAEGER = os.environ.get("TEST_OTELCOL"), os.environ.get("TEST_JAEGER")

pytestmark = pytest.mark.skipif(
    not (OTELCOL and JAEGER), reason="TEST_OTELCOL and TEST_JAEGER name no programs; see tests/README.md"
)


class Backends(NamedTuple):
    http: str
    """Where OTLP over HTTP is taken."""
    grpc: str
    jaeger: str
    """Jaeger's query API."""

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Waits for it: spans come through the Collector's queue."""
        return wait_until(lambda: self._ask(f"/api/traces/{trace_id}") or None, 30, f"trace {trace_id} in Jaeger")[0]

    def trace_of_operation(self, operation: str, linked_to: str) -> dict[str, Any]:
        """The only one with such a span that has a link to the other trace."""

        def found() -> list[dict[str, Any]]:
            traces = self._ask("/api/traces", service="airship-connector", operation=operation)
            return [trace for trace in traces if linked(trace, linked_to)]

        traces = wait_until(lambda: found() or None, 30, f"{operation} with a link to {linked_to} in Jaeger")
        assert len(traces) == 1
        return traces[0]

    def _ask(self, path: str, **query: str) -> list[dict[str, Any]]:
        url = f"{self.jaeger}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return list(json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise


@contextmanager
def backends(directory: Path) -> Iterator[Backends]:
    """The Collector takes OTLP by both protocols and hands it on to Jaeger, which keeps it in memory."""
    here = "127.0.0.1"
    http, grpc, stored, query, query_grpc = (free_port() for _ in range(5))
    quiet = {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}}}
    jaeger = {
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10_000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "enable_tracing": False,
                "http": {"endpoint": f"{here}:{query}"},
                "grpc": {"endpoint": f"{here}:{query_grpc}"},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{here}:{stored}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            **quiet,
        },
    }
    collector = {
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": f"{here}:{http}"}, "grpc": {"endpoint": f"{here}:{grpc}"}}}
        },
        "exporters": {"otlp": {"endpoint": f"{here}:{stored}", "tls": {"insecure": True}}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp"]}}, **quiet},
    }
    with (
        program("jaeger", str(JAEGER), jaeger, directory) as store,
        program("otelcol", str(OTELCOL), collector, directory) as between,
    ):
        for child, ports in ((store, {stored, query}), (between, {http, grpc})):
            wait_until(partial(listens_on_all, child, ports), 30, f"{ports} to be listened on", child)
        yield Backends(f"http://{here}:{http}", f"http://{here}:{grpc}", f"http://{here}:{query}")


def listens_on_all(child: ChildProcess, ports: set[int]) -> bool:
    return all(child.listens_on(port) for port in ports)


def program(name: str, path: str, configuration: dict[str, Any], directory: Path) -> ChildProcess:
    file = directory / f"{name}.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return ChildProcess(name, [path, "--config", str(file)], log_path=directory / f"{name}.log")


def make_order(endpoint: str) -> tuple[SpanContext, Record]:
    """An order as a traced shop writes it: a span of its own, and that span's context in the record's headers."""
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    with provider.get_tracer("shop").start_as_current_span("order created") as span:
        headers: dict[str, str] = {}
        inject(headers)
    provider.shutdown()
    return span.get_span_context(), Record(
        custom_event(7), key=b"a", headers=[(name, value.encode()) for name, value in headers.items()]
    )


def linked(trace: dict[str, Any], trace_id: str) -> dict[str, Any] | None:
    """The span of the trace that has a link to the other one."""
    return next(
        (
            span
            for span in trace["spans"]
            if any(
                reference["refType"] == "FOLLOWS_FROM" and reference["traceID"] == trace_id
                for reference in span["references"]
            )
        ),
        None,
    )


def tags(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_trace_of_an_order_leads_to_the_request_that_carried_it(
    broker: Broker, topics: Topics, tmp_path: Path, protocol: str
) -> None:
    topic, dead = topics.create("orders", 1), topics.create("dead", 1)
    with running_sandbox(SandboxOptions()) as sandbox, backends(tmp_path) as tracing:
        made, order = make_order(tracing.http)
        produce(broker.bootstrap_servers, topic, [*records(3), order, *records(3, start=100)])
        sandbox.set_fault(StatusFault(status=503, next=1))
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [topic], "format": "json"}],
            dead,
        )
        settings["log"] = {"level": "debug"}
        environment = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": tracing.grpc if protocol == "grpc" else tracing.http,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        with Connector(tmp_path, settings, "--stop-at-end", environment=environment) as connector:
            connector.expect_end()
        assert 7 in numbers(sandbox.events())

        order_trace = f"{made.trace_id:032x}"
        assert [span["operationName"] for span in tracing.trace(order_trace)["spans"]] == ["order created"]
        trace = tracing.trace_of_operation(f"process {topic}", order_trace)
    expect_the_way_of_the_order(trace, order_trace, topic, connector.process.log_text())


def expect_the_way_of_the_order(trace: dict[str, Any], order_trace: str, topic: str, log: str) -> None:
    process = linked(trace, order_trace)
    assert process is not None
    assert process["operationName"] == f"process {topic}"
    told = tags(process)
    assert told["messaging.system"] == "kafka"
    assert told["messaging.destination.name"] == topic
    assert told["messaging.kafka.cluster.id"]
    assert told["messaging.client.id"] == "airship-connector"
    assert trace["processes"][process["processID"]]["serviceName"] == "airship-connector"

    children = [
        span
        for span in trace["spans"]
        if any(reference["spanID"] == process["spanID"] for reference in span["references"])
    ]
    posts = sorted(
        (span for span in children if span["operationName"].startswith("POST")), key=lambda s: s["startTime"]
    )
    assert [tags(post)["http.response.status_code"] for post in posts] == [503, 200], "one attempt, one span"
    assert tags(posts[1])["http.request.resend_count"] == 1
    assert any(span["operationName"] == f"commit {topic}" for span in children)

    operation_id = tags(posts[1])["connector.operation_id"]
    assert operation_id
    lines = [json.loads(line) for line in log.splitlines()]
    (delivered,) = [line for line in lines if line.get("operation_id") == operation_id]
    assert (delivered["trace_id"], delivered["span_id"]) == (trace["traceID"], posts[1]["spanID"])
