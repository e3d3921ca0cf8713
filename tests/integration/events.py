"""Custom Events and orders for the integration tests, and what arrived of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from connector.airship.sandbox.ledger import AcceptedEvent
from tests.support.topics import Record


def custom_event(number: int, user: str = "user-1", **properties: Any) -> bytes:
    return json.dumps(
        {
            "occurred": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "user": {"named_user_id": user},
            "body": {"name": "purchased", "value": 1.5, "properties": {"number": number, **properties}},
        }
    ).encode()


def records(count: int, users: int = 50, start: int = 0) -> list[Record]:
    """`count` events, numbered, keyed by user."""
    return [
        Record(custom_event(number, f"user-{number % users}"), key=f"user-{number % users}".encode())
        for number in range(start, start + count)
    ]


def numbers(events: Iterable[AcceptedEvent]) -> list[int]:
    return [event.event["body"]["properties"]["number"] for event in events]


def repeated(arrived: Sequence[int]) -> int:
    return sum(count - 1 for count in Counter(arrived).values())


def inversions(events: Iterable[AcceptedEvent]) -> int:
    """First deliveries that came after a later one of the same user."""
    seen: set[int] = set()
    last: dict[str, int] = {}
    found = 0
    for event in events:
        number = event.event["body"]["properties"]["number"]
        user = event.event["user"]["named_user_id"]
        if number in seen:
            continue
        seen.add(number)
        if number < last.get(user, -1):
            found += 1
        last[user] = max(last.get(user, -1), number)
    return found
