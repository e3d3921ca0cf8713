"""What is generated is what lies in the repository, and what an editor is told agrees with what the program takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from connector.configuration.catalogue import catalogue
from connector.configuration.describe import json_schema, settings_page
from connector.errors import SettingsError
from docs.generate import FILES, ROOT
from tests.unit.configuration.documents import LEAST, changed, loaded


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_as_it_would_be_generated(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name](), "run `make docs`"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def accepted(document: object) -> bool:
    return jsonschema.Draft202012Validator(json_schema()).is_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        LEAST,
        changed(
            kafka__properties={"security.protocol": "ssl", "socket.timeout.ms": 5000, "log.connection.close": False}
        ),
        changed(delivery__batch={"bytes_max": "1MiB"}),
        changed(delivery__batch={"bytes_max": 2_000_000}),
        changed(delivery__rate_limit={"events_per_second": None}),
        changed(routes__0__event={"user": {"named_user_id": "${{ id }}"}, "body": {"name": "purchased"}}),
        changed(routes=[{"topics_pattern": "orders-.*", "name": "orders"}]),
    ],
)
def test_what_the_program_takes_an_editor_takes(document: dict[str, Any], tmp_path: Path) -> None:
    loaded(document, tmp_path)
    assert accepted(document)


@pytest.mark.parametrize(
    "document",
    [
        changed(kafka__group_id=...),
        changed(kafka__group_id=""),
        changed(kafka__bootstrap_server="kafka:9092"),
        changed(airship__region="uk"),
        changed(delivery__batch={"events_max": 101}),
        changed(delivery__batch={"bytes_max": 6_000_000}),
        changed(delivery__batch={"bytes_max": "much"}),
        changed(routes=[]),
        changed(routes=[{"format": "json"}]),
        changed(routes__0__topics_pattern="orders"),
        changed(kafka__properties={"sasl.username": ["a"]}),
    ],
)
def test_what_an_editor_marks_the_program_refuses(document: dict[str, Any], tmp_path: Path) -> None:
    assert not accepted(document)
    with pytest.raises(SettingsError):
        loaded(document, tmp_path)


def test_an_editor_does_not_ask_for_secrets_in_the_file() -> None:
    assert accepted(changed(airship={"region": "eu"}))
    assert accepted(changed(airship={"auth": {}}))


def test_every_setting_says_what_it_means() -> None:
    silent = [setting.name for setting in catalogue().values() if not setting.description]
    assert not silent


def test_the_page_has_one_row_for_every_setting() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", settings_page(), re.MULTILINE)
    expected = [setting.name for setting in catalogue().values() if setting.kind not in {"section", "sections"}]
    assert sorted(rows) == sorted(expected)


def test_no_default_of_a_secret_is_shown() -> None:
    assert all(setting.default is None for setting in catalogue().values() if setting.secret)
