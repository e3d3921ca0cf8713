"""The examples are run: each message becomes what `expected.jsonl` says."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from connector.configuration.load import load
from connector.core.records import PreparedRun
from connector.decode.directory import DirectoryLookup
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import ask
from connector.intake import Explanation, Intake
from connector.mapping.contract import faults_of
from connector.settings import Settings
from tests.unit.mapping.records import StoredRecord

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/connector.yaml"))
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in path.read_text(encoding="utf-8").splitlines()]


CASES = [
    pytest.param(name, message, expected, id=f"{name}-{number}")
    for name in NAMES
    for number, (message, expected) in enumerate(
        zip(lines(EXAMPLES / name / "messages.jsonl"), lines(EXAMPLES / name / "expected.jsonl"), strict=True), 1
    )
]


def test_there_are_six_shapes_and_the_index_names_them() -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(NAMES) >= 6
    assert all(f"| `{name}` |" in index for name in NAMES)


def settings_of(name: str) -> Settings:
    return load(EXAMPLES / name / "connector.yaml", {}, try_clients=False)


def schemas_of(name: str, settings: Settings) -> SchemaCache:
    cache = SchemaCache()
    if settings.schema_registry is not None:
        assert settings.schema_registry.directory is not None
        answer = ask(DirectoryLookup(EXAMPLES / name / settings.schema_registry.directory), "id:1")
        cache.wanted(0.0)
        cache.answered("id:1", answer, 0.0)
    return cache


def record_of(name: str, message: dict[str, Any]) -> StoredRecord:
    key = message.get("key")
    return StoredRecord(
        value_of(name, message),
        topic=message["topic"],
        key=None if key is None else key.encode(),
        headers=[(header, text.encode()) for header, text in message.get("headers", {}).items()] or None,
        timestamp=(1, message.get("timestamp", int(NOW * 1000))),
    )


def value_of(name: str, message: dict[str, Any]) -> bytes | None:
    if "text" in message:
        return str(message["text"]).encode()
    if message["value"] is None:
        return None
    if "schema" not in message:
        return json.dumps(message["value"], default=float).encode()
    schema = fastavro.parse_schema(json.loads((EXAMPLES / name / message["schema"]).read_text(encoding="utf-8")))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, decimals(message["value"]))
    return b"\x00\x00\x00\x00\x01" + out.getvalue()


def decimals(value: Any) -> Any:
    """The texts of decimal columns, as fastavro wants them."""
    if isinstance(value, dict):
        return {key: Decimal(item) if key in {"total", "price"} else decimals(item) for key, item in value.items()}
    return [decimals(item) for item in value] if isinstance(value, list) else value


def told(explanation: Explanation, record: StoredRecord) -> dict[str, Any]:
    run: PreparedRun = explanation.run
    found: dict[str, Any] = {"route": explanation.route}
    if run.entries:
        return found | {
            "outcome": "event",
            "events": [json.loads(entry[2], parse_float=Decimal) for entry in run.entries],
            "ordering_key": (run.entries[0][1] or b"").decode(),
            "unchanged": [entry[2] for entry in run.entries] == [record.value()],
        }
    if run.skipped:
        return found | {"outcome": "skip"}
    (reject,) = run.rejects
    fields = [fault.field for fault in reject.faults]
    return found | {"outcome": "reject", "stage": reject.stage, "reason": reject.reason, "fields": fields}


@pytest.mark.parametrize(("name", "message", "expected"), CASES)
def test_each_message_becomes_what_the_example_says(
    name: str, message: dict[str, Any], expected: dict[str, Any]
) -> None:
    settings = settings_of(name)
    record = record_of(name, message)
    found = told(Intake(settings, schemas_of(name, settings)).explain(message["topic"], record, NOW), record)
    assert {key: found.get(key) for key in expected} == expected
    assert [faults_of(event, NOW) for event in found.get("events", [])] == [()] * len(found.get("events", []))


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_outcome_is_shown(name: str) -> None:
    assert {expected["outcome"] for expected in lines(EXAMPLES / name / "expected.jsonl")} == {
        "event",
        "skip",
        "reject",
    }
