"""Telemetry from the standard `OTEL_*` variables alone.

No exporter named means none: nothing is sent, no span is made, and the SDK is not even imported. `/metrics` is served
in any case. What a variable says that cannot be done is a settings error with the variable's name.

    OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER   otlp | console | none (the default); metrics also: prometheus
    OTEL_EXPORTER_OTLP_PROTOCOL (and _TRACES_, _METRICS_)   http/protobuf (the default) | grpc (the extra `otlp-grpc`)
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_EXPORTER_OTLP_*,
    OTEL_PROPAGATORS, OTEL_METRIC_EXPORT_INTERVAL, OTEL_METRIC_EXPORT_TIMEOUT, OTEL_SDK_DISABLED: as specified
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

import connector
from connector.errors import SettingsError
from connector.telemetry import attributes as a
from connector.telemetry.live import LiveTelemetry
from connector.telemetry.log_lines import Blot
from connector.telemetry.logs import EventLog
from connector.telemetry.registry import Registry
from connector.telemetry.tracing import SpanSettings, Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from connector.telemetry.otlp import MetricPush, Temporality
    from connector.telemetry.prometheus import Exposition

Signal: TypeAlias = Literal["traces", "metrics"]

SERVICE_NAME = "airship-connector"
_HTTP = "opentelemetry.exporter.otlp.proto.http"
_GRPC = "opentelemetry.exporter.otlp.proto.grpc"
_CLASSES: Mapping[Signal, tuple[str, str]] = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
}

_log = EventLog("telemetry")


class Running:
    """The telemetry of this process: what the loop tells, what `/metrics` shows, and the end of both."""

    def __init__(
        self,
        telemetry: LiveTelemetry,
        registry: Registry,
        provider: TracerProvider | None,
        push: MetricPush | None,
    ) -> None:
        self.telemetry = telemetry
        self._registry = registry
        self._provider = provider
        self._push = push
        self._exposition: Exposition | None = None

    def metrics_text(self, accept: str) -> tuple[bytes, str]:
        """`/metrics`; the first call imports what it needs."""
        if self._exposition is None:
            from connector.telemetry.prometheus import Exposition

            described = {name: str(value) for name, value in _resource().attributes.items()}
            self._exposition = Exposition(self._registry, described)
        return self._exposition.render(accept)

    def shutdown(self, seconds: float) -> None:
        """Sends what is still to be sent, within `seconds`; what did not make it by then is lost."""
        deadline = time.monotonic() + seconds
        flush = None
        if self._provider is not None:
            # the SDK's own shutdown waits 30 s for a collector that does not answer, and takes no other time
            flush = threading.Thread(target=self._provider.shutdown, name="span-flush", daemon=True)
            flush.start()
        if self._push is not None:
            self._push.shutdown(max(0.0, deadline - time.monotonic()))
        if flush is not None:
            flush.join(max(0.0, deadline - time.monotonic()))
            if flush.is_alive():
                _log.warning("spans not sent before the deadline", seconds=seconds)


def start(group: str, url: str, client_id: str | None = None, secrets: Iterable[SecretStr | None] = ()) -> Running:
    """`url`: where events are posted to. `secrets`: what must not show up on the status page.

    SettingsError for an `OTEL_*` variable that cannot be followed.
    """
    address = urlsplit(url)
    port = address.port or (80 if address.scheme == "http" else 443)
    server = address.hostname or ""
    registry = Registry(group, server, port)
    provider = push = tracing = None
    if not _disabled():
        span_exporter = cast("SpanExporter | None", _exporter("traces"))
        metric_exporter = cast("MetricExporter | None", _exporter("metrics"))
        _tell_what_is_unused(exporting=bool(span_exporter or metric_exporter))
        if span_exporter is not None:
            provider = _provider(span_exporter)
            shown = f"{address.scheme}://{server}{'' if address.port is None else f':{port}'}{address.path}"
            spans = SpanSettings(
                group, client_id, url=shown, url_template=address.path or None, server_address=server, server_port=port
            )
            tracing = Tracing(provider.get_tracer(a.SCOPE, connector.__version__, schema_url=a.SCHEMA_URL), spans)
        if metric_exporter is not None:
            push = _push(registry, metric_exporter)
    telemetry = LiveTelemetry(registry, EventLog("loop"), tracing, blot=Blot(secrets))
    return Running(telemetry, registry, provider, push)


def _disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _exporter(signal: Signal) -> SpanExporter | MetricExporter | None:
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    name = os.environ.get(variable, "").strip().lower()
    match name:
        case "" | "none":
            return None
        case "prometheus" if signal == "metrics":
            return None  # /metrics is there in any case
        case "otlp":
            return _otlp_exporter(signal)
        case "console" if signal == "traces":
            from opentelemetry.sdk.trace.export import ConsoleSpanExporter

            return ConsoleSpanExporter()
        case "console":
            from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

            return ConsoleMetricExporter()
        case _:
            known = "none, otlp or console" if signal == "traces" else "none, otlp, console or prometheus"
            raise SettingsError([f"{variable}: found {name!r}, expected {known}"])


def _otlp_exporter(signal: Signal) -> SpanExporter | MetricExporter:
    variables = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    variable = next((name for name in variables if os.environ.get(name)), variables[1])
    protocol = os.environ.get(variable, "http/protobuf").strip().lower()
    if protocol not in {"http/protobuf", "grpc"}:
        raise SettingsError([f"{variable}: found {protocol!r}, expected http/protobuf or grpc"])
    module_name, class_name = _CLASSES[signal]
    try:
        module = import_module(f"{_HTTP if protocol == 'http/protobuf' else _GRPC}.{module_name}")
    except ModuleNotFoundError as error:
        fault = f"{variable}: found {protocol!r}, but its exporter is not installed ({error.name} is missing); "
        raise SettingsError([fault + "install 'airship-connector[otlp-grpc]', or set it to http/protobuf"]) from error
    return cast("SpanExporter | MetricExporter", getattr(module, class_name)())


def _tell_what_is_unused(*, exporting: bool) -> None:
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") and not exporting:
        _log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but no exporter is: nothing is sent to it. Set OTEL_TRACES_EXPORTER "
            "or OTEL_METRICS_EXPORTER to otlp"
        )
    if os.environ.get("OTEL_LOGS_EXPORTER", "none").strip().lower() not in {"", "none"}:
        _log.warning(
            "OTEL_LOGS_EXPORTER is not used: log lines go to standard error, with trace_id and span_id in them"
        )


def _resource() -> Resource:
    """What runs here: this program, unless `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    named = OTELResourceDetector().detect().attributes
    defaults = {"service.name": SERVICE_NAME, "service.version": connector.__version__}
    return Resource.create({**defaults, **named}, a.SCHEMA_URL)


def _provider(exporter: SpanExporter) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _push(registry: Registry, exporter: MetricExporter) -> MetricPush:
    from connector.telemetry.otlp import MetricPoints, MetricPush

    points = MetricPoints(registry, _resource(), connector.__version__, _temporality())
    return MetricPush(
        points,
        exporter,
        _milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1000,
        _milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30_000) / 1000,
    )


def _temporality() -> Temporality:
    variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    found = os.environ.get(variable, "cumulative").strip().lower()
    if found not in {"cumulative", "delta", "lowmemory"}:
        raise SettingsError([f"{variable}: found {found!r}, expected cumulative, delta or lowmemory"])
    return cast("Temporality", found)


def _milliseconds(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 86_400_000:
        raise SettingsError([f"{variable}: found {text!r}, expected milliseconds from 1 to 86400000"])
    return int(text)
