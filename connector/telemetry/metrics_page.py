"""`docs/metrics.md` from the declarations: `python -m connector.telemetry.metrics_page docs/metrics.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from connector.telemetry import metrics
from connector.telemetry.instruments import Declaration
from connector.telemetry.prometheus import prometheus_name

_HEAD = """\
# Metrics

Generated from `connector/telemetry/metrics.py` by `make docs`; do not edit.

The same metrics go out in two ways: `/metrics` on the admin port always serves them to Prometheus, and OTLP pushes them
where `OTEL_METRICS_EXPORTER=otlp` is set. The first name is OpenTelemetry's, the second Prometheus's. Attributes become
labels with `_` for `.`. Resource attributes (`OTEL_RESOURCE_ATTRIBUTES`) are on `target_info`.

Gauges are read from one snapshot that the loop makes about once a second. A partition that was given away is in none
of them. Histograms carry exemplars (in OpenMetrics and OTLP): the trace of a sampled request.
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD, _table()]
    parts += [_section(declaration) for declaration in metrics.ALL]
    return "\n".join(parts)


def sample_name(declaration: Declaration) -> str:
    """The name as it is asked for in Prometheus."""
    name = prometheus_name(declaration)
    return {"counter": f"{name}_total", "gauge": name, "histogram": f"{name}_bucket"}[declaration.kind]


def sample_names() -> set[str]:
    """Every name that can be asked for, a histogram's three among them."""
    names = {sample_name(declaration) for declaration in metrics.ALL}
    for declaration in metrics.ALL:
        if declaration.kind == "histogram":
            names |= {f"{prometheus_name(declaration)}_count", f"{prometheus_name(declaration)}_sum"}
    return names


def _table() -> str:
    rows = ["| OpenTelemetry | Prometheus | kind | unit |", "|---|---|---|---|"]
    rows += [
        f"| [`{declaration.name}`](#{_anchor(declaration.name)}) | `{sample_name(declaration)}` "
        f"| {declaration.kind} | `{declaration.unit}` |"
        for declaration in metrics.ALL
    ]
    return "\n".join(rows) + "\n"


def _anchor(heading: str) -> str:
    return heading.replace(".", "")


def _section(declaration: Declaration) -> str:
    lines = [f"## {declaration.name}", "", declaration.meaning, "", f"What to do: {declaration.action}", ""]
    if declaration.attributes:
        lines += ["Attributes: " + ", ".join(f"`{name}`" for name in declaration.attributes), ""]
    if declaration.bounds:
        lines += ["Buckets: " + ", ".join(f"{bound:g}" for bound in declaration.bounds), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
