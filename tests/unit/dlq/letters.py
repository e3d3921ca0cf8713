"""Dead letters for the tests of what reads them."""

from __future__ import annotations

from typing import Any

from connector.core.records import Fault, Reject
from connector.dlq.letter import Letter
from connector.kafka.dead_letters import headers_of
from tests.unit.core.records import FakeRecord


def written(record: FakeRecord, **reject: Any) -> Letter:
    """As the job writes it, read back from partition 2, offset 5 of the dead letters."""
    told = {"stage": "validate", "reason": "invalid_event", "faults": (Fault("body.name", "a", "b"),), **reject}
    headers = headers_of(Reject(record, **told), "shop", None)
    return Letter(FakeRecord(5, record.key(), record.value(), "dead", 2, tuple(headers)))


def foreign(*headers: tuple[str, bytes | None]) -> Letter:
    return Letter(FakeRecord(5, b"k", b"{}", "dead", 2, headers))
