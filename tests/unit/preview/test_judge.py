"""One record under the settings: what the job would make of it, with the schemas looked up on the spot."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from connector.errors import RegistryUnavailable, SettingsError
from connector.preview.judge import Judge
from connector.settings import Settings
from tests.support.registry_stub import Fault, RegistryStub, registry_stub
from tests.unit.decode.avro_bytes import written
from tests.unit.mapping.records import StoredRecord

NOW = 1_717_243_200.0
SCHEMA = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
TEMPLATE = {"user": {"named_user_id": "${{ id }}"}, "body": {"name": "ordered"}}
EVENT = {"user": {"named_user_id": "u-1"}, "body": {"name": "ordered"}}


def settings_of(*routes: dict[str, Any], **sections: Any) -> Settings:
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "g"},
            "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
            "routes": list(routes),
            **sections,
        }
    )


def avro_settings(stub: RegistryStub, **registry: Any) -> Settings:
    route = {"name": "orders", "topics": ["orders"], "format": "avro", "event": TEMPLATE}
    return settings_of(route, schema_registry={"url": stub.url, **registry})


def framed(schema_id: int, user: str = "u-1") -> StoredRecord:
    return StoredRecord(b"\x00" + schema_id.to_bytes(4, "big") + written(SCHEMA, {"id": user}), key=b"k")


def test_an_event_with_the_bytes_that_would_be_sent_and_the_key_that_orders_them() -> None:
    value = b'{"user": {"named_user_id": "u-1"},   "body": {"name": "ordered"}}'
    with Judge(settings_of({"topics": ["orders"]})) as judge:
        judged = judge.judge("orders", StoredRecord(value, key=b"k"), NOW)
    assert (judged.outcome, judged.route, judged.events) == ("event", "routes[0]", (value,))
    assert (judged.ordering_key, judged.skipped, judged.reject, judged.faults) == (b"k", None, None, ())


def test_the_first_route_that_takes_the_message_and_the_skip_when_none_does() -> None:
    routes = [
        {"name": "paid", "topics": ["orders"], "format": "json", "when": "paid", "event": TEMPLATE},
        {"name": "large", "topics": ["orders"], "format": "json", "when": "total > `100`", "event": TEMPLATE},
    ]
    with Judge(settings_of(*routes)) as judge:
        judged = [
            judge.judge("orders", StoredRecord(json.dumps({"id": "u-1", **value}).encode()), NOW)
            for value in ({"paid": True, "total": 500}, {"total": 500}, {"total": 5})
        ]
        tombstone = judge.judge("orders", StoredRecord(None), NOW)
        other = judge.judge("others", StoredRecord(b"{}"), NOW)
    assert [(one.outcome, one.route, one.skipped) for one in judged] == [
        ("event", "paid", None),
        ("event", "large", None),
        ("skip", None, "filtered"),
    ]
    assert (tombstone.outcome, tombstone.skipped) == ("skip", "tombstone")
    assert other.reject is not None
    assert (other.outcome, other.reject.stage, other.reject.reason) == ("reject", "map", "no_route")


def test_a_reject_has_all_faults_and_the_text_of_the_dead_letter() -> None:
    value = json.dumps({"user": {}, "body": {"name": "Bought", "value": "x"}}).encode()
    with Judge(settings_of({"topics": ["orders"]})) as judge:
        judged = judge.judge("orders", StoredRecord(value), NOW)
    assert judged.reject is not None
    assert [fault.field for fault in judged.faults] == ["user", "body.name", "body.value"]
    assert judged.reject.message == "; ".join(map(str, judged.faults))


def test_the_faults_of_all_events_of_a_message_have_their_position() -> None:
    event = {"user": {"named_user_id": "u"}, "body": {"name": "${{ n }}", "value": "${{ v }}"}}
    route = {"topics": ["orders"], "format": "json", "for_each": "items", "event": event}

    def fields(*items: dict[str, Any]) -> tuple[list[str], str]:
        with Judge(settings_of(route)) as judge:
            judged = judge.judge("orders", StoredRecord(json.dumps({"items": items}).encode()), NOW)
        assert judged.reject is not None
        return [fault.field for fault in judged.faults], judged.reject.reason

    assert fields({"n": "a"}, {"n": "B"}, {"n": "C", "v": "x"}) == (
        ["[1].body.name", "[2].body.name", "[2].body.value"],
        "invalid_event",
    )
    assert fields({"n": "A"}) == (["[0].body.name"], "invalid_event")
    assert fields({"n": None}, {"n": "B"}) == (["[0].body.name", "[1].body.name"], "required_missing")
    assert fields({"n": "a"}, {"n": "b" * 5_000_000}) == (["[1]"], "too_large")
    assert len(fields(*[{"n": "A"}] * 999)[0]) == 100


def test_a_schema_is_asked_for_once_and_then_known() -> None:
    with registry_stub(schemas={"7": {"schema": json.dumps(SCHEMA)}}) as stub:
        with Judge(avro_settings(stub)) as judge:
            judged = [judge.judge("orders", framed(7), NOW) for _ in range(3)]
        assert len(stub.requests) == 1
    assert [[json.loads(event) for event in one.events] for one in judged] == [[EVENT]] * 3


def test_a_schema_that_does_not_exist_is_a_reject_without_a_wait() -> None:
    with registry_stub() as stub:
        with Judge(avro_settings(stub, recheck_ms=60_000)) as judge:
            started = time.monotonic()
            judged = [judge.judge("orders", framed(9), NOW + later) for later in (0, 3600)]
            assert time.monotonic() - started < 10
        assert len(stub.requests) == 2, "it is asked for twice, as the job does, and then never again"
    assert [(one.reject.reason, one.reject.schema_id) for one in judged if one.reject] == [
        ("unknown_schema", "id:9")
    ] * 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=503, body=b"{}"), "answers 503"),
        (Fault(status=401, body=b"{}"), "refuses the credentials"),
        (Fault(status=404, body=b"nothing here"), "check the path in schema_registry.url"),
    ],
)
def test_a_registry_in_trouble_is_nobodys_reject(fault: Fault, said: str) -> None:
    with registry_stub(fault=fault) as stub, Judge(avro_settings(stub)) as judge:
        with pytest.raises(RegistryUnavailable, match=said):
            judge.judge("orders", framed(7), NOW)
        stub.fault = None
        stub.schemas["7"] = {"schema": json.dumps(SCHEMA)}
        assert judge.judge("orders", framed(7), NOW).outcome == "event", "it is asked again for the next record"


def test_one_deadline_holds_for_a_registry_that_never_ends_its_answer() -> None:
    with registry_stub(fault=Fault(hang=True)) as stub:
        judge = Judge(avro_settings(stub, timeout_ms=60_000))
        judge._deadline_seconds = 0.3
        with pytest.raises(RegistryUnavailable, match=r"no answer for the schema id:7 within 0\.3 s"):
            judge.judge("orders", framed(7), NOW)


def test_schemas_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "order.7.avsc").write_text(json.dumps(SCHEMA), encoding="utf-8")
    settings = settings_of({"topics": ["orders"], "event": TEMPLATE}, schema_registry={"directory": str(tmp_path)})
    with Judge(settings) as judge:
        assert judge.judge("orders", framed(7), NOW).outcome == "event"
        missing = judge.judge("orders", framed(8), NOW)
        assert missing.reject is not None
        assert str(tmp_path) in missing.reject.message
    with pytest.raises(SettingsError, match="found no directory"):
        Judge(settings_of({"topics": ["orders"]}, schema_registry={"directory": str(tmp_path / "absent")}))
