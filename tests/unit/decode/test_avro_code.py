"""Code that is written for a schema: whatever it gives is what fastavro gives."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from fastavro.utils import generate_many
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bench.orders import ORDER_SCHEMA
from connector.decode.avro_code import UNUSUAL
from connector.decode.avro_schema import avro_schema
from connector.decode.avro_values import avro_value, value_by_fastavro
from connector.decode.schemas import AvroSchema
from connector.errors import DecodeError
from tests.unit.decode.avro_bytes import long, text, usable, written
from tests.unit.decode.test_decode_fuzz import payloads, schemas

ORDER = usable(ORDER_SCHEMA)


def same(left: Any, right: Any) -> bool:
    """Equal, with the same types, and NaN like NaN."""
    match left, right:
        case dict(), dict():
            return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
        case list(), list():
            return len(left) == len(right) and all(map(same, left, right))
        case float(), float():
            return (math.isnan(left) and math.isnan(right)) or left == right
        case _:
            return type(left) is type(right) and bool(left == right)


@settings(max_examples=800, deadline=2_000)
@given(schemas(), payloads)
@example({"type": "array", "items": {"type": "fixed", "name": "F", "size": 3}}, long(2**60) + b"abc")
@example({"type": "array", "items": "string"}, long(2**60) + long(-2) * 9)
@example({"type": "array", "items": "int"}, long(-(2**62)) + long(5))
@example("long", b"\xff" * 9 + b"\x01")
@example("long", b"\xff" * 9 + b"\x02")
@example("long", b"\x80" * 100_000 + b"\x00")
@example("string", long(-1))
@example("boolean", b"\x02")
@example(["null", "string"], long(-1))
def test_what_it_gives_is_what_fastavro_gives(schema: Any, payload: bytes) -> None:
    ready = avro_schema(json.dumps(schema))
    assert isinstance(ready, AvroSchema)
    assume(ready.code is not None)
    assert ready.code is not None
    try:
        value = ready.code(payload, 0)
    except UNUSUAL:
        return
    assert same(value, value_by_fastavro(ready, payload))


@settings(max_examples=400, deadline=2_000)
@given(schemas(), st.binary(max_size=3))
def test_whatever_a_writer_writes_is_read_without_fastavro(schema: Any, before: bytes) -> None:
    ready = avro_schema(json.dumps(schema))
    assert isinstance(ready, AvroSchema)
    assume(ready.code is not None)
    assert ready.code is not None
    plain = json.loads(json.dumps(schema).replace('"logicalType"', '"ignored"'))
    for value in generate_many(plain, 2):
        payload = written(plain, value)
        try:
            expected = value_by_fastavro(ready, payload)
        except DecodeError:
            continue  # a date outside the calendar, say
        assert same(ready.code(before + payload, len(before)), expected)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]},
        {"type": "array", "items": "null"},
        [{"type": "fixed", "name": f"F{number}", "size": 1} for number in range(65)],
        {"type": "record", "name": "W", "fields": [{"name": f"f{n}", "type": ["null", "string"]} for n in range(400)]},
    ],
)
def test_some_schemas_are_left_to_fastavro(schema: Any) -> None:
    assert usable(schema).code is None


def test_names_of_a_schema_are_no_code() -> None:
    name = "x': 1}\n    raise SystemExit\n#\\"
    schema = {"type": "record", "name": "R", "fields": [{"name": name, "type": "string"}]}
    ready = usable(schema)
    assert ready.code is not None
    assert ready.code(text("v"), 0) == {name: "v"}


def test_what_is_cut_off_is_told_by_fastavro() -> None:
    with pytest.raises(DecodeError, match="more bytes"):
        avro_value(ORDER, b"\x08abc")
