"""What a few bytes could make fastavro do, and that they cannot.

Without the walk, the recursive cases end the interpreter with a segmentation fault and the empty items never end.
"""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from connector.decode.avro_bounds import AVRO_DEPTH_MAX, EMPTY_ITEMS_MAX
from connector.errors import DecodeError
from tests.unit.decode.avro_bytes import long, read, text, usable

CHAIN = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}
TREE = {"type": "record", "name": "T", "fields": [{"name": "below", "type": {"type": "array", "items": "T"}}]}
MAPS = {"type": "record", "name": "M", "fields": [{"name": "below", "type": {"type": "map", "values": "M"}}]}
ENDLESS = {"type": "record", "name": "E", "fields": [{"name": "self", "type": "E"}]}
PAIR = {
    "type": "record",
    "name": "A",
    "fields": [
        {
            "name": "b",
            "type": ["null", {"type": "record", "name": "B", "fields": [{"name": "a", "type": ["null", "A"]}]}],
        },
        {"name": "b2", "type": ["null", "B"]},
    ],
}


def refusal(schema: object, payload: bytes) -> str:
    with pytest.raises(DecodeError) as refused:
        read(schema, payload)
    return refused.value.reason


@pytest.mark.parametrize("levels", [AVRO_DEPTH_MAX, 1_000, 5_000, 1_000_000])
def test_recursion_is_bounded(levels):
    assert refusal(CHAIN, long(1) * levels + long(0)) == "too_deep"
    assert refusal(CHAIN, long(1) * levels) == "too_deep"
    assert refusal(TREE, long(1) * levels) == "too_deep"
    assert refusal(MAPS, (long(1) + text("k")) * levels) == "too_deep"
    assert refusal(PAIR, long(1) * levels) == "too_deep"


def test_recursion_up_to_the_limit_is_read():
    value = read(CHAIN, long(1) * (AVRO_DEPTH_MAX - 1) + long(0))
    depth = 0
    while value is not None:
        value = value["next"]
        depth += 1
    assert depth == AVRO_DEPTH_MAX


def test_a_record_that_cannot_end():
    assert refusal(ENDLESS, b"") == "too_deep"


def test_a_wide_tree_is_read():
    leaf = long(0)
    payload = long(1000) + leaf * 1000 + long(0)
    assert len(read(TREE, payload)["below"]) == 1000


EMPTY_RECORD = {"type": "record", "name": "Nothing", "fields": [{"name": "n", "type": "null"}]}


@pytest.mark.parametrize("items", ["null", EMPTY_RECORD, {"type": "fixed", "name": "F", "size": 0}])
def test_items_without_bytes_are_bounded(items):
    schema = {"type": "array", "items": items}
    started = time.process_time()
    assert refusal(schema, long(2**62) + long(0)) == "not_avro"
    assert refusal(schema, long(-(2**62)) + long(0) + long(0)) == "not_avro"
    assert refusal(schema, (long(EMPTY_ITEMS_MAX // 2)) * 3 + long(0)) == "not_avro"
    assert time.process_time() - started < 5
    assert len(read(schema, long(EMPTY_ITEMS_MAX) + long(0))) == EMPTY_ITEMS_MAX


def test_items_without_bytes_are_counted_over_all_arrays():
    """A thousand bytes of arrays, each of them within the limit."""
    schema = {"type": "array", "items": {"type": "array", "items": "null"}}
    assert refusal(schema, long(1000) + (long(EMPTY_ITEMS_MAX // 2) + long(0)) * 1000 + long(0)) == "not_avro"


def test_an_array_of_maps_of_nulls_is_bounded_by_its_bytes():
    schema = {"type": "array", "items": {"type": "map", "values": "null"}}
    assert usable(schema).bounds is None
    assert refusal(schema, long(2**62) + long(2**62)) == "truncated"


@pytest.mark.parametrize(
    ("schema", "walked"),
    [
        ("string", False),
        ({"type": "array", "items": "int"}, False),
        ({"type": "array", "items": ["null", "string"]}, False),
        ({"type": "map", "values": "null"}, False),
        ({"type": "array", "items": "null"}, True),
        ({"type": "map", "values": {"type": "array", "items": "null"}}, True),
        (CHAIN, True),
        (TREE, True),
        (PAIR, True),
        # a type that is used twice does not refer to itself
        (
            {
                "type": "record",
                "name": "R",
                "fields": [
                    {"name": "a", "type": {"type": "record", "name": "S", "fields": [{"name": "x", "type": "int"}]}},
                    {"name": "b", "type": {"type": "array", "items": "S"}},
                ],
            },
            False,
        ),
        # hazard inside a type that was used before
        (
            {
                "type": "record",
                "name": "R",
                "fields": [
                    {"name": "a", "type": {"type": "record", "name": "S", "fields": []}},
                    {"name": "b", "type": {"type": "array", "items": "S"}},
                ],
            },
            True,
        ),
    ],
)
def test_only_schemas_that_need_it_are_walked(schema, walked):
    assert (usable(schema).bounds is not None) is walked


def test_the_walk_refuses_what_does_not_fit():
    items = {"type": "record", "name": "R", "fields": [
        {"name": "next", "type": ["null", "R"]},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A"]}},
        {"name": "d", "type": "double"}, {"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}},
        {"name": "s", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ]}  # fmt: skip
    good = long(0) + long(0) + bytes(8) + b"ab" + text("s") + long(5)
    assert read(items, good)["t"] == "1970-01-01T00:00:00.005Z"
    assert refusal(items, good[:-1]) == "truncated"
    assert refusal(items, good + b"\x00") == "trailing_bytes"
    assert refusal(items, long(-1) + good[1:]) == "not_avro"
    assert refusal(items, long(2) + good[1:]) == "not_avro"
    assert refusal(items, long(0) + long(1) + good[2:]) == "not_avro"
    assert refusal(items, long(0) + long(0) + bytes(10) + long(-1)) == "not_avro"
    assert refusal(items, b"\x80" * 11 + good) == "not_avro"
    assert refusal(items, b"\x80") == "truncated"


def test_types_that_use_each_other_are_as_deep_as_all_of_them():
    """No type refers to itself, and each alone is shallow; together they are deeper than the limit."""

    def nested(levels: int, innermost: object) -> object:
        for _ in range(levels):
            innermost = {"type": "array", "items": innermost}
        return innermost

    fields = []
    for number in range(4):
        inner = nested(60, f"T{number - 1}" if number else "int")
        fields.append(
            {
                "name": f"f{number}",
                "type": {"type": "record", "name": f"T{number}", "fields": [{"name": "x", "type": inner}]},
            }
        )
    schema = {"type": "record", "name": "R", "fields": fields}
    assert usable(schema).bounds is not None
    assert refusal(schema, long(0) * 3 + long(1) * 400) == "too_deep"
    assert usable({**schema, "fields": fields[:1]}).bounds is None


def test_records_count_as_levels():
    names = ["int", *(f"T{number}" for number in range(AVRO_DEPTH_MAX))]
    fields = [
        {"name": name, "type": {"type": "record", "name": name, "fields": [{"name": "x", "type": before}]}}
        for before, name in pairwise(names)
    ]
    assert usable({"type": "record", "name": "R", "fields": fields}).bounds is not None
    assert usable({"type": "record", "name": "R", "fields": fields[:-1]}).bounds is None


def test_a_fixed_without_bytes_that_is_used_by_its_name():
    empty = {"type": "fixed", "name": "F", "size": 0}
    fields = [{"name": "f", "type": empty}, {"name": "many", "type": {"type": "array", "items": "F"}}]
    schema = {"type": "record", "name": "R", "fields": fields}
    assert refusal(schema, long(2**62)) == "not_avro"


def doubling(levels: int, innermost: object) -> object:
    """A record of two fields of a record of two fields, and so on: 2^levels records."""
    schema: object = {"type": "record", "name": "R0", "fields": [{"name": "x", "type": innermost}]}
    for number in range(1, levels):
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": f"R{number - 1}"}]
        schema = {"type": "record", "name": f"R{number}", "fields": fields}
    return schema


@pytest.mark.parametrize("levels", [20, 60, AVRO_DEPTH_MAX - 1])
def test_records_that_double_without_bytes_are_bounded(levels):
    schema = doubling(levels, "null")
    assert refusal(schema, b"") == "not_avro"
    assert refusal({"type": "array", "items": ["null", schema]}, long(1) * 200) == "not_avro"
    assert refusal({"type": "map", "values": schema}, (long(1) + text("k")) * 50) == "not_avro"


def test_records_that_double_with_bytes_are_bounded_by_them():
    assert usable(doubling(12, "int")).bounds is None
    assert refusal(doubling(60, "int"), long(1) * 200) == "truncated"
    assert read(doubling(3, "int"), long(1) * 4)["b"]["a"] == {"x": 1}


def test_a_few_records_without_bytes_in_many_items_need_a_walk():
    fields = [{"name": f"f{number}", "type": "null"} for number in range(20)]
    items = {"type": "record", "name": "R", "fields": [*fields, {"name": "n", "type": "int"}]}
    assert usable(items).bounds is None
    assert usable({"type": "array", "items": items}).bounds is not None
    assert len(read({"type": "array", "items": items}, long(3) + long(7) * 3 + long(0))) == 3
