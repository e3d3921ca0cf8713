"""Avro to plain values: each type, each logical type, each way to be wrong."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.decode.avro_logical import DECIMAL_BYTES_MAX
from connector.errors import DecodeError
from tests.unit.decode.avro_bytes import long, read, text, written


def logical(avro_type: str, name: str, **more: object) -> dict[str, object]:
    return {"type": avro_type, "logicalType": name, **more}


def fixed(size: int, name: str | None = None, **more: object) -> dict[str, object]:
    return {"type": "fixed", "name": "F", "size": size, **({"logicalType": name} if name else {}), **more}


MILLIS = 1_704_164_645_678  # 2024-01-02T03:04:05.678Z


@pytest.mark.parametrize(
    ("schema", "payload", "value"),
    [
        ("null", b"", None),
        ("boolean", b"\x01", True),
        ("int", long(-3), -3),
        ("long", long(-(2**63)), -(2**63)),
        ("double", struct.pack("<d", 239.85), 239.85),
        ("string", text("é😀"), "é😀"),
        ("bytes", long(3) + b"\x00\xff\x10", "AP8Q"),
        ("bytes", long(0), ""),
        (fixed(2), b"\xff\xfe", "//4="),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, long(1), "B"),
        ({"type": "array", "items": "int"}, long(2) + long(1) + long(2) + long(0), [1, 2]),
        ({"type": "array", "items": "int"}, long(-2) + long(2) + long(1) + long(2) + long(0), [1, 2]),
        ({"type": "array", "items": "int"}, long(1) + long(1) + long(1) + long(2) + long(0), [1, 2]),
        ({"type": "map", "values": "int"}, long(1) + text("k") + long(5) + long(0), {"k": 5}),
        ({"type": "map", "values": "int"}, long(2) + text("k") + long(5) + text("k") + long(6) + long(0), {"k": 6}),
        (["null", "string"], long(0), None),
        (["null", "string"], long(1) + text("x"), "x"),
        (["int", "string", "null"], long(2), None),
        (logical("int", "date"), long(19_000), "2022-01-08"),
        (logical("int", "date"), long(-719_162), "0001-01-01"),
        (logical("int", "time-millis"), long(3_723_004), "01:02:03.004"),
        (logical("int", "time-millis"), long(0), "00:00:00"),
        (logical("long", "time-micros"), long(86_399_999_999), "23:59:59.999999"),
        (logical("long", "timestamp-millis"), long(MILLIS), "2024-01-02T03:04:05.678Z"),
        (logical("long", "timestamp-millis"), long(MILLIS - 678), "2024-01-02T03:04:05Z"),
        (logical("long", "timestamp-millis"), long(-1), "1969-12-31T23:59:59.999Z"),
        (logical("long", "timestamp-micros"), long(MILLIS * 1000 + 9), "2024-01-02T03:04:05.678009Z"),
        (logical("long", "timestamp-nanos"), long(MILLIS * 10**6 + 9), "2024-01-02T03:04:05.678000009Z"),
        (logical("long", "local-timestamp-millis"), long(MILLIS), "2024-01-02T03:04:05.678"),
        (logical("long", "local-timestamp-micros"), long(MILLIS * 1000), "2024-01-02T03:04:05.678000"),
        (logical("long", "local-timestamp-nanos"), long(MILLIS * 10**6 - 678 * 10**6), "2024-01-02T03:04:05"),
        (
            logical("string", "uuid"),
            text("89791762-2336-4186-9674-299B90A802E2"),
            "89791762-2336-4186-9674-299B90A802E2",
        ),
        (fixed(16, "uuid"), UUID(int=7).bytes, "00000000-0000-0000-0000-000000000007"),
        (fixed(12, "duration"), struct.pack("<III", 1, 2, 3_004), "P1M2DT3.004S"),
        (fixed(12, "duration"), b"\xff" * 12, "P4294967295M4294967295DT4294967.295S"),
        (["null", logical("long", "timestamp-millis")], long(1) + long(0), "1970-01-01T00:00:00Z"),
        (
            {"type": "map", "values": logical("int", "date")},
            long(1) + text("k") + long(0) + long(0),
            {"k": "1970-01-01"},
        ),
    ],
)
def test_value_of_each_type(schema, payload, value):
    got = read(schema, payload)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("schema", "unscaled", "value"),
    [
        (logical("bytes", "decimal", precision=12, scale=2), 23985, "239.85"),
        (logical("bytes", "decimal", precision=12, scale=2), -1, "-0.01"),
        (logical("bytes", "decimal", precision=12, scale=2), 100, "1.00"),
        (logical("bytes", "decimal", precision=4), 7, "7"),
        # beyond the declared precision: nothing is rounded
        (logical("bytes", "decimal", precision=4, scale=2), 2**31 - 1, "21474836.47"),
        (logical("bytes", "decimal", precision=60, scale=30), 10**59 - 1, "9" * 29 + "." + "9" * 30),
        # a precision that says nothing of the value's own digits
        (logical("bytes", "decimal", precision=10**9, scale=1), 12, "1.2"),
    ],
)
def test_decimals_keep_every_digit(schema, unscaled, value):
    raw = unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)
    got = read(schema, long(len(raw)) + raw)
    assert isinstance(got, Decimal)
    assert str(got) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**30), max_value=10**30))
def test_any_decimal_is_exact(number):
    schema = logical("bytes", "decimal", precision=64, scale=6)
    assert read(schema, written(schema, number)) == number


def test_decimal_in_a_fixed():
    schema = fixed(8, "decimal", precision=10, scale=3)
    assert read(schema, written(schema, Decimal("-12.345"))) == Decimal("-12.345")


def test_empty_decimal_is_zero():
    assert read(logical("bytes", "decimal", precision=4, scale=2), long(0)) == 0


@pytest.mark.parametrize(("unscaled", "scale", "value"), [(12345, 2, "123.45"), (-1, 0, "-1"), (5, -3, "5E+3")])
def test_big_decimal_carries_its_scale(unscaled, scale, value):
    raw = unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)
    inner = long(len(raw)) + raw + long(scale)
    assert str(read(logical("bytes", "big-decimal"), long(len(inner)) + inner)) == value


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        long(1),
        long(1) + b"\x01",
        long(1) + b"\x01" + long(2) + b"x",
        long(-1) + long(0),
        long(2) + b"\x01" + long(0),
        long(1) + b"\x01" + long(10**9),
    ],
)
def test_malformed_big_decimal(inner):
    with pytest.raises(DecodeError) as refused:
        read(logical("bytes", "big-decimal"), long(len(inner)) + inner)
    assert refused.value.reason == "not_avro"


@pytest.mark.parametrize(
    ("schema", "payload", "value"),
    [
        # not valid as the specification has it: the logical type is ignored, the value stays
        (logical("bytes", "decimal"), long(1) + b"\x07", "Bw=="),
        (logical("bytes", "decimal", precision=2, scale=3), long(1) + b"\x07", "Bw=="),
        (logical("bytes", "decimal", precision=10**6, scale=10**6), long(1) + b"\x07", "Bw=="),
        (logical("int", "timestamp-millis"), long(5), 5),
        (logical("string", "no-such-type"), text("x"), "x"),
        (logical("int", "enum"), long(1), 1),
        (logical("bytes", "base64"), long(1) + b"\x07", "Bw=="),
        (fixed(3, "uuid"), b"abc", "YWJj"),
        (fixed(3, "duration"), b"abc", "YWJj"),
        (logical("string", "uuid"), text("no uuid"), "no uuid"),
    ],
)
def test_logical_types_that_do_not_apply_are_ignored(schema, payload, value):
    assert read(schema, payload) == value


@pytest.mark.parametrize("number", [239.85, 0.1, 1 / 3, 1e-45, 3.4028234663852886e38, -0.0, 16777216.0, 1e10])
def test_a_float_is_the_shortest_decimal_of_the_same_32_bits(number):
    payload = struct.pack("<f", number)
    got = read("float", payload)
    assert struct.pack("<f", got) == payload


def test_a_float_reads_as_people_wrote_it():
    assert read("float", struct.pack("<f", 239.85)) == 239.85
    assert msgspec.json.encode(read("float", struct.pack("<f", 19.99))) == b"19.99"


@given(st.floats(width=32))
def test_any_float_keeps_its_bits(number):
    payload = struct.pack("<f", number)
    got = read("float", payload)
    assert (math.isnan(got) and math.isnan(number)) or struct.pack("<f", got) == payload


ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}, "default": "NEW"},
        {"name": "total", "type": logical("bytes", "decimal", precision=12, scale=2)},
        {"name": "previous", "type": "State"},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [
                        {"name": "sku", "type": ["null", "string"]},
                        {"name": "at", "type": logical("int", "date")},
                    ],
                },
            },
        },
        {"name": "gift", "type": ["null", "Line"]},
        {"name": "tags", "type": {"type": "map", "values": ["int", "string"]}},
    ],
}


def test_nested_records_arrays_maps_and_names_used_twice():
    payload = (
        text("o-1") + long(1) + long(2) + b"\x5d\xb1" + long(0)
        + long(1) + long(1) + text("sku-1") + long(1) + long(0)
        + long(1) + long(0) + long(2)
        + long(2) + text("a") + long(0) + long(7) + text("b") + long(1) + text("x") + long(0)
    )  # fmt: skip
    assert read(ORDER, payload) == {
        "id": "o-1",
        "state": "PAID",
        "total": Decimal("239.85"),
        "previous": "NEW",
        "lines": [{"sku": "sku-1", "at": "1970-01-02"}],
        "gift": {"sku": None, "at": "1970-01-03"},
        "tags": {"a": 7, "b": "x"},
    }


@pytest.mark.parametrize(
    ("schema", "payload", "reason"),
    [
        ("string", b"", "truncated"),
        ("string", long(5) + b"abc", "truncated"),
        ("string", long(-5) + b"hello", "truncated"),
        ("string", long(2**62) + b"hello", "truncated"),
        ("bytes", long(2**40), "truncated"),
        ("long", b"\x80", "truncated"),
        ("boolean", b"", "truncated"),
        ("float", b"abc", "truncated"),
        ("double", b"abc", "truncated"),
        (fixed(8), b"abc", "truncated"),
        ({"type": "array", "items": "int"}, long(2**62) + long(1), "truncated"),
        ({"type": "array", "items": "int"}, long(-(2**63)), "truncated"),
        ({"type": "map", "values": "int"}, long(2**62) + text("k") + long(1), "truncated"),
        (["null", "string"], long(1), "truncated"),
        ("string", long(2) + b"\xff\xfe", "not_avro"),
        ("string", long(3) + b"\xed\xa0\x80", "not_avro"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, long(2), "not_avro"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, long(-1), "not_avro"),
        (["null", "string"], long(2), "not_avro"),
        (["null", "string"], long(2**40), "not_avro"),
        (logical("int", "date"), long(2**30), "not_avro"),
        (logical("int", "date"), long(-(2**31)), "not_avro"),
        (logical("int", "time-millis"), long(-1), "not_avro"),
        (logical("int", "time-millis"), long(86_400_000), "not_avro"),
        (logical("long", "timestamp-millis"), long(2**62), "not_avro"),
        (logical("long", "timestamp-micros"), long(-(2**63)), "not_avro"),
        (
            logical("bytes", "decimal", precision=4),
            long(DECIMAL_BYTES_MAX + 1) + bytes(DECIMAL_BYTES_MAX + 1),
            "not_avro",
        ),
        ("int", long(1) + b"\x00", "trailing_bytes"),
        ("null", b"\x00", "trailing_bytes"),
        ("string", text("x") + text("y"), "trailing_bytes"),
    ],
)
def test_each_kind_of_wrong_has_its_reason(schema, payload, reason):
    with pytest.raises(DecodeError) as refused:
        read(schema, payload)
    assert refused.value.reason == reason


def test_a_fault_names_the_field_and_not_the_content():
    schema = {
        "type": "record",
        "name": "shop.Order",
        "fields": [{"name": "lines", "type": {"type": "array", "items": logical("int", "date")}}],
    }
    with pytest.raises(DecodeError) as refused:
        read(schema, long(1) + long(2**31 - 1) + long(0))
    assert refused.value.faults[0].field == "shop.Order.lines[]"
    with pytest.raises(DecodeError) as refused:
        read("string", long(20) + b"hugh.manbeing")
    assert "hugh" not in str(refused.value)
