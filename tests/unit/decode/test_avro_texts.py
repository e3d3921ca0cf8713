"""Events that are written straight from Avro: the same as by decoding and mapping, or none."""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event as seen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.decode.avro_texts import AvroTexts
from connector.decode.avro_values import avro_value
from connector.decode.schema_cache import SchemaCache
from connector.errors import DecodeError, MappingError, SchemaPending
from connector.event_plan import FILTERED
from connector.mapping.acceptance import Acceptance
from connector.mapping.json_text import json_bytes
from connector.mapping.routes import Route, compile_routes
from connector.mapping.straight import NOT_STRAIGHT
from connector.settings import RouteSettings, ValidationSettings
from tests.unit.decode.avro_bytes import long, text, usable
from tests.unit.mapping.records import Headers, StoredRecord
from tests.unit.mapping.test_contract import NOW

HEAD = b"\x00\x00\x00\x00\x07"
LINE = {"type": "record", "name": "L", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "double"}]}
OPTIONAL_LINE = {"type": "record", "name": "O", "fields": [{"name": "a", "type": ["null", "string"]}]}
INNER = {"type": "record", "name": "I", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "int"}]}
KINDS: list[Any] = [
    "null",
    "string",
    "boolean",
    "int",
    "long",
    "double",
    "float",
    "bytes",
    {"type": "enum", "name": "E", "symbols": ["on", "off"]},
    {"type": "fixed", "name": "F", "size": 2},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "int", "logicalType": "date"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "array", "items": "string"},
    {"type": "array", "items": LINE},
    {"type": "array", "items": OPTIONAL_LINE},
    {"type": "array", "items": ["null", LINE]},
    {"type": "map", "values": "long"},
    {"type": "map", "values": ["null", "string"]},
    INNER,
    ["null", "string"],
    ["string", "null"],
    ["null", "double"],
    ["null", "string", "long"],
    ["null", INNER],
    ["null", {"type": "array", "items": LINE}],
    ["null", {"type": "long", "logicalType": "timestamp-micros"}],
    [INNER, OPTIONAL_LINE],
]
PATHS = ["a", "b", "c", "d", "a.a", "b.a", "c.b", "d.a.a", "missing", "c.missing", "a[].a", "b[].a", "c[].a", "d[].b"]
MORE = [
    "timestamp(a)",
    "timestamp(b)",
    "timestamp(d)",
    "a == 'on'",
    "length(a)",
    "a[0].a",
    "not_null(b, a)",
    "offset()",
]

TEMPLATE_PARTS = st.one_of(
    st.sampled_from(PATHS).map("${{{{ {} }}}}".format),
    st.sampled_from(PATHS + MORE).map("${{{{ {} }}}}".format),
    st.sampled_from(PATHS).map("x-${{{{ {} }}}}".format),
    st.sampled_from(["literal", 'quo"ted', 7, None]),
)
PROPERTIES = st.dictionaries(
    st.sampled_from(["p", "q", "r", 's"t', "ü"]),
    TEMPLATE_PARTS
    | st.dictionaries(st.sampled_from(["u", "v"]), TEMPLATE_PARTS)
    | st.lists(TEMPLATE_PARTS, max_size=2),
    max_size=5,
)
WHENS = st.none() | st.sampled_from(["a == 'on'", "c.a == 'x'", "missing == 'on'", "!a", "b", "d == 'on' && a", "a"])
TEXTS = st.text(max_size=6) | st.sampled_from(
    ["on", 'a "b"', "back\\slash", "line\nfeed", "null", "ü" * 70, "", "\x00"]
)
NUMBERS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1e300, math.nan, math.inf])
LONGS = st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**13), 10**13) | st.integers(-70, 70)


def fields_of(kinds: list[Any]) -> dict[str, Any]:
    """A record; a named type is written out where it stands first."""
    known: set[str] = set()

    def named_once(schema: Any) -> Any:
        match schema:
            case {"name": name}:
                if name in known:
                    return name
                known.add(name)
                fields = [field | {"type": named_once(field["type"])} for field in schema.get("fields", [])]
                return schema | {"fields": fields} if fields else schema
            case {"items": items}:
                return schema | {"items": named_once(items)}
            case list():
                return list(map(named_once, schema))
            case _:
                return schema

    fields = [{"name": name, "type": named_once(kind)} for name, kind in zip("abcd", kinds, strict=False)]
    return {"type": "record", "name": "R", "fields": fields}


def payloads_of(kind: Any) -> st.SearchStrategy[bytes]:
    match kind:
        case "null":
            return st.just(b"")
        case "string":
            return TEXTS.map(text)
        case "boolean":
            return st.sampled_from([b"\x00", b"\x01"])
        case "double":
            return NUMBERS.map(struct.Struct("<d").pack)
        case "float":
            return st.floats(width=32).map(struct.Struct("<f").pack)
        case {
            "logicalType": _,
            "type": "int" | "long" as size,
        }:  # within the calendar: what is stepped over is not read
            return st.integers(-(10**5), 10**5 if size == "int" else 10**13).map(long)
        case "int":
            return st.integers(-(2**31), 2**31 - 1).map(long)
        case "long":
            return LONGS.map(long)
        case "bytes" | {"type": "bytes"}:
            return st.binary(max_size=4).map(lambda content: long(len(content)) + content)
        case {"type": "enum", "symbols": symbols}:
            return st.integers(0, len(symbols) - 1).map(long)
        case {"type": "fixed", "size": size}:
            return st.binary(min_size=size, max_size=size)
        case {"type": "array", "items": items}:
            return st.lists(payloads_of(items), max_size=3).map(blocks)
        case {"type": "map", "values": values}:
            return st.lists(st.tuples(TEXTS.map(text), payloads_of(values)).map(b"".join), max_size=2).map(blocks)
        case {"type": "record", "fields": fields}:
            return st.tuples(*(payloads_of(field["type"]) for field in fields)).map(b"".join)
        case list():
            branches = [payloads_of(branch).map((long(number)).__add__) for number, branch in enumerate(kind)]
            return st.one_of(branches)
        case _:
            raise AssertionError(kind)


def blocks(items: list[bytes]) -> bytes:
    """Half of them in a block that says its size."""
    first, second = items[: len(items) // 2], items[len(items) // 2 :]
    written = long(len(first)) + b"".join(first) if first else b""
    if second:
        content = b"".join(second)
        written += long(-len(second)) + long(len(content)) + content
    return written + b"\x00"


def compiled(**route: Any) -> Route:
    (made,) = compile_routes([RouteSettings.model_validate({"topics": ["t"], **route})], ValidationSettings())
    return made


def event_of(properties: Any) -> dict[str, Any]:
    return {"user": {"named_user_id": "u"}, "body": {"name": "n", "properties": properties}}


def texts_for(route: Route, schema: dict[str, Any]) -> AvroTexts:
    schemas = SchemaCache()
    schemas.found("id:7", usable(schema))
    assert route.straight is not None
    return AvroTexts(schemas, "confluent", route.straight.plan)


def short_way(route: Route, schema: dict[str, Any], payload: bytes) -> bytes | None:
    try:
        written = texts_for(route, schema).write([HEAD + payload], [StoredRecord(None, offset=9)])
    except NOT_STRAIGHT:
        return None
    return None if written is None else written[0]


def long_way(route: Route, schema: dict[str, Any], payload: bytes) -> Any:
    """The event, FILTERED, or None where it is rejected."""
    record = StoredRecord(None, offset=9)
    try:
        value = avro_value(usable(schema), payload)
        route.message.record, route.message.value = record, value
        if not route.applies(value):
            return FILTERED
        (event,) = route.events_of(value, record)
    except (DecodeError, MappingError):
        return None
    return event


def is_finite(value: Any) -> bool:
    match value:
        case dict():
            return all(map(is_finite, value.values()))
        case list():
            return all(map(is_finite, value))
        case float():
            return math.isfinite(value)
        case _:
            return True


def check(route: Route, schema: dict[str, Any], payload: bytes) -> str:
    found, expected = short_way(route, schema, payload), long_way(route, schema, payload)
    if found is None:
        return "not straight"
    if found == FILTERED:
        assert expected == FILTERED
        return "filtered"
    assert expected is not None, found
    assert is_finite(expected), found
    assert json.loads(found, parse_float=Decimal) == json.loads(json_bytes(expected), parse_float=Decimal)
    assert found == json_bytes(expected), "byte for byte, as nothing was JSON before"
    return "event"


@settings(max_examples=1_500, deadline=None)
@given(st.data(), st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), PROPERTIES, WHENS)
def test_what_is_written_straight_is_what_decoding_and_mapping_give(
    data: st.DataObject, kinds: list[Any], properties: dict[str, Any], when: str | None
) -> None:
    route = compiled(event=event_of(properties), when=when)
    if route.straight is None:
        return
    schema = fields_of(kinds)
    payload = data.draw(st.tuples(*map(payloads_of, kinds)).map(b"".join))
    seen(check(route, schema, payload))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("use", ["a", "a.a", "a[].a", "timestamp(a)", "x ${{ a }}", "length(a)"])
def test_each_use_of_each_kind(kind: Any, use: str) -> None:
    """Alone, and beside another use of the same field, which makes a value of it."""
    text = use if "${{" in use else f"${{{{ {use} }}}}"

    @settings(max_examples=12, deadline=None)
    @given(payloads_of(kind))
    def with_payloads(payload: bytes) -> None:
        schema = fields_of([kind])
        for properties in ({"p": text}, {"p": text, "q": "${{ a }}"}, {"p": text, "q": 1, "r": "${{ [a] }}"}):
            check(compiled(event=event_of(properties)), schema, payload)

    with_payloads()


ORDER = fields_of(["string", ["null", "string"], INNER, {"type": "array", "items": LINE}])
ROUTE: dict[str, Any] = {"event": event_of({"a": "${{ a }}", "b": "${{ b }}", "c": "${{ c.b }}", "d": "${{ d[].a }}"})}
PAYLOAD = text('a "quoted" text') + long(1) + text("b") + text("x") + long(-5) + blocks([text("l") + b"\x00" * 8] * 2)


def test_the_usual_is_straight() -> None:
    written = short_way(compiled(**ROUTE), ORDER, PAYLOAD)
    assert written is not None
    properties = json.loads(written)["body"]["properties"]
    assert properties == {"a": 'a "quoted" text', "b": "b", "c": -5, "d": ["l", "l"]}


@pytest.mark.parametrize("kind", [["null", "string"], ["string", "null"]])
def test_null_is_straight_too(kind: list[str]) -> None:
    null = long(kind.index("null"))
    for use in ("a", "a.a", "timestamp(a)", "a[].a"):
        assert check(compiled(event=event_of({"p": f"${{{{ {use} }}}}"})), fields_of([kind]), null) == "event"
    items = {"type": "array", "items": {**OPTIONAL_LINE, "fields": [{"name": "a", "type": kind}]}}
    route = compiled(event=event_of({"p": "${{ a[].a }}"}))
    assert check(route, fields_of([items]), blocks([null, long(kind.index("string")) + text("x")])) == "event"
    assert check(route, fields_of([["null", items]]), long(0)) == "event"


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(PAYLOAD)), st.binary(max_size=3), st.integers(0, 3))
@example(0, long(2**60), 1)
@example(1, b"\xff", 1)
def test_a_damaged_payload_gives_the_same_event_or_none(at: int, change: bytes, cut: int) -> None:
    damaged = PAYLOAD[:at] + change + PAYLOAD[at + cut :]
    route = compiled(**ROUTE)
    found = short_way(route, ORDER, damaged)
    accepts = Acceptance(ValidationSettings(), 1_000_000).at(NOW)
    if found is not None and accepts([found]):
        expected = long_way(route, ORDER, damaged)
        # The texts of what is stepped over (c.a here) are not looked at.
        assert expected is None or json.loads(found) == json.loads(json_bytes(expected))


def test_text_that_is_not_utf_8_is_not_accepted() -> None:
    payload = text("a") + PAYLOAD.removeprefix(text('a "quoted" text')).replace(text("b"), long(1) + b"\xff")
    found = short_way(compiled(**ROUTE), ORDER, payload)
    assert found is not None
    assert not Acceptance(ValidationSettings(), 1_000_000).at(NOW)([found])
    assert long_way(compiled(**ROUTE), ORDER, payload) is None


def test_a_time_outside_the_calendar_is_told_by_the_long_way() -> None:
    schema = fields_of([{"type": "long", "logicalType": "timestamp-millis"}])
    for use in ("a", "timestamp(a)"):
        route = compiled(event=event_of({"p": f"${{{{ {use} }}}}"}))
        assert check(route, schema, long(253_402_300_799_999)) == "event"
        assert check(route, schema, long(253_402_300_800_000)) == "not straight"
        assert check(route, schema, long(-62_135_596_800_000)) == "event"
        assert check(route, schema, long(-62_135_596_800_001)) == "not straight"


def test_what_is_compared_and_no_text_is_told_and_not_filtered() -> None:
    route = compiled(**ROUTE, when="c.a == 'paid'")
    assert check(route, ORDER, PAYLOAD) == "filtered"
    assert check(route, ORDER, PAYLOAD.replace(text("x"), long(1) + b"\xff")) == "not straight"


def records(count: int, headers: Headers | None = None) -> list[StoredRecord]:
    return [StoredRecord(None, offset=offset, headers=headers) for offset in range(count)]


def test_a_run_of_two_versions_of_a_schema_and_of_other_things() -> None:
    route = compiled(event=event_of({"a": "${{ a }}", "o": "${{ offset() }}"}))
    schemas = SchemaCache()
    schemas.found("id:7", usable(fields_of(["string"])))
    schemas.found("id:8", usable(fields_of(["string", "long"])))
    schemas.found("id:9", usable({"type": "array", "items": "null"}))
    assert route.straight is not None
    texts = AvroTexts(schemas, "confluent", route.straight.plan)
    old, new, other = HEAD + text("x"), b"\x00\x00\x00\x00\x08" + text("y") + long(3), b"\x00\x00\x00\x00\x09\x00"
    values = [old, new, None, b"", b"{}", b"\x00\x00", other, old]
    written = texts.write(values, records(len(values)))
    assert written is not None
    found = [None if each is None else json.loads(each)["body"]["properties"] for each in written]
    assert found == [{"a": "x", "o": 0}, {"a": "y", "o": 1}, *[None] * 5, {"a": "x", "o": 7}]
    assert texts.write(values, records(len(values), [("__value_schema_id", b"x")])) is None
    with pytest.raises(SchemaPending):
        texts.write([old, b"\x00\x00\x00\x00\x0a"], records(2))


def test_a_plan_of_literals_alone() -> None:
    assert check(compiled(event=event_of({"a": 1})), ORDER, PAYLOAD) == "event"
    assert check(compiled(event=event_of({"a": 1}), when="a == 'x'"), ORDER, PAYLOAD) == "filtered"
