"""The schemas for other programs speak of the same events as the models. (That the files are current, another says.)"""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import jsonschema
import pytest

from connector.decode.avro_schema import avro_schema
from connector.decode.schema_cache import SchemaCache
from connector.intake import Intake
from connector.mapping.contract import faults_of
from connector.mapping.event_schemas import avro_schema_text, json_schema_text
from connector.settings import Settings
from tests.unit.mapping.records import StoredRecord
from tests.unit.mapping.test_contract import CHANNEL, NOW, OTHER_TIMES, REFUSED, SEED, changed

SCHEMA = json.loads(json_schema_text())
jsonschema.Draft202012Validator.check_schema(SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize(
    "event",
    [SEED, changed("occurred", None), changed("user", {"channel": CHANNEL, "named_user_id": None}), changed("more", 1)],
)
def test_what_is_valid_fits_the_json_schema(event: Any) -> None:
    assert faults_of(event, NOW) == ()
    VALIDATOR.validate(event)


def _sayable(event: Any) -> bool:
    """JSON that a schema can refuse. Not: upper case beyond ASCII; and Python's `$` in a pattern passes a line feed."""
    try:
        text = json.dumps(event, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError):
        return False
    return repr(json.loads(text)) == repr(event) and "É" not in text and "\\n" not in text


@pytest.mark.parametrize("event", [event for event, _ in REFUSED if _sayable(event)])
def test_what_the_models_refuse_does_not_fit(event: Any) -> None:
    assert not VALIDATOR.is_valid(event)


@pytest.mark.parametrize("text", [text for text, found in OTHER_TIMES if "not exist" not in found and "\n" not in text])
def test_nor_do_other_forms_of_a_time(text: str) -> None:
    assert not VALIDATOR.is_valid(changed("occurred", text))


def test_an_event_in_the_avro_schema_is_sent_as_the_same_event() -> None:
    schema = json.loads(avro_schema_text())
    event = json.loads(json.dumps(SEED))
    event["occurred"] = datetime.fromisoformat(event["occurred"]).replace(tzinfo=UTC)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), event)
    cache = SchemaCache()
    cache.found("id:1", avro_schema(json.dumps(schema)))
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "x:9092", "group_id": "g"},
            "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
            "routes": [{"topics": ["orders"], "format": "avro"}],
        }
    )
    record = StoredRecord(b"\0\0\0\0\1" + out.getvalue())
    (entry,) = Intake(settings, cache).prepare("orders", [record], NOW).entries
    assert json.loads(entry[2]) == SEED
