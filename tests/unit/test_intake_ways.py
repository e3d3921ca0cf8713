"""Every way that a record can go through the intake, and the order, keys and weights of what comes out."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.records import PreparedRun, Reject, held_bytes
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import JsonSchema, SchemaUnknown
from connector.errors import SettingsError
from connector.intake import Intake
from connector.settings import Settings
from tests.unit.decode.avro_bytes import usable, written
from tests.unit.mapping.records import StoredRecord

NOW = datetime(2024, 1, 2, 3, 4, 30, tzinfo=UTC).timestamp()
EVENT = {
    "occurred": "2024-01-02T03:04:05",
    "user": {"named_user_id": "hugh"},
    "body": {"name": "sale", "value": 1.5, "properties": {"a": ["b", 1]}},
}
READY = json.dumps(EVENT).encode()
MAPPED = {
    "user": {"named_user_id": "${{ u }}"},
    "body": {"name": "sale", "value": "${{ v }}", "properties": "${{ p }}"},
}
EVENT_SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "occurred", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {
            "name": "user",
            "type": {"type": "record", "name": "User", "fields": [{"name": "named_user_id", "type": "string"}]},
        },
        {
            "name": "body",
            "type": {
                "type": "record",
                "name": "Body",
                "fields": [
                    {"name": "name", "type": "string"},
                    {
                        "name": "value",
                        "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 20}],
                    },
                    {"name": "session_id", "type": ["null", "string"]},
                    {"name": "properties", "type": {"type": "map", "values": ["null", "double", "string"]}},
                ],
            },
        },
    ],
}


def settings_of(routes: list[dict[str, Any]], **more: Any) -> Settings:
    values = {
        "kafka": {"bootstrap_servers": "x:9092", "group_id": "g"},
        "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
        "routes": [{"topics": ["orders"], **route} for route in routes],
    }
    return Settings.model_validate(values | more)


def intake_of(*routes: dict[str, Any], schemas: SchemaCache | None = None, **more: Any) -> Intake:
    return Intake(settings_of(list(routes), **more), schemas or SchemaCache())


def records_of(*values: bytes | None) -> list[StoredRecord]:
    return [StoredRecord(value, offset=offset, key=b"k%d" % offset) for offset, value in enumerate(values)]


def prepared(intake: Intake, *values: bytes | None, topic: str = "orders") -> PreparedRun:
    run = intake.prepare(topic, records_of(*values), NOW)
    places = [entry[0] for entry in run.entries] + [offset for offset, _ in run.skipped]
    places += [reject.record.offset() for reject in run.rejects] + [record.offset() for record in run.rest]
    assert sorted(set(places)) == list(range(len(values))), "each record is in exactly one place"
    assert (run.wait is None) == (not run.rest)
    return run


def bodies(run: PreparedRun) -> list[Any]:
    return [json.loads(entry[2], parse_float=Decimal) for entry in run.entries]


def changed(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode()


def told(reject: Reject) -> tuple[str, str, list[str]]:
    return reject.stage, reject.reason, [fault.field for fault in reject.faults]


def framed(payload: bytes, schema: int = 7) -> bytes:
    return b"\x00" + schema.to_bytes(4, "big") + payload


def cache_with(schema: Any) -> SchemaCache:
    cache = SchemaCache()
    cache.found("id:7", schema)
    return cache


# -- ready events


def test_a_ready_event_is_sent_as_the_very_bytes_that_came() -> None:
    pretty = json.dumps(EVENT, indent=2).encode() + b"\n"
    run = prepared(intake_of({}), READY, pretty)
    assert [entry[:3] for entry in run.entries] == [(0, b"k0", READY), (1, b"k1", pretty)]
    assert run.entries[1][2] is run.entries[1][3].value()
    assert [entry[4] for entry in run.entries] == [len(READY), len(pretty)]


@pytest.mark.parametrize("format", ["auto", "json"])
def test_what_the_quick_look_does_not_accept_is_sent_as_it_came_when_the_models_do(format: str) -> None:  # noqa: A002
    odd = json.dumps(EVENT | {"body": {"name": "42", "properties": {"é" * 150: "x"}}}).encode()
    run = prepared(intake_of({"format": format}), READY, odd, READY)
    assert [entry[2] for entry in run.entries] == [READY, odd, READY]
    assert [entry[0] for entry in run.entries] == [0, 1, 2]


def test_a_byte_order_mark_is_taken_off() -> None:
    run = prepared(intake_of({}), b"\xef\xbb\xbf" + READY)
    assert [entry[2] for entry in run.entries] == [READY]
    assert run.entries[0][4] == 2 * len(READY) + 3


def test_digits_that_a_double_cannot_hold_survive() -> None:
    exact = READY.replace(b"1.5", b"0.1000000000000000055511151231257827")
    odd = exact.replace(b'"sale"', b'"42"')
    assert [entry[2] for entry in prepared(intake_of({}), exact, odd).entries] == [exact, odd]


def test_null_in_an_optional_field_is_left_out() -> None:
    body = {"name": "sale", "value": None, "session_id": None, "properties": {"kept": None}}
    event = {"occurred": None, "user": {"named_user_id": "hugh", "channel": None}, "body": body}
    run = prepared(intake_of({}), json.dumps(event).encode())
    assert bodies(run) == [{"user": {"named_user_id": "hugh"}, "body": {"name": "sale", "properties": {"kept": None}}}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"hello", ("decode", "wrong_framing", ["value"])),
        (b"nonsense", ("decode", "not_json", ["value"])),
        (b"{", ("decode", "not_json", ["value"])),
        (b"", ("decode", "wrong_framing", ["value"])),
        (READY + b"x", ("decode", "not_json", ["value"])),
        (READY[:-1], ("decode", "not_json", ["value"])),
        (b"[" + READY + b"]", ("validate", "invalid_event", [""])),
        (b"null", ("validate", "invalid_event", [""])),
        (changed(body={"name": "Sale"}), ("validate", "invalid_event", ["body.name"])),
        (changed(user={"named_user_id": "a", "channel": "b"}), ("validate", "invalid_event", ["user", "user.channel"])),
        (changed(occurred="2023-10-01T00:00:00"), ("validate", "invalid_event", ["occurred"])),
        (changed(occurred="2024-01-02T04:04:05"), ("validate", "invalid_event", ["occurred"])),
        (
            changed(body={"name": "s", "properties": {"items": [{"text": "x" * 256}]}}),
            ("validate", "invalid_event", ["body.properties.items[0].text"]),
        ),
    ],
)
def test_a_bad_event_is_rejected_alone_with_its_field(value: bytes, expected: tuple[str, str, list[str]]) -> None:
    run = prepared(intake_of({}), READY, value, READY)
    assert [entry[0] for entry in run.entries] == [0, 2]
    (reject,) = run.rejects
    assert told(reject) == expected
    assert reject.record.offset() == 1
    assert reject.error_class == (
        "connector.errors.DecodeError" if expected[0] == "decode" else "connector.errors.InvalidEvent"
    )


@pytest.mark.parametrize("name", ["sale", "42"])
def test_an_event_that_no_request_can_hold_is_too_large(name: str) -> None:
    limit = 2_000
    fitting = changed(body={"name": name, "properties": {"a": ["x" * 200] * 9}})
    fitting += b" " * (limit - 2 - len(fitting))
    intake = intake_of({}, delivery={"batch": {"bytes_max": limit}})
    run = prepared(intake, fitting, fitting + b" ")
    assert [entry[0] for entry in run.entries] == [0]
    assert told(run.rejects[0]) == ("validate", "too_large", [""])
    assert str(run.rejects[0].faults[0]).startswith("event: found an event of 1999 bytes, expected at most 1998")


def test_a_mapped_event_that_no_request_can_hold_is_too_large() -> None:
    intake = intake_of({"event": MAPPED}, delivery={"batch": {"bytes_max": 2_000}})
    run = prepared(intake, json.dumps({"u": "x", "p": {"a": ["x" * 200] * 10}}).encode())
    assert told(run.rejects[0]) == ("validate", "too_large", [""])


def test_json_with_the_frame_of_a_registry_is_sent_without_it() -> None:
    odd = changed(body={"name": "42"})
    run = prepared(intake_of({}, schemas=cache_with(JsonSchema())), framed(READY), framed(odd))
    assert [entry[2] for entry in run.entries] == [READY, odd]
    assert run.entries[0][4] == 2 * len(READY) + 5


def test_plain_json_is_not_avro_where_the_route_says_avro() -> None:
    run = prepared(intake_of({"format": "avro"}), READY)
    assert told(run.rejects[0]) == ("decode", "wrong_framing", ["value"])


def test_a_ready_event_in_avro() -> None:
    value = {
        "occurred": int(NOW * 1000) - 25_001,
        "user": {"named_user_id": "hugh"},
        "body": {
            "name": "sale",
            "value": Decimal("239.85000000000000000001"),
            "session_id": None,
            "properties": {"a": 1.5, "b": None},
        },
    }
    run = prepared(intake_of({}, schemas=cache_with(usable(EVENT_SCHEMA))), framed(written(EVENT_SCHEMA, value)))
    (body,) = bodies(run)
    assert body == {
        "occurred": "2024-01-02T03:04:04",
        "user": {"named_user_id": "hugh"},
        "body": {
            "name": "sale",
            "value": Decimal("239.85000000000000000001"),
            "properties": {"a": Decimal("1.5"), "b": None},
        },
    }
    assert b"239.85000000000000000001" in run.entries[0][2]


def test_nan_in_avro_is_a_fault_of_its_field_and_never_becomes_null() -> None:
    event = {
        "occurred": None,
        "user": {"named_user_id": "u"},
        "body": {"name": "n", "value": None, "session_id": None, "properties": {"a": float("nan")}},
    }
    schemas = cache_with(usable(EVENT_SCHEMA))
    payload = framed(written(EVENT_SCHEMA, event))
    for route in (
        {},
        {"event": {"user": "${{ user }}", "body": {"name": "n", "properties": "${{ body.properties }}"}}},
    ):
        run = prepared(intake_of(route, schemas=schemas), payload)
        (reject,) = run.rejects
        assert told(reject) == ("validate", "invalid_event", ["body.properties.a"])
        assert reject.faults[0].found == "NaN"
        assert reject.schema_id == "id:7"


FRAMING_HEADER = ("__value_schema_id", b"\x00\x00\x00\x00\x07")


@pytest.mark.parametrize("headers", [None, [("traceparent", b"00-1-2-01")], [FRAMING_HEADER]])
@pytest.mark.parametrize("route", [{}, {"when": "user"}, {"event": {"user": "${{ user }}", "body": {"name": "n"}}}])
def test_headers_beside_ready_json(route: dict[str, Any], headers: Any) -> None:
    record = StoredRecord(READY, headers=headers)
    (entry,) = intake_of(route, schemas=cache_with(JsonSchema())).prepare("orders", [record], NOW).entries
    assert json.loads(entry[2])["user"] == EVENT["user"]
    assert entry[4] == held_bytes(entry[3]) + (0 if entry[2] is READY else len(entry[2]))


def test_bytes_that_look_like_json_are_avro_where_a_header_says_so() -> None:
    fields = [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]
    schemas = cache_with(usable({"type": "record", "name": "R", "fields": fields}))
    record = StoredRecord(b"{}", headers=[FRAMING_HEADER])
    template = {"user": {"named_user_id": "u"}, "body": {"name": "n", "value": "${{ a }}"}}
    run = intake_of({"event": template}, schemas=schemas).prepare("orders", [record], NOW)
    assert bodies(run)[0]["body"]["value"] == -62


# -- schemas


def test_a_schema_that_must_be_looked_up_stops_the_run() -> None:
    schemas = SchemaCache()
    intake = intake_of({}, schemas=schemas)
    avro = framed(
        written(
            EVENT_SCHEMA,
            {
                "occurred": None,
                "user": {"named_user_id": "u"},
                "body": {"name": "n", "value": None, "session_id": None, "properties": {}},
            },
        )
    )
    run = prepared(intake, READY, avro, READY, None)
    assert [entry[0] for entry in run.entries] == [0]
    assert [record.offset() for record in run.rest] == [1, 2, 3]
    assert run.wait is not None
    assert run.wait.schema == "id:7"
    schemas.found("id:7", usable(EVENT_SCHEMA))
    run = intake.prepare("orders", run.rest, NOW)
    assert [entry[0] for entry in run.entries] == [1, 2]
    assert run.skipped == [(3, "tombstone")]


@pytest.mark.parametrize("route", [{"event": MAPPED}, {"when": "u"}, {"event": MAPPED, "for_each": "[@]"}])
def test_it_stops_every_kind_of_run(route: dict[str, Any]) -> None:
    run = prepared(intake_of(route), None, framed(b""), b"{}")
    assert run.skipped == [(0, "tombstone")]
    assert [record.offset() for record in run.rest] == [1, 2]


def test_a_schema_that_does_not_exist_is_the_record_s_fault() -> None:
    schemas = SchemaCache()
    intake = intake_of({}, schemas=schemas)
    prepared(intake, framed(b""))
    assert schemas.wanted(0.0) == ["id:7"]
    schemas.unknown("id:7", SchemaUnknown("the registry", final=True), 0.0)
    (reject,) = prepared(intake, framed(b"")).rejects
    assert (reject.reason, reject.schema_id) == ("unknown_schema", "id:7")


# -- tombstones, filters, routes


def test_tombstones_are_skipped_or_rejected_as_the_route_says() -> None:
    assert prepared(intake_of({}), None, READY).skipped == [(0, "tombstone")]
    run = prepared(intake_of({"tombstones": "reject"}), READY, None)
    assert told(run.rejects[0]) == ("decode", "tombstone", ["value"])
    assert prepared(intake_of({"event": MAPPED}), None).skipped == [(0, "tombstone")]


def test_the_first_route_whose_when_is_true_takes_the_message() -> None:
    def named(name: str) -> dict[str, Any]:
        return {"user": {"named_user_id": "u"}, "body": {"name": name}}

    intake = intake_of(
        {"when": "kind == 'a'", "event": named("a")},
        {"when": "kind == 'b' || kind == 'a'", "event": named("b")},
        {"when": "kind == 'ready'"},
    )
    ready = json.dumps(EVENT | {"kind": "ready"}).encode()
    run = prepared(intake, b'{"kind": "b"}', b'{"kind": "a"}', b'{"kind": "c"}', ready)
    assert [body["body"]["name"] for body in bodies(run)] == ["b", "a", "sale"]
    assert run.entries[2][2] is ready
    assert run.skipped == [(2, "filtered")]


def test_a_route_without_a_condition_takes_what_is_left() -> None:
    intake = intake_of({"when": "u", "event": MAPPED}, {})
    run = prepared(intake, READY, b'{"u": "x"}')
    assert [body["user"] for body in bodies(run)] == [{"named_user_id": "hugh"}, {"named_user_id": "x"}]


def test_a_single_route_skips_what_it_does_not_want() -> None:
    run = prepared(intake_of({"when": "u == 'x'", "event": MAPPED}), b'{"u": "x"}', b'{"u": "y"}', b"{}")
    assert [entry[0] for entry in run.entries] == [0]
    assert run.skipped == [(1, "filtered"), (2, "filtered")]


def test_routes_of_one_topic_may_differ_in_their_format() -> None:
    intake = intake_of(
        {"format": "json", "when": "u", "event": MAPPED},
        {"format": "auto", "when": "w", "event": MAPPED | {"user": {"named_user_id": "w"}}},
    )
    assert len(prepared(intake, b'{"u": "x"}', b'{"w": 1}').entries) == 2


def test_a_topic_that_no_route_names() -> None:
    assert told(prepared(intake_of({}), READY, topic="others").rejects[0]) == ("map", "no_route", ["topic"])


def test_a_pattern_of_topics() -> None:
    intake = intake_of({"topics": None, "topics_pattern": "shop-.*"})
    assert len(prepared(intake, READY, topic="shop-a").entries) == 1
    assert len(prepared(intake, READY, topic="my-shop-a").rejects) == 1


# -- mapping


def test_mapped_events_are_written_without_loss() -> None:
    run = prepared(
        intake_of({"event": MAPPED}),
        b'{"u": "\xc3\xbc", "v": 12345678901234567890, "p": {"a": null}}',
        b'{"u": "x", "v": null}',
    )
    assert "ü".encode() in run.entries[0][2]
    assert bodies(run)[0]["body"] == {"name": "sale", "value": 12345678901234567890, "properties": {"a": None}}
    assert bodies(run)[1] == {"user": {"named_user_id": "x"}, "body": {"name": "sale"}}
    assert [len(entry[3].value() or b"") + len(entry[2]) for entry in run.entries] == [
        entry[4] for entry in run.entries
    ]


@pytest.mark.parametrize("key", [None, "u"])
def test_rejects_of_the_mapping_name_the_expression(key: str | None) -> None:
    template = {"user": {"named_user_id": "${{ u }}"}, "body": {"name": "${{ lower(n) }}", "value": "${{ v }}"}}
    intake = intake_of({"event": template, "ordering_key": key})
    run = prepared(
        intake, b'{"n": "x"}', b'{"u": "x", "n": 1}', b'{"u": "x", "n": "X", "v": "1"}', b"{", b'{"u": "x", "n": "Y"}'
    )
    assert [told(reject) for reject in run.rejects] == [
        ("map", "required_missing", ["user"]),
        ("map", "expression_failed", ["body.name"]),
        ("validate", "invalid_event", ["body.value"]),
        ("decode", "not_json", ["value"]),
    ]
    assert "${{ u }}" in run.rejects[0].message
    assert "${{ lower(n) }}" in run.rejects[1].message
    assert [body["body"]["name"] for body in bodies(run)] == ["y"]


def test_infinity_that_an_expression_makes_never_becomes_null() -> None:
    template = MAPPED | {"body": {"name": "n", "properties": {"s": "${{ sum(l) }}"}}}
    run = prepared(
        intake_of({"event": template}), b'{"u": "x", "l": [1e308, 1e308]}', b'{"u": "x", "l": [1, 2], "p": null}'
    )
    assert told(run.rejects[0]) == ("validate", "invalid_event", ["body.properties.s"])
    assert run.rejects[0].faults[0].found == "Infinity"
    assert bodies(run)[0]["body"]["properties"] == {"s": 3}


def test_the_metadata_of_the_message() -> None:
    template = {
        "occurred": "${{ timestamp(record_timestamp()) }}",
        "user": {"named_user_id": "${{ key() }}"},
        "body": {"name": "${{ header('type') }}", "unique_id": "${{ topic() }}-${{ partition() }}-${{ offset() }}"},
    }
    record = StoredRecord(
        b"{}", key=b"hugh", partition=2, offset=9, headers=[("type", b"sale")], timestamp=(1, int(NOW * 1000))
    )
    (entry,) = intake_of({"event": template}).prepare("orders", [record], NOW).entries
    assert json.loads(entry[2]) == {
        "occurred": "2024-01-02T03:04:30",
        "user": {"named_user_id": "hugh"},
        "body": {"name": "sale", "unique_id": "orders-2-9"},
    }


LINES = {
    "for_each": "lines",
    "event": {"user": {"named_user_id": "${{ message().u }}"}, "body": {"name": "bought", "value": "${{ price }}"}},
}


def test_one_message_many_events() -> None:
    value = b'{"u": "x", "lines": [{"price": 1}, {"price": 2}]}'
    run = prepared(intake_of(LINES), value, b'{"u": "x", "lines": []}', b'{"u": "x", "lines": 1}')
    assert [entry[:2] for entry in run.entries] == [(0, b"k0"), (0, b"k0")]
    assert [body["body"]["value"] for body in bodies(run)] == [1, 2]
    assert sum(entry[4] for entry in run.entries) == len(value) + sum(len(entry[2]) for entry in run.entries)
    assert run.skipped == [(1, "filtered")]
    assert told(run.rejects[0]) == ("map", "expression_failed", ["for_each"])


def test_one_bad_event_of_many_rejects_the_whole_message() -> None:
    run = prepared(intake_of(LINES), b'{"u": "x", "lines": [{"price": 1}, {"price": "?"}]}')
    assert run.entries == []
    assert told(run.rejects[0]) == ("validate", "invalid_event", ["[1].body.value"])


def transform(value: Any, record: Any) -> Any:
    return value["as"] if value["as"] != "datetime" else EVENT | {"occurred": datetime(2024, 1, 1, tzinfo=UTC)}


def test_what_a_transform_makes_is_judged_by_the_models() -> None:
    values = [EVENT | {"occurred": "2024-01-02T03:04:05.5+00:00"}, None, [EVENT, EVENT], 1, "datetime", {}]
    run = prepared(
        intake_of({"transform": f"{__name__}:transform"}), *[json.dumps({"as": value}).encode() for value in values]
    )
    assert [entry[0] for entry in run.entries] == [0, 2, 2]
    assert json.loads(run.entries[0][2]) == EVENT
    assert run.skipped == [(1, "filtered")]
    assert [told(reject) for reject in run.rejects] == [
        ("validate", "invalid_event", [""]),
        ("validate", "invalid_event", ["occurred"]),
        ("validate", "invalid_event", ["user", "body"]),
    ]


# -- ordering


@pytest.mark.parametrize(
    ("ordering", "route", "keys"),
    [
        ("key", {}, [b"k0", b"k1"]),
        ("partition", {}, [b"", b""]),
        ("none", {}, [None, None]),
        ("key", {"ordering_key": "user.named_user_id"}, [b"hugh", b"hugh"]),
        ("key", {"ordering_key": "absent"}, [None, None]),
        ("partition", {"ordering_key": "user.named_user_id"}, [b"", b""]),
        ("none", {"ordering_key": "user.named_user_id"}, [None, None]),
        ("key", {"event": {"user": "${{ user }}", "body": {"name": "n"}}}, [b"k0", b"k1"]),
        ("partition", {"event": {"user": "${{ user }}", "body": {"name": "n"}}}, [b"", b""]),
        ("none", {"event": {"user": "${{ user }}", "body": {"name": "n"}}}, [None, None]),
        (
            "key",
            {"ordering_key": "body.name", "event": {"user": "${{ user }}", "body": {"name": "n"}}},
            [b"sale", b"42"],
        ),
    ],
)
def test_the_ordering_key(ordering: str, route: dict[str, Any], keys: list[bytes | None]) -> None:
    odd = changed(body={"name": "42"})
    run = prepared(intake_of(route, delivery={"ordering": ordering}), READY, odd)
    assert [entry[1] for entry in run.entries] == keys


def test_a_record_without_a_key_waits_for_nothing() -> None:
    run = intake_of({}).prepare("orders", [StoredRecord(READY)], NOW)
    assert run.entries[0][1] is None


# -- one record for people


def test_explain_names_the_route() -> None:
    intake = intake_of({"name": "sales", "when": "u", "event": MAPPED}, {"when": "user"})

    def explained(value: bytes | None) -> tuple[str | None, PreparedRun]:
        return intake.explain("orders", StoredRecord(value), NOW)

    assert explained(b'{"u": "x"}')[0] == "sales"
    assert explained(READY)[0] == "routes[1]"
    assert explained(b'{"u": 1}')[0] == "sales", "also when it rejects"
    assert explained(b"{}") == (None, PreparedRun(skipped=[(0, "filtered")]))
    assert explained(b"{")[0] is None
    route, run = explained(framed(b""))
    assert route is None
    assert run.wait is not None
    assert intake_of({}).explain("orders", StoredRecord(READY), NOW).route == "routes[0]"


def test_explain_and_prepare_agree() -> None:
    values = [READY, None, b"{", b'{"u": "x"}', changed(body={"name": "42"})]
    for route in ({}, {"event": MAPPED}, {"when": "u", "event": MAPPED}):
        intake = intake_of(route)
        run = prepared(intake, *values)
        alone = [intake.explain("orders", record, NOW).run for record in records_of(*values)]
        assert [entry[:3] for entry in run.entries] == [entry[:3] for one in alone for entry in one.entries]
        assert run.skipped == [skip for one in alone for skip in one.skipped]
        assert [told(reject) for reject in run.rejects] == [told(reject) for one in alone for reject in one.rejects]


def test_wrong_routes_stop_the_start() -> None:
    with pytest.raises(SettingsError, match=r"routes\[1\].when"):
        intake_of({}, {"when": "a ="})


VALUES = st.sampled_from(
    [
        READY,
        None,
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"u": "x"}',
        b'{"u": 1}',
        b'{"u": "x", "lines": [{"price": 1}, {}]}',
        changed(body={"name": "42"}),
        changed(body={"name": "X"}),
        framed(READY),
        framed(READY, 8),
    ]
) | st.binary(max_size=12)
ROUTES: list[list[dict[str, Any]]] = [
    [{}],
    [{"format": "avro"}],
    [{"event": MAPPED}],
    [LINES],
    [{"when": "u", "event": MAPPED}, LINES, {"tombstones": "reject"}],
    [{"ordering_key": "u"}],
]


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=12), st.sampled_from(ROUTES))
def test_every_record_is_in_exactly_one_place(values: list[bytes | None], routes: list[dict[str, Any]]) -> None:
    run = prepared(intake_of(*routes, schemas=cache_with(JsonSchema())), *values)
    assert [entry[0] for entry in run.entries] == sorted(entry[0] for entry in run.entries)
    for entry in run.entries:
        assert isinstance(json.loads(entry[2]), dict)


AVRO_ROUTE = {
    "format": "avro",
    "when": "user.named_user_id != 'nobody'",
    "event": {
        "occurred": "${{ timestamp(occurred) }}",
        "user": {"named_user_id": "${{ user.named_user_id }}"},
        "body": {
            "name": "${{ body.name }}",
            "value": "${{ body.value }}",
            "session_id": "${{ body.session_id }}",
            "properties": {"all": "${{ body.properties }}"},
        },
    },
}
AVRO_EVENTS = st.fixed_dictionaries(
    {
        "occurred": st.none() | st.just(datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        "user": st.fixed_dictionaries({"named_user_id": st.sampled_from(["hugh", "nobody", "", " x"])}),
        "body": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["sale", "Sale", ""]),
                "value": st.none() | st.sampled_from([Decimal("1.5"), Decimal("123456789.12345678901234567890")]),
                "session_id": st.none() | st.text(max_size=3),
                "properties": st.dictionaries(
                    st.text(max_size=2),
                    st.none() | st.sampled_from([1.5, math.nan, math.inf]) | st.text(max_size=3),
                    max_size=2,
                ),
            }
        ),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(AVRO_EVENTS, min_size=1, max_size=6), st.integers(0, 9))
def test_a_view_of_avro_gives_what_the_long_way_gives(events: list[dict[str, Any]], cut: int) -> None:
    values = [framed(written(EVENT_SCHEMA, event)) for event in events]
    values[-1] = values[-1][: len(values[-1]) - cut] if cut < 4 else values[-1]
    schemas = cache_with(usable(EVENT_SCHEMA))
    one = prepared(intake_of(AVRO_ROUTE, schemas=schemas), *values)
    other = prepared(intake_of(AVRO_ROUTE, {"format": "avro", "when": "`false`"}, schemas=schemas), *values)
    assert bodies(one) == bodies(other)
    assert [entry[:2] + entry[4:] for entry in one.entries] == [entry[:2] + entry[4:] for entry in other.entries]
    assert one.skipped == other.skipped
    assert list(map(told, one.rejects)) == list(map(told, other.rejects))
    assert [reject.schema_id for reject in one.rejects] == [reject.schema_id for reject in other.rejects]


@pytest.mark.parametrize("route", [{}, {"event": MAPPED}, {"event": MAPPED, "ordering_key": "u"}])
def test_headers_and_large_keys_weigh(route: dict[str, Any]) -> None:
    value = READY if not route else json.dumps({"u": "hugh", "v": 1, "p": {}}).encode()
    records = [
        StoredRecord(value, offset=0, key=b"k"),
        StoredRecord(value, offset=1, key=b"k" * 300),
        StoredRecord(value, offset=2, headers=[("name", b"x" * 1000), ("null", None)]),
    ]
    entries = intake_of(route).prepare("orders", records, NOW).entries
    own = [weight - len(value) - (len(body) if route else 0) for _, _, body, _, weight in entries]
    assert own == [0, 300, 1008]
