"""What the framing dispatch costs beside fastavro's own reading, in microseconds per record on one core.

    .venv/bin/python bench/decode_cost.py            # about 20 seconds
    .venv/bin/python bench/decode_cost.py --json     # for programs

One message of a typical order in Avro (strings, decimal, timestamp, enum, union, array of records, map), and the same
in JSON. Each figure is the best of several rounds, so that other load on the machine shows least. `bare` is fastavro
alone on the payload with its schema parsed before, which is the least that reading can cost; its output is not JSON yet
(datetime, bytes), so the last step to plain values is counted to the connector.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from fastavro import parse_schema, schemaless_reader, schemaless_writer

sys.path.insert(0, str(Path(__file__).parent.parent))

from connector.decode.avro_schema import avro_schema
from connector.decode.decoder import Decoder
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import AvroSchema

LINE = [
    {"name": "sku", "type": "string"},
    {"name": "quantity", "type": "int"},
    {"name": "price", "type": ["null", "double"]},
]
CUSTOMER = [{"name": "id", "type": "string"}, {"name": "email", "type": ["null", "string"]}]
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": CUSTOMER}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "created", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]}},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": LINE}}},
        {"name": "attributes", "type": {"type": "map", "values": "string"}},
    ],
}
VALUE = {
    "id": "o-2024-000123",
    "customer": {"id": "c-000099", "email": "ann@example.com"},
    "total": Decimal("239.85"),
    "created": datetime(2024, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    "state": "PAID",
    "lines": [{"sku": f"sku-{n}", "quantity": n, "price": 79.95} for n in range(3)],
    "attributes": {"channel": "web", "campaign": "spring"},
}
TREE = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "label", "type": "string"}, {"name": "below", "type": {"type": "array", "items": "Node"}}],
}
ROUNDS = 9
RECORDS = 20_000


class Record:
    """What the decoder asks of a record, as cheap as confluent-kafka's own accessors (0.1 us)."""

    __slots__ = ("_headers", "_value")

    def __init__(self, value: bytes, headers: list[tuple[str, bytes]] | None = None) -> None:
        self._value = value
        self._headers = headers

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers


def microseconds(call: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(RECORDS):
            call()
        best = min(best, time.perf_counter() - started)
    return round(best / RECORDS * 1e6, 3)


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return out.getvalue()


def usable(schema: Any) -> AvroSchema:
    ready = avro_schema(json.dumps(schema))
    assert isinstance(ready, AvroSchema)
    return ready


def measure() -> dict[str, float]:
    cache = SchemaCache()
    cache.found("id:42", usable(ORDER))
    cache.found("id:43", usable(TREE))
    payload = written(ORDER, VALUE)
    framed = b"\x00\x00\x00\x00\x2a" + payload
    tree_payload = written(TREE, {"label": "root", "below": [{"label": f"leaf-{n}", "below": []} for n in range(8)]})
    text = json.dumps(VALUE | {"total": 239.85, "created": "2024-01-02T03:04:05.678Z", "padding": "x" * 300}).encode()
    avro, plain = parse_schema(ORDER), parse_schema(_without_logical_types(ORDER))
    tree = parse_schema(TREE)
    reading = usable(ORDER).reading
    avro_route, auto_route, json_route = (Decoder(kind, "confluent", cache) for kind in ("avro", "auto", "json"))
    record, json_record = Record(framed), Record(text)
    with_headers = Record(framed, [("traceparent", b"00-1-2-01"), ("event-type", b"order")])
    json_decode = msgspec.json.Decoder().decode
    return {
        "payload bytes, Avro": len(payload),
        "payload bytes, JSON": len(text),
        "bare: fastavro, logical types of its own": microseconds(
            lambda: schemaless_reader(io.BytesIO(payload), avro, None)
        ),
        "bare: fastavro, no logical types": microseconds(lambda: schemaless_reader(io.BytesIO(payload), plain, None)),
        "bare: fastavro, logical types of the connector": microseconds(
            lambda: schemaless_reader(io.BytesIO(payload), reading, None)
        ),
        "connector: route avro": microseconds(lambda: avro_route.decode(record)),  # type: ignore[arg-type]
        "connector: route auto": microseconds(lambda: auto_route.decode(record)),  # type: ignore[arg-type]
        "connector: route auto, two headers": microseconds(lambda: auto_route.decode(with_headers)),  # type: ignore[arg-type]
        "bare: fastavro, recursive schema": microseconds(
            lambda: schemaless_reader(io.BytesIO(tree_payload), tree, None)
        ),
        "connector: recursive schema (walked first)": microseconds(
            lambda: auto_route.decode(Record(b"\x00\x00\x00\x00\x2b" + tree_payload))  # type: ignore[arg-type]
        ),
        "bare: msgspec": microseconds(lambda: json_decode(text)),
        "connector: route json": microseconds(lambda: json_route.decode(json_record)),  # type: ignore[arg-type]
        "connector: route auto, JSON": microseconds(lambda: auto_route.decode(json_record)),  # type: ignore[arg-type]
        "connector: json_payload": microseconds(lambda: json_route.json_payload(json_record)),  # type: ignore[arg-type]
    }


def _without_logical_types(schema: Any) -> Any:
    match schema:
        case dict():
            return {key: _without_logical_types(below) for key, below in schema.items() if key != "logicalType"}
        case list():
            return [_without_logical_types(below) for below in schema]
        case _:
            return schema


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{figure:10.3f}  {name}")
    bare = figures["bare: fastavro, logical types of the connector"]
    dispatch = figures["connector: route avro"] - bare
    print(f"{dispatch:10.3f}  the dispatch alone: {dispatch / bare:.0%} of fastavro's reading")


if __name__ == "__main__":
    main()
