"""Names, references, and schemas that cannot be read with."""

from __future__ import annotations

import json

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from connector.decode.avro_resolve import resolve
from connector.decode.avro_schema import avro_schema, fingerprint_of
from connector.decode.avro_values import avro_value
from connector.decode.schemas import AvroSchema, UnusableSchema
from tests.unit.decode.avro_bytes import long, read, text, usable


def record(name: str, *fields: tuple[str, object], **more: object) -> dict[str, object]:
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields], **more}


CUSTOMER = record("Customer", ("id", "string"), ("home", record("Address", ("zip", "string"))), namespace="shop")


def test_a_reference_is_found_by_its_full_name():
    order = record(
        "Order", ("buyer", "Customer"), ("ship_to", "shop.Address"), ("old", ["null", "Customer"]), namespace="shop"
    )
    schema = usable(order, CUSTOMER)
    payload = text("c-1") + text("80202") + text("80203") + long(0)
    assert avro_value(schema, payload) == {
        "buyer": {"id": "c-1", "home": {"zip": "80202"}},
        "ship_to": {"zip": "80203"},
        "old": None,
    }


def test_references_of_references():
    inner = record("b.Inner", ("n", "int"))
    middle = record("b.Middle", ("inner", "Inner"))
    outer = record("a.Outer", ("middle", "b.Middle"), ("inner", "b.Inner"))
    assert avro_value(usable(outer, middle, inner), long(1) + long(2)) == {
        "middle": {"inner": {"n": 1}},
        "inner": {"n": 2},
    }


def test_a_referenced_enum_and_fixed():
    enum = {"type": "enum", "name": "s.State", "symbols": ["A", "B"]}
    fixed = {"type": "fixed", "name": "s.Id", "size": 1}
    outer = record(
        "s.R", ("a", "State"), ("b", ["null", "State"]), ("c", "Id"), ("d", {"type": "array", "items": "Id"})
    )
    payload = long(1) + long(1) + long(0) + b"x" + long(1) + b"y" + long(0)
    assert avro_value(usable(outer, enum, fixed), payload) == {"a": "B", "b": "A", "c": "eA==", "d": ["eQ=="]}


def test_a_name_without_a_namespace_is_the_last_resort():
    plain = record("Plain", ("n", "int"))
    outer = record("shop.Outer", ("p", "Plain"))
    assert avro_value(usable(outer, plain), long(3)) == {"p": {"n": 3}}


def test_an_empty_namespace_leaves_the_surrounding_one():
    outer = record("shop.Outer", ("a", {**record("Plain", ("n", "int")), "namespace": ""}), ("b", "Plain"))
    assert resolve(outer).named.keys() == {"shop.Outer", "Plain"}
    assert read(outer, long(1) + long(2)) == {"a": {"n": 1}, "b": {"n": 2}}


def test_a_type_within_a_type_is_unwrapped():
    assert read({"type": {"type": {"type": "string"}}}, text("x")) == "x"
    assert read(record("R", ("f", {"type": ["null", "string"]})), long(1) + text("x")) == {"f": "x"}


def test_old_schemas_are_read_as_they_are():
    """Defaults of the wrong type, symbols and names with hyphens: registries hold them."""
    schema = {
        "type": "record",
        "name": "old-name",
        "fields": [
            {"name": "a-b", "type": ["string", "null"], "default": None},
            {"name": "n", "type": "int", "default": "x", "aliases": "m", "order": "ignore"},
            {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["not-a-name"], "default": "other"}},
        ],
    }
    assert read(schema, long(1) + long(1) + long(0)) == {"a-b": None, "n": 1, "e": "not-a-name"}


def test_an_error_record_is_a_record():
    assert read({"type": "error", "name": "E", "fields": [{"name": "n", "type": "int"}]}, long(1)) == {"n": 1}


@pytest.mark.parametrize("schema_text", ['"string"', "string", ' "string" ', '{"type": "string"}'])
def test_a_primitive_schema_in_each_spelling(schema_text):
    schema = avro_schema(schema_text)
    assert isinstance(schema, AvroSchema)
    assert avro_value(schema, text("x")) == "x"


@pytest.mark.parametrize(
    "schema_text",
    [
        "",
        "not json",
        "{",
        "null null",
        "{}",
        "[[]]x",
        "3",
        '{"type": 3}',
        '"Unknown"',
        '{"type": "record", "name": "R"}',
        '{"type": "record", "fields": []}',
        '{"type": "record", "name": "R", "fields": {}}',
        '{"type": "record", "name": "R", "fields": [{"name": "a"}]}',
        '{"type": "record", "name": "R", "fields": [{"type": "int"}]}',
        '{"type": "record", "name": "R", "fields": [3]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}',
        '{"type": "record", "name": "R", "namespace": 3, "fields": []}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "S"}]}',
        '{"type": "enum", "name": "E"}',
        '{"type": "enum", "name": "E", "symbols": []}',
        '{"type": "enum", "name": "E", "symbols": [1]}',
        '{"type": "fixed", "name": "F"}',
        '{"type": "fixed", "name": "F", "size": -1}',
        '{"type": "fixed", "name": "F", "size": true}',
        '{"type": "array"}',
        '{"type": "map"}',
        '[{"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "F", "size": 2}]',
        '{"type":' * 100_000,
        '{"type": "array", "items":' * 300 + '"int"' + "}" * 300,
        '{"type":' * 300 + '"int"' + "}" * 300,
    ],
)
def test_a_schema_that_cannot_be_read_with_says_why(schema_text):
    schema = avro_schema(schema_text)
    assert isinstance(schema, UnusableSchema)
    assert schema.why.startswith("found ")
    assert len(schema.why) < 300


def test_a_broken_reference_says_why():
    assert isinstance(avro_schema('"string"', ["{"]), UnusableSchema)


def test_fingerprint_of_the_specification():
    """Avro's own test vectors for CRC-64-AVRO, in the order of the bytes in a single-object header."""
    assert fingerprint_of(resolve("null")) == (0x63DD24E7CC258F8A).to_bytes(8, "little").hex()
    assert fingerprint_of(resolve("string")) == (0x8F014872634503C7).to_bytes(8, "little").hex()
    bare = {
        "type": "record",
        "name": "foo",
        "doc": "x",
        "fields": [{"name": "f1", "type": {"type": "boolean"}, "default": True}],
    }
    assert fingerprint_of(resolve(bare)) == (0x6CD8EAF1C968A33B).to_bytes(8, "little").hex()


def test_fingerprint_is_fastavros_for_a_whole_schema():
    order = record(
        "Order",
        ("buyer", CUSTOMER),
        ("again", "shop.Address"),
        ("d", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}),
        namespace="shop",
        doc="x",
    )
    assert fingerprint_of(resolve(order)) == fingerprint(
        to_parsing_canonical_form(json.loads(json.dumps(order))), "CRC-64-AVRO"
    )
