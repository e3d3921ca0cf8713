"""Any bytes at all: a value or a DecodeError, never another exception, never unbounded work.

Run longer with `--hypothesis-profile` settings of your own; what once broke is kept as `@example`.
"""

from __future__ import annotations

import io
import json
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from connector.core.records import Reason
from connector.decode.avro_bounds import Bounds
from connector.decode.avro_resolve import resolve
from connector.decode.avro_schema import avro_schema
from connector.decode.avro_values import avro_value
from connector.decode.decoder import Decoder
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import AvroSchema, JsonSchema, UnusableSchema
from connector.errors import DecodeError, SchemaPending
from tests.unit.decode.avro_bytes import long
from tests.unit.decode.source_record import Record

FORMATS = ["auto", "json", "avro"]
FRAMINGS = ["confluent", "apicurio-8-byte"]
REASONS = set(get_args(Reason))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
to_json = msgspec.json.Encoder(decimal_format="number").encode
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3},
    {"type": "bytes", "logicalType": "big-decimal"},
]
PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string", *LOGICAL]


@st.composite
def schemas(draw: st.DrawFn) -> Any:
    """Any schema: nested, recursive, with named types used twice."""
    names: list[str] = []

    def build(depth: int) -> Any:
        kinds = ["primitive", "name", "enum", "fixed", "array", "map", "union", "record"]
        kind = draw(st.sampled_from(kinds if depth else kinds[:4]))
        name = f"T{len(names)}"
        match kind:
            case "name" if names:
                return draw(st.sampled_from(names))
            case "enum":
                names.append(name)
                return {"type": "enum", "name": name, "symbols": ["A", "B", "C"][: draw(st.integers(1, 3))]}
            case "fixed":
                names.append(name)
                logical, size = draw(st.sampled_from([("", 0), ("", 3), ("uuid", 16), ("duration", 12)]))
                return {"type": "fixed", "name": name, "size": size, "logicalType": logical}
            case "array":
                return {"type": "array", "items": build(depth - 1)}
            case "map":
                return {"type": "map", "values": build(depth - 1)}
            case "union":
                branches: list[Any] = []
                for _ in range(draw(st.integers(1, 3))):
                    below = build(depth - 1)
                    branches += below if isinstance(below, list) else [below]
                return branches
            case "record":
                names.append(name)
                fields = [{"name": f"f{i}", "type": build(depth - 1)} for i in range(draw(st.integers(0, 3)))]
                return {"type": "record", "name": name, "fields": fields}
            case _:
                return draw(st.sampled_from(PRIMITIVES))

    return build(3)


payloads = st.binary(max_size=64) | st.lists(
    st.integers(-3, 5).map(long)
    | st.sampled_from([long(2**62), long(-(2**63)), b"\x80", b"ab"])
    | st.binary(max_size=3),
    max_size=24,
).map(b"".join)


@settings(max_examples=600, deadline=2_000)
@given(schemas(), payloads)
@example({"type": "array", "items": "null"}, long(2**62))
@example({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}, b"\x02" * 60)
@example(["null", "string"], long(7))
def test_any_bytes_with_any_schema(schema, payload):
    ready = avro_schema(json.dumps(schema))
    assert isinstance(ready, AvroSchema)
    try:
        value = avro_value(ready, payload)
    except DecodeError as refused:
        _check(refused)
    else:
        assert to_json(value)


@settings(max_examples=600, deadline=2_000)
@given(schemas(), payloads)
def test_the_walk_agrees_with_the_reader(schema, payload):
    """Where both can read, both stop at the same byte; what the walk refuses as cut off, the reader refuses too."""
    ready = avro_schema(json.dumps(schema))
    assert isinstance(ready, AvroSchema)
    assume(ready.bounds is None)
    resolved = resolve(schema)
    walk = Bounds(resolved.schema, resolved.named)
    try:
        avro_value(ready, payload)
    except DecodeError as refused:
        if refused.reason == "truncated":
            assert _walked(walk, payload) in {"truncated", "not_avro"}
    else:
        # fastavro takes negative branches of a union and integers of more than 64 bits as they come, and a block of
        # -2^63 items, whose number has no positive one in 64 bits, as an empty one.
        assume(long(-(2**63)) not in payload)
        assert _walked(walk, payload) in {len(payload), "not_avro"}


def _walked(walk: Bounds, payload: bytes) -> int | str:
    """Where the value ends, or the reason of a refusal."""
    try:
        return walk.check(payload)
    except DecodeError as refused:
        return refused.reason


@st.composite
def schemas_with_values(draw: st.DrawFn) -> tuple[Any, Any]:
    def build(depth: int) -> tuple[Any, st.SearchStrategy[Any]]:
        leaves: list[tuple[Any, st.SearchStrategy[Any]]] = [
            ("null", st.none()),
            ("boolean", st.booleans()),
            ("int", st.integers(-(2**31), 2**31 - 1)),
            ("long", st.integers(-(2**63), 2**63 - 1)),
            ("double", st.floats(allow_nan=False)),
            ("string", st.text(st.characters(exclude_categories=["Cs"]))),
            (LOGICAL[6], st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: Decimal(n).scaleb(-3))),
            (LOGICAL[3], st.integers(-(10**12), 10**13).map(lambda n: EPOCH + timedelta(milliseconds=n))),
        ]  # fmt: skip
        if not depth or draw(st.booleans()):
            return draw(st.sampled_from(leaves))
        below, value = build(depth - 1)
        match draw(st.sampled_from(["array", "map", "record"])):
            case "array":
                return {"type": "array", "items": below}, st.lists(value, max_size=4)
            case "map":
                return {"type": "map", "values": below}, st.dictionaries(st.text("abc"), value, max_size=4)
            case _:
                other, other_value = build(depth - 1)
                name = f"R{draw(st.integers(0, 10**9))}"
                fields = [{"name": "a", "type": below}, {"name": "b", "type": other}]
                return {"type": "record", "name": name, "fields": fields}, st.fixed_dictionaries(
                    {"a": value, "b": other_value}
                )

    schema, value = build(3)
    return schema, draw(value)


def _plain(value: Any) -> Any:
    """The documented form of what fastavro itself reads."""
    match value:
        case datetime():
            milliseconds = value.microsecond // 1000
            fraction = f".{milliseconds:03}" if milliseconds else ""
            return value.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
        case dict():
            return {key: _plain(below) for key, below in value.items()}
        case list():
            return [_plain(below) for below in value]
        case _:
            return value


@settings(max_examples=300, deadline=2_000)
@given(schemas_with_values())
def test_what_fastavro_writes_is_read_as_fastavro_reads_it(schema_and_value):
    schema, value = schema_and_value
    try:
        parsed = parse_schema(schema)
    except SchemaParseException:  # two records drew one name
        assume(False)
    out = io.BytesIO()
    schemaless_writer(out, parsed, value)
    payload = out.getvalue()
    ready = avro_schema(json.dumps(schema))
    assert isinstance(ready, AvroSchema)
    got = avro_value(ready, payload)
    assert got == _plain(schemaless_reader(io.BytesIO(payload), parsed, None))


def _decoder(format: Any, framing: Any) -> Decoder:  # noqa: A002
    cache = SchemaCache()
    order = avro_schema(
        '{"type":"record","name":"R","fields":[{"name":"s","type":"string"},{"name":"n","type":["null","R"]}]}'
    )
    cache.found("id:0", order)
    cache.found("id:1", JsonSchema())
    cache.found("id:2", UnusableSchema("Protobuf"))
    cache.found("fingerprint:0000000000000000", order)
    cache.found("glue:00000000-0000-0000-0000-000000000000", JsonSchema())
    cache.found("guid:00000000-0000-0000-0000-000000000000", order)
    return Decoder(format, framing, cache)


frames = st.sampled_from(
    [
        b"",
        bytes(5),
        bytes(4) + b"\x01",
        bytes(4) + b"\x02",
        bytes(9),
        b"\xc3\x01" + bytes(8),
        b"\x03\x00" + bytes(16),
        b"\x03\x05" + bytes(16),
    ]
)
bodies = (
    st.binary(max_size=40)
    | st.binary(max_size=40).map(zlib.compress)
    | st.text().map(str.encode)
    | st.sampled_from([b"{}", b"[1, 2", b'{"a": 1e999}', b"[" * 5000])
)
headers = st.none() | st.lists(
    st.tuples(
        st.sampled_from(["__value_schema_id", "other"]),
        st.sampled_from([None, b"", b"\x01" + bytes(16), b"\x00" + bytes(4)]) | st.binary(max_size=18),
    )
)


@settings(max_examples=1_000, deadline=2_000)
@given(st.sampled_from(FORMATS), st.sampled_from(FRAMINGS), frames, bodies, headers)
def test_any_record_on_any_route(format, framing, frame, body, sent_headers):  # noqa: A002
    decoder = _decoder(format, framing)
    record = Record(frame + body, sent_headers)
    try:
        payload = decoder.json_payload(record)
    except (DecodeError, SchemaPending) as refused:
        payload_outcome: Any = type(refused)
    else:
        payload_outcome = payload
    try:
        decoded = decoder.decode(record)
    except DecodeError as refused:
        _check(refused)
        assert payload_outcome is not SchemaPending
    except SchemaPending:
        assert payload_outcome is SchemaPending or format == "avro"
    else:
        json_text = to_json(decoded.value)
        if isinstance(payload_outcome, bytes):
            assert to_json(msgspec.json.decode(payload_outcome)) == json_text


def _check(refused: DecodeError) -> None:
    assert refused.reason in REASONS
    assert refused.faults
