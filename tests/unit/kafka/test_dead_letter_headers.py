"""The headers of a dead letter: bounded UTF-8 whatever the endpoint said, nothing stacked on a second failure."""

from __future__ import annotations

from connector.core.records import Fault, Reject
from connector.kafka.dead_letters import headers_of
from tests.unit.core.records import FakeRecord


def told(reject: Reject) -> dict[str, bytes | None]:
    headers = headers_of(reject, "group", None)
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    return dict(headers)


def test_what_an_endpoint_says_is_always_bounded_utf8() -> None:
    fault = Fault("\ud800" + "é" * 5000, "x", "\udfff")
    headers = told(Reject(FakeRecord(1), "deliver", "refused", (fault,), answer="€" * 5000))
    for name in ("airship-connector.field", "airship-connector.answer", "__connect.errors.exception.message"):
        value = headers[name]
        assert value is not None
        assert len(value) <= 4096
        value.decode()  # whole characters only


def test_a_second_failure_keeps_the_first_origin_and_adds_the_attempts() -> None:
    first = told(Reject(FakeRecord(7), "deliver", "refused", (Fault("a", "b", "c"),), attempts=2))
    replayed = {**first, "airship-connector.replays": b"1", "own": b"kept"}
    record = FakeRecord(99, own_headers=tuple(replayed.items()))
    second = told(Reject(record, "deliver", "refused", (Fault("a", "b", "c"),), attempts=3))
    assert second["__connect.errors.offset"] == b"7"
    assert second["airship-connector.attempts"] == b"5"
    assert second["airship-connector.replays"] == b"1"
    assert second["own"] == b"kept"
