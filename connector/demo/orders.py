"""The demo's orders: seeded, in JSON and in Avro, a few of them with something wrong, and the routes that map them.

What becomes of each is known beforehand, so that the summary can be checked against it.
"""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import fastavro

Fate: TypeAlias = Literal["delivered", "skipped", "decode", "map", "validate", "deliver"]
"""What becomes of an order; the last four are the stages that reject it."""

SCHEMA_ID = 7
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["paid", "cancelled"]}},
        {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "event_name", "type": "string"},
        {
            "name": "customer",
            "type": {
                "type": "record",
                "name": "Customer",
                "fields": [{"name": "id", "type": ["null", "string"]}, {"name": "state", "type": "string"}],
            },
        },
        {"name": "refuse", "type": ["null", "boolean"], "default": None},
    ],
}

EVENT: dict[str, Any] = {
    "occurred": "${{ timestamp(created_at) }}",
    "user": {"named_user_id": "${{ customer.id }}"},
    "body": {
        "name": "${{ event_name }}",
        "value": "${{ total }}",
        "transaction": "${{ order_id }}",
        "interaction_type": "order",
        "properties": {"state": "${{ customer.state }}", "sandbox_refuse": "${{ refuse }}"},
    },
}

_STATES = ("CO", "OR", "WA", "NY", "TX", "CA")
_BAD_EACH_KIND = 5


@dataclass(frozen=True, slots=True)
class Order:
    order_id: str
    key: bytes
    value: bytes
    fate: Fate


def orders(form: Literal["json", "avro"], count: int, seed: int) -> Iterator[Order]:
    """`count` orders of some hundred customers, of which a twentieth is cancelled and a few are wrong."""
    rng = random.Random(f"{form}-{seed}")  # noqa: S311  a demo's data
    places = rng.sample(range(count), 4 * _BAD_EACH_KIND)
    kinds: list[Fate] = ["decode", "map", "validate", "deliver"]
    wrong = {place: kinds[index % 4] for index, place in enumerate(places)}
    parsed = fastavro.parse_schema(SCHEMA)
    now_ms = int(time.time() * 1000)
    for place in range(count):
        fate = wrong.get(place)
        customer = f"customer-{rng.randrange(500):03}"
        cancelled = fate is None and rng.random() < 0.05
        order_id = f"{form}-{place:06}"
        order: dict[str, Any] = {
            "order_id": order_id,
            "status": "cancelled" if cancelled else "paid",
            "created_at": now_ms - rng.randrange(3_600_000),
            "total": rng.randrange(100, 50_000) / 100,
            "event_name": "Purchased" if fate == "validate" else "purchased",
            "customer": {"id": None if fate == "map" else customer, "state": rng.choice(_STATES)},
            "refuse": True if fate == "deliver" else None,
        }
        value = json.dumps(order).encode() if form == "json" else _avro(parsed, order)
        if fate == "decode":
            value = value[: len(value) // 2]
        yield Order(order_id, customer.encode(), value, fate or ("skipped" if cancelled else "delivered"))


def _avro(parsed: Any, order: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(b"\x00" + SCHEMA_ID.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, parsed, order | {"total": Decimal(f"{order['total']:.2f}")})
    return out.getvalue()


def routes(json_topic: str, avro_topic: str) -> list[dict[str, Any]]:
    shared = {"when": "status == 'paid'", "event": EVENT}
    return [
        {"topics": [json_topic], "format": "json", **shared},
        {"topics": [avro_topic], "format": "avro", **shared},
    ]
