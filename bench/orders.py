"""The order that the mapped benchmarks read: its Avro schema, and seeded examples of it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

ORDER_SCHEMA: Mapping[str, Any] = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["open", "paid", "cancelled"]}},
        {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "total", "type": "double"},
        {"name": "currency", "type": "string"},
        {
            "name": "customer",
            "type": {
                "type": "record",
                "name": "Customer",
                "fields": [
                    {"name": "id", "type": "string"},
                    {"name": "state", "type": ["null", "string"], "default": None},
                    {"name": "zip", "type": "string"},
                ],
            },
        },
        {"name": "session_id", "type": "string"},
        {"name": "channel", "type": "string"},
        {"name": "coupon", "type": ["null", "string"], "default": None},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [
                        {"name": "sku", "type": "string"},
                        {"name": "text", "type": "string"},
                        {"name": "quantity", "type": "int"},
                        {"name": "price", "type": "double"},
                    ],
                },
            },
        },
    ],
}

ORDER_ROUTE: Mapping[str, Any] = {
    "when": "status == 'paid'",
    "event": {
        "occurred": "${{ timestamp(created_at) }}",
        "user": {"named_user_id": "${{ customer.id }}"},
        "body": {
            "name": "purchased",
            "value": "${{ total }}",
            "transaction": "${{ order_id }}",
            "interaction_type": "${{ channel }}",
            "session_id": "${{ session_id }}",
            "properties": {
                "currency": "${{ currency }}",
                "state": "${{ customer.state }}",
                "zip": "${{ customer.zip }}",
                "skus": "${{ lines[].sku }}",
            },
        },
    },
}
"""Ten fields, of which nine are looked up in the message; a route's settings without its topics and its format."""

_ADJECTIVES = ["Victory", "Comet", "Harbour", "Meadow", "Granite", "Willow", "Copper", "Northern"]
_NOUNS = ["Sneakers", "Rain Jacket", "Trail Boots", "Backpack", "Wool Socks", "Headlamp", "Water Bottle", "Tent"]
_STATES = ["CO", "CA", "NY", "TX", "WA", "OR", "ME", "VT"]


def an_order(chance: random.Random, now: datetime, user: str, number: str) -> dict[str, Any]:
    """A paid order of one to three lines from the last ten minutes. `created_at` is a datetime."""
    lines: list[dict[str, Any]] = [
        {
            "sku": f"sku-{chance.randrange(10**7):07d}",
            "text": product_name(chance),
            "quantity": chance.randint(1, 4),
            "price": price(chance),
        }
        for _ in range(chance.randint(1, 3))
    ]
    return {
        "order_id": number,
        "status": "paid",
        "created_at": moment(chance, now),
        "total": round(sum(line["quantity"] * line["price"] for line in lines), 2),
        "currency": chance.choice(["USD", "EUR"]),
        "customer": {"id": user, "state": chance.choice([*_STATES, None]), "zip": zip_code(chance)},
        "session_id": session_id(chance),
        "channel": chance.choice(["web", "app", "store"]),
        "coupon": chance.choice([None, "SPRING25"]),
        "lines": lines,
    }


def product_name(chance: random.Random) -> str:
    return f"{chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)}"


def price(chance: random.Random) -> float:
    return chance.randint(500, 39_999) / 100


def state(chance: random.Random) -> str:
    return chance.choice(_STATES)


def zip_code(chance: random.Random) -> str:
    return f"{chance.randrange(100_000):05d}"


def session_id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def moment(chance: random.Random, now: datetime) -> datetime:
    """A whole second of the last ten minutes."""
    return now.replace(microsecond=0) - timedelta(seconds=chance.randrange(600))
