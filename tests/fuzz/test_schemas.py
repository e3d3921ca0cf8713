"""Whatever a registry answers, and whatever the payload is then: a value or a refusal, within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connector.decode.avro_schema import avro_schema
from connector.decode.avro_values import avro_value
from connector.decode.registry import RegistryLookup
from connector.decode.schemas import AvroSchema, JsonSchema, SchemaUnknown, UnusableSchema
from connector.errors import DecodeError, RegistryUnavailable
from connector.settings import SchemaRegistrySettings
from tests.fuzz.spending import within_bytes
from tests.support.registry_stub import Fault, RegistryStub, registry_stub
from tests.unit.decode.avro_bytes import long

MIB = 1 << 20

names = st.sampled_from(["R", "S", "a.b.R", "", "1x", "int", "null", "record", "ü", "a..b"]) | st.text(max_size=5)
kinds = st.sampled_from(
    ["null", "int", "long", "string", "bytes", "float", "record", "enum", "fixed", "array", "map", "error", "R", "S"]
)
sizes = st.integers(-2, 20) | st.sampled_from([2**31, 2**62, 2**63, -(2**63), 10**30])
odd = st.none() | st.booleans() | sizes | st.floats() | st.text(max_size=5)
schemas = st.recursive(
    kinds | names | odd,
    lambda below: (
        st.lists(below, max_size=4)
        | st.fixed_dictionaries(
            {"type": kinds | below},
            optional={
                "name": names | odd,
                "namespace": names | odd,
                "fields": st.lists(st.fixed_dictionaries({"name": names, "type": below}) | below, max_size=4) | odd,
                "symbols": st.lists(names | odd, max_size=3) | odd,
                "items": below,
                "values": below,
                "size": sizes | odd,
                "logicalType": st.sampled_from(
                    ["decimal", "date", "uuid", "duration", "big-decimal", "timestamp-nanos", "x"]
                )
                | odd,
                "precision": sizes | odd,
                "scale": sizes | odd,
                "default": odd,
                "aliases": st.lists(names, max_size=2) | odd,
            },
        )
    ),
    max_leaves=10,
)
payloads = st.binary(max_size=40) | st.lists(
    st.integers(-3, 5).map(long) | st.sampled_from([long(2**62), long(-(2**63)), b"\x80", b"ab"]), max_size=16
).map(b"".join)


def tried(text: str, payload: bytes) -> None:
    schema = avro_schema(text)
    if isinstance(schema, UnusableSchema):
        assert schema.why
        assert len(schema.why) < 2000
        return
    with suppress(DecodeError):
        avro_value(schema, payload)


@settings(max_examples=200, deadline=None)
@given(schemas.map(json.dumps) | st.text(max_size=40), payloads)
@example('{"type": "fixed", "name": "F", "size": 4611686018427387904}', b"abc")
@example('{"type": "fixed", "name": "F", "size": -1}', b"abc")
@example('{"type": "bytes", "logicalType": "decimal", "precision": 1e400, "scale": -5}', long(1) + b"1")
@example('{"type": "enum", "name": "E", "symbols": []}', long(0))
@example("[]", b"")
@example('"R"', b"")
@example('{"type": {"type": {"type": "int"}}}', long(1))
@example("NaN", b"")
def test_any_schema_with_any_payload(text: str, payload: bytes) -> None:
    tried(text, payload)


def wide(fields: int) -> str:
    return json.dumps(
        {"type": "record", "name": "R", "fields": [{"name": f"f{n}", "type": "int"} for n in range(fields)]}
    )


LARGE = {
    "nested arrays": '{"type":"array","items":' * 20_000 + '"int"' + "}" * 20_000,
    "nested types": '{"type":' * 20_000 + '"int"' + "}" * 20_000,
    "nested unions": "[" * 20_000 + '"int"' + "]" * 20_000,
    "nested records": "".join(f'{{"type":"record","name":"R{n}","fields":[{{"name":"f","type":' for n in range(2000))
    + '"int"'
    + "}]}" * 2000,
    "a wide record": wide(2000),
    "a wide union": json.dumps([{"type": "fixed", "name": f"F{n}", "size": 1} for n in range(2000)]),
    "many symbols": json.dumps({"type": "enum", "name": "E", "symbols": [f"S{n}" for n in range(20_000)]}),
    "a long name": json.dumps({"type": "record", "name": "R" * 500_000, "fields": []}),
    "no JSON": "{" * 500_000,
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_schema_costs_memory_by_its_length(kind: str) -> None:
    text = LARGE[kind]
    within_bytes(8 * MIB + 60 * len(text), lambda: tried(text, b"\x02" * 100))


ARRAY_OF_INTS = '{"type": "array", "items": "int"}'
PAYLOADS = {
    "an absurd count": (ARRAY_OF_INTS, long(2**62) + b"\x02" * 100),
    "an absurd negative count": (ARRAY_OF_INTS, long(-(2**62)) + long(1) + b"\x02" * 100),
    "absurd counts of maps": ('{"type": "map", "values": "null"}', long(2**62) + long(0) * 100),
    "an absurd count of nulls": ('{"type": "array", "items": "null"}', long(2**62) + long(0)),
    "an absurd string": ('"string"', long(2**62) + b"x"),
    "a negative string": ('"string"', long(-(2**62)) + b"x"),
    "absurd bytes": ('"bytes"', long(2**40) + b"x"),
    "an absurd fixed": ('{"type": "fixed", "name": "F", "size": 1099511627776}', b"x"),
    "an absurd decimal": (
        '{"type": "bytes", "logicalType": "decimal", "precision": 9}',
        long(100_000) + b"\x7f" * 100_000,
    ),
    "a long integer": ('"long"', b"\xff" * 100_000),
    "many empty blocks": (ARRAY_OF_INTS, (long(-1) + long(1) + long(7)) * 30_000 + long(0)),
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_payload_costs_memory_by_its_length(kind: str) -> None:
    text, payload = PAYLOADS[kind]
    schema = avro_schema(text)
    assert isinstance(schema, AvroSchema)

    def read() -> Any:
        try:
            return avro_value(schema, payload)
        except DecodeError as refused:
            return refused

    within_bytes(16 * MIB + 64 * len(payload), read)


@pytest.fixture(scope="module")
def stub() -> Iterator[RegistryStub]:
    with registry_stub() as running:
        yield running


bodies = (
    st.binary(max_size=60)
    | st.recursive(
        odd, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below), max_leaves=6
    ).map(lambda told: json.dumps(told).encode())
    | st.fixed_dictionaries(
        {},
        optional={
            "schema": schemas.map(json.dumps) | odd,
            "schemaType": st.sampled_from(["AVRO", "JSON", "PROTOBUF", ""]) | odd,
            "references": st.lists(st.dictionaries(st.sampled_from(["name", "subject", "version"]), odd), max_size=3)
            | odd,
            "id": odd,
            "error_code": st.sampled_from([40401, 40402, 40403, 50001]) | odd,
            "message": odd,
        },
    ).map(lambda told: json.dumps(told).encode())
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([200, 200, 200, 404, 401, 500]),
    bodies,
    st.sampled_from(["id:7", "guid:00000000-0000-0000-0000-000000000000"]),
)
@example(200, b"[" * 3_000, "id:7")
@example(200, b'{"schema": "\\"int\\"", "references": [{"name": "x", "subject": null, "version": 1e400}]}', "id:7")
@example(404, b'{"error_code": [40403]}', "id:7")
@example(200, b'{"schema": "\\"int\\"", "schemaType": 7}', "id:7")
def test_whatever_a_registry_answers_is_a_schema_unknown_or_trouble(
    stub: RegistryStub, status: int, body: bytes, schema: str
) -> None:
    stub.fault = Fault(status, body)
    lookup = RegistryLookup(SchemaRegistrySettings(url=stub.url, timeout_ms=5000))
    try:
        found = lookup.fetch(schema)
    except RegistryUnavailable as trouble:
        assert len(str(trouble)) < 2000  # noqa: PT017
    else:
        assert isinstance(found, AvroSchema | JsonSchema | UnusableSchema | SchemaUnknown)
        assert not isinstance(found, SchemaUnknown) or status == 404
    finally:
        lookup.close()
