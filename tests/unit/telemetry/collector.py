"""A receiver of OTLP over HTTP: keeps what came, parsed by the published protobuf classes."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_SECONDS = 20.0


class Collector:
    """Used as `with Collector() as collector`; `url` goes into OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self, status: int = 200) -> None:
        self.traces: queue.Queue[ExportTraceServiceRequest] = queue.Queue()
        self.metrics: queue.Queue[ExportMetricsServiceRequest] = queue.Queue()
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path == "/v1/traces":
                    collector.traces.put(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    collector.metrics.put(ExportMetricsServiceRequest.FromString(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self) -> dict[str, Span]:
        """The spans of the next export, by name."""
        request = self.traces.get(timeout=WAIT_SECONDS)
        return {span.name: span for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans}

    def points(self) -> dict[str, Metric]:
        """The metrics of the next push, by name."""
        request = self.metrics.get(timeout=WAIT_SECONDS)
        return {
            metric.name: metric for rm in request.resource_metrics for sm in rm.scope_metrics for metric in sm.metrics
        }


def attributes(holder: object) -> dict[str, object]:
    """Of a span, a point, a link or a resource, as plain values."""
    return {
        item.key: getattr(item.value, str(item.value.WhichOneof("value")))
        for item in holder.attributes  # type: ignore[attr-defined]
    }
