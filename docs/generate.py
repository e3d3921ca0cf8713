"""Writes every file that is generated from the code (`make docs`); a test fails where one of them differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from connector.configuration import describe
from connector.mapping import event_schemas
from connector.telemetry import metrics_page
from docs import chart_values, dead_letter_format, librdkafka_names

ROOT = Path(__file__).parent.parent

FILES: dict[str, Callable[[], str]] = {
    "schemas/connector.schema.json": describe.json_schema_text,
    "schemas/custom-event.schema.json": event_schemas.json_schema_text,
    "schemas/custom-event.avsc": event_schemas.avro_schema_text,
    "schemas/dead-letter.md": dead_letter_format.render,
    "docs/settings.md": describe.settings_page,
    "docs/metrics.md": metrics_page.render,
    "connector/kafka/property_names.py": librdkafka_names.render,
    "helm/airship-connector/values.schema.json": chart_values.schema_text,
    "helm/airship-connector/README.md": chart_values.readme,
}


def main() -> None:
    for name, render in FILES.items():
        path = ROOT / name
        text = render()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written: {name}")


if __name__ == "__main__":
    main()
