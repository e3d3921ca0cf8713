"""The contract of dead letters: every header that is written is described, and every reason."""

from __future__ import annotations

from typing import get_args

from connector.core.records import Fault, Reason, Reject
from connector.kafka import letter_format
from connector.kafka.dead_letters import LeftOut, headers_of
from tests.unit.core.records import FakeRecord


def names(reject: Reject, left_out: LeftOut) -> set[str]:
    return {name for name, _ in headers_of(reject, "shop", "00-trace", left_out)} - {"own"}


def test_every_header_is_described_and_those_that_are_always_there_are() -> None:
    record = FakeRecord(1, own_headers=(("own", b"1"),))
    full = Reject(record, "deliver", "refused", (Fault("f", "a", "b"),), "c.E", 400, "answer", 1, "id:1")
    bare = Reject(record, "decode", "not_json", ())
    described = set(letter_format.HEADERS)
    assert names(full, LeftOut.NOTHING) == described - {letter_format.LEFT_OUT}
    assert names(full, LeftOut.ANSWER) == described - {letter_format.ANSWER}
    always = {name for name, header in letter_format.HEADERS.items() if header.always}
    for reject in (full, bare):
        for left_out in LeftOut:
            assert always <= names(reject, left_out), left_out
    assert dict(headers_of(full, "shop", None))[letter_format.FORMAT] == str(letter_format.VERSION).encode()


def test_every_reason_is_described() -> None:
    assert set(letter_format.REASONS) == set(get_args(Reason))
