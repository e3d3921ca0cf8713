"""Whole records through the intake: each ends in exactly one place, with memory by its length, whatever is in it."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.records import PreparedRun
from connector.decode.avro_schema import avro_schema
from connector.decode.framing import UNPACKED_BYTES_MAX
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import JsonSchema
from connector.intake import Intake
from connector.settings import Settings
from tests.fuzz.spending import within_bytes
from tests.unit.core.records import FakeRecord
from tests.unit.decode.avro_bytes import long

NOW = 1_790_000_000.0
MIB = 1 << 20
ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
        {"name": "lines", "type": {"type": "array", "items": ["null", "string", "Order"]}},
        {"name": "tags", "type": {"type": "map", "values": ["null", "double"]}},
    ],
}
ROUTES: dict[str, dict[str, Any]] = {
    "as it is": {"topics": ["orders"]},
    "mapped": {
        "topics": ["orders"],
        "when": "id != 'skip'",
        "ordering_key": "id",
        "event": {
            "user": {"named_user_id": "${{ id }}"},
            "body": {
                "name": "paid",
                "value": "${{ total }}",
                "properties": {"lines": "${{ lines }}", "t": "a ${{ tags }}"},
            },
        },
    },
    "each line": {
        "topics": ["orders"],
        "for_each": "lines",
        "event": {"user": {"named_user_id": "${{ message.id }}"}, "body": {"name": "line", "value": "${{ total }}"}},
    },
}


def intake(route: str) -> Intake:
    cache = SchemaCache()
    cache.found("id:1", avro_schema(json.dumps(ORDER)))
    cache.found("id:2", JsonSchema())
    document = {
        "kafka": {"bootstrap_servers": "b:1", "group_id": "g"},
        "airship": {"app_key": "A" * 22, "auth": {"bearer_token": "t"}},
        "routes": [ROUTES[route]],
    }
    return Intake(Settings.model_validate(document), cache)


INTAKES = {route: intake(route) for route in ROUTES}


def order(identity: str, lines: list[Any], tags: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(ORDER), {"id": identity, "total": b"\x05", "lines": lines, "tags": tags}
    )
    return b"\x00\x00\x00\x00\x01" + out.getvalue()


def prepared(route: str, values: list[bytes | None]) -> PreparedRun:
    """What became of them, with each in exactly one place."""
    records = [FakeRecord(at, b"k", value) for at, value in enumerate(values)]
    run = INTAKES[route].prepare("orders", records, NOW)
    places = [{entry[0] for entry in run.entries}, {offset for offset, _ in run.skipped}]
    places += [{reject.record.offset() for reject in run.rejects}, {record.offset() for record in run.rest}]
    assert sum(map(len, places)) == len(records)
    assert set().union(*places) == set(range(len(records)))
    for entry in run.entries:
        json.loads(entry[2])
    for reject in run.rejects:
        assert len(reject.message) < 100_000
    return run


huge = st.sampled_from([10**30, -(10**18) - 1, 2**63, 2**64, 1e308, -1e308, 5e-324, 0.1 + 0.2, 10**4000])
plain = st.recursive(
    st.none()
    | st.booleans()
    | huge
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=300),
    lambda below: st.lists(below, max_size=5) | st.dictionaries(st.text(max_size=8), below, max_size=5),
    max_leaves=20,
)
orders = st.fixed_dictionaries(
    {}, optional={"id": plain, "total": plain, "lines": plain, "tags": plain, "user": plain, "body": plain}
)
texts = (orders | plain).map(lambda value: json.dumps(value).encode())
mixed = (
    texts
    | texts.map(lambda text: b"\x00\x00\x00\x00\x02" + text)
    | texts.map(lambda text: b"\x03\x05" + bytes(16) + zlib.compress(text))
    | st.binary(max_size=60)
    | st.binary(max_size=40).map(lambda payload: b"\x00\x00\x00\x00\x01" + payload)
    | st.builds(
        order, st.text(max_size=5), st.lists(st.none() | st.text(max_size=4), max_size=4), st.just({"a": 1e308})
    )
    | st.none()
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(ROUTES)), st.lists(mixed, min_size=1, max_size=4))
def test_any_records_end_in_one_place_each(route: str, values: list[bytes | None]) -> None:
    prepared(route, values)


LARGE: dict[str, bytes] = {
    "deep arrays": b'{"id": "x", "lines": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": b'{"lines":' * 100_000 + b"1" + b"}" * 100_000,
    "an open deep array": b"[" * 500_000,
    "a long number": b'{"id": ' + b"9" * 300_000 + b"}",
    "a long fraction": b'{"id": "x", "total": 0.' + b"9" * 300_000 + b"}",
    "an exponent without end": b'{"id": "x", "total": 1e' + b"9" * 300_000 + b"}",
    "a long string": b'{"id": "' + b"x" * 1_000_000 + b'"}',
    "escapes alone": b'{"id": "' + b"\\u00e9" * 100_000 + b'"}',
    "empty arrays": b'{"id": "x", "lines": [' + b"[]," * 20_000 + b"[]]}",
    "empty objects": b'{"id": "x", "lines": [' + b"{}," * 20_000 + b"{}]}",
    "many names": b'{"id": "x", ' + b",".join(b'"f%d": 1' % n for n in range(20_000)) + b"}",
    "one name many times": b"{" + b'"id": "x",' * 50_000 + b'"id": "y"}',
    "an Avro array of nulls": b"\x00\x00\x00\x00\x01"
    + long(1)
    + b"x"
    + long(1)
    + b"\x05"
    + long(2**60)
    + long(0) * 100,
    "a deep Avro record": b"\x00\x00\x00\x00\x01" + (long(1) + b"x" + long(1) + b"\x05" + long(1) + long(2)) * 20_000,
    "a zlib bomb": b"\x03\x05" + bytes(16) + zlib.compress(bytes(64 * MIB), 9),
}


@pytest.mark.parametrize("route", sorted(ROUTES))
@pytest.mark.parametrize("kind", sorted(LARGE))
def test_a_large_record_costs_memory_by_its_length(kind: str, route: str) -> None:
    value = LARGE[kind]
    within_bytes(2 * UNPACKED_BYTES_MAX + 200 * len(value), lambda: prepared(route, [value]))
