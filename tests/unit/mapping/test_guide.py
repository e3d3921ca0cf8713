"""The guide says what is: its example is run, its lines are what the program says, and it leaves nothing out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from connector.core.records import Reason, SkipReason
from connector.decode.schema_cache import SchemaCache
from connector.errors import SettingsError
from connector.intake import Intake
from connector.mapping.functions import functions_of
from connector.mapping.message import Message
from connector.settings import RouteSettings, Settings
from tests.unit.mapping.records import StoredRecord

GUIDE = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def intake_of(route: dict[str, Any]) -> Intake:
    settings = {
        "kafka": {"bootstrap_servers": "x:9092", "group_id": "g"},
        "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
        "routes": [route],
    }
    return Intake(Settings.model_validate(settings), SchemaCache())


def test_the_ten_minutes() -> None:
    message, event = (json.loads(block) for block in blocks("json")[:2])
    (route,) = yaml.safe_load(blocks("yaml")[0])["routes"]
    (entry,) = intake_of(route).prepare("orders", [StoredRecord(json.dumps(message).encode())], NOW).entries
    assert json.loads(entry[2]) == event


def test_the_lines_for_a_wrong_route() -> None:
    template = {
        "occurred": "${{ timestmp(created_at) }}",
        "user": {"named_user_id": "u"},
        "body": {"name": "n", "propertis": {}},
    }
    told = []
    for event in (template, {"user": {"named_user_id": "u"}, "body": {"name": "Purchased"}}):
        with pytest.raises(SettingsError) as refused:
            intake_of({"topics": ["t"], "event": event})
        told += refused.value.faults
    assert sorted(re.findall(r"^    (routes\[0\]\..*)$", GUIDE, re.MULTILINE)) == sorted(told)


def test_every_function_setting_and_reason_is_there() -> None:
    for name in functions_of(Message()):
        assert f"`{name}(" in GUIDE, name
    for name in [*get_args(Reason), *get_args(SkipReason)]:
        assert f"`{name}`" in GUIDE, name
    for name in RouteSettings.model_fields.keys() - {"name"}:
        assert f"`{name}`" in GUIDE, name


@pytest.mark.parametrize(
    ("route", "value", "fault"),
    [
        (
            {"event": {"user": {"named_user_id": "u"}, "body": {"name": "n", "value": "${{ abs(total) }}"}}},
            {"total": "1"},
            "body.value: found string in abs() in ${{ abs(total) }}, expected number",
        ),
        (
            {"event": {"user": {"named_user_id": "${{ customer.id }}"}, "body": {"name": "n"}}},
            {},
            "user: found null from ${{ customer.id }}, expected one of named_user_id, ",
        ),
        (
            {},
            {"user": {"named_user_id": "u"}, "body": {"name": "n", "properties": {"items": [{"text": "x" * 300}]}}},
            "body.properties.items[0].text: found a string of 300 characters, expected at most 255 characters",
        ),
    ],
)
def test_the_faults_that_it_quotes(route: dict[str, Any], value: Any, fault: str) -> None:
    run = intake_of({"topics": ["t"], **route}).prepare("t", [StoredRecord(json.dumps(value).encode())], NOW)
    assert run.rejects[0].message.startswith(fault)
    assert fault.rstrip() in GUIDE
