"""What the connector is fed: small events that compress well, and large Avro records."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fastavro

from bench.dataset import Pool, create_topic, produce_dataset
from tests.support.topics import Record, produce

PARTITIONS = 8
SCHEMA_ID = 7
LARGE_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Basket",
    "fields": [{"name": "user", "type": "string"}, {"name": "texts", "type": {"type": "array", "items": "string"}}],
}
LARGE_ROUTE: dict[str, Any] = {
    "format": "avro",
    "event": {
        "user": {"named_user_id": "${{ user }}"},
        "body": {"name": "filled", "properties": {"texts": "${{ texts }}"}},
    },
}
_TEXTS = 200
_TEXT_LENGTH = 250


def small_events() -> Pool:
    """Custom Events of about 300 bytes."""
    event = {
        "occurred": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": {"named_user_id": "@user@"},
        "body": {
            "name": "purchased",
            "value": 12.5,
            "transaction": "@number@",
            "properties": {"brand": "Victory Sneakers", "text": "Made to last and easy to repair. " * 4},
        },
    }
    template = json.dumps(event).encode().replace(b"%", b"%%")
    return Pool([template.replace(b"@user@", b"%(user)b").replace(b"@number@", b"%(number)b")])


def feed_small(bootstrap_servers: str, topic: str, events: int) -> None:
    create_topic(bootstrap_servers, topic, PARTITIONS)
    produce_dataset(bootstrap_servers, topic, events, pool=small_events(), compression="zstd")


def feed_large(bootstrap_servers: str, topic: str, records: int) -> None:
    create_topic(bootstrap_servers, topic, PARTITIONS)
    produce(bootstrap_servers, topic, _large(records), {"compression.type": "zstd"}, timeout_seconds=300.0)


def _large(records: int) -> Iterator[Record]:
    schema = fastavro.parse_schema(LARGE_SCHEMA)
    for number in range(records):
        out = io.BytesIO(b"\x00" + SCHEMA_ID.to_bytes(4, "big"))
        out.seek(5)
        texts = [f"{number} {at}".ljust(_TEXT_LENGTH, ".") for at in range(_TEXTS)]
        fastavro.schemaless_writer(out, schema, {"user": f"user-{number % 997}", "texts": texts})
        yield Record(out.getvalue(), key=f"user-{number % 997}".encode())
