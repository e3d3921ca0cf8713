"""The examples are run: each message becomes what `expected.jsonl` says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.configuration.load import load
from connector.mapping.contract import faults_of
from connector.preview.files import Given, file_records
from connector.preview.judge import Judge, Judgement
from connector.preview.records import FileRecord

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/connector.yaml"))
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in path.read_text(encoding="utf-8").splitlines()]


def test_there_are_six_shapes_and_the_index_names_them() -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(NAMES) >= 6
    assert all(f"| `{name}` |" in index for name in NAMES)


def told(judged: Judgement, record: FileRecord) -> dict[str, Any]:
    found: dict[str, Any] = {"route": judged.route, "outcome": judged.outcome}
    if judged.reject is not None:
        fields = [fault.field for fault in judged.faults]
        found |= {"stage": judged.reject.stage, "reason": judged.reject.reason, "fields": fields}
    if judged.events:
        found |= {
            "events": [json.loads(event, parse_float=Decimal) for event in judged.events],
            "ordering_key": (judged.ordering_key or b"").decode(),
            "unchanged": list(judged.events) == [record.value()],
        }
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_message_becomes_what_the_example_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES / name)
    with Judge(load(Path("connector.yaml"), {}, try_clients=False)) as judge:
        records = file_records(Path("messages.jsonl"), None, Given(None, NOW, judge.know))
        for record, expected in zip(records, lines(Path("expected.jsonl")), strict=True):
            found = told(judge.judge(record.topic(), record, NOW), record)
            assert {key: found.get(key) for key in expected} == expected, record.place
            assert [faults_of(event, NOW) for event in found.get("events", [])] == [()] * len(found.get("events", []))


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_outcome_is_shown(name: str) -> None:
    assert {expected["outcome"] for expected in lines(EXAMPLES / name / "expected.jsonl")} == {
        "event",
        "skip",
        "reject",
    }
