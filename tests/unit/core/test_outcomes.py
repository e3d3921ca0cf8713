"""An answer to an outcome: the whole table, and nothing that an endpoint can send breaks it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.outcomes import Blocked, Delivered, Refused, Retry, Split, classify
from connector.core.records import CredentialsRefused, HttpAnswer, TransportFault


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, Retry) for status in (408, 425, 429, 500, 502, 503, 504, 507, 599)],
        *[(status, Refused) for status in (400, 422)],
        (413, Split),
        *[(status, Blocked) for status in (401, 403, 301, 302, 303, 307, 308, 404, 405, 406, 415, 501)],
        *[(status, Blocked) for status in (201, 202, 204, 100, 300, 402, 409, 410, 418, 451, 600, 999)],
    ],
)
def test_each_status_has_its_outcome(status: int, kind: type) -> None:
    assert isinstance(classify(HttpAnswer(status, b'{"ok": true}')), kind)


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"[]", b"{}", b'{"ok": false}', b'{"ok": 1}', b'{"ok": "true"}', b"\xff", b"[" * 100_000, b"<html>"],
)
def test_a_200_that_does_not_say_ok_true_is_not_delivered(body: bytes) -> None:
    assert isinstance(classify(HttpAnswer(200, body)), Retry)


@pytest.mark.parametrize("name", ["operation_id", "operationId"])
def test_the_operation_id_is_read_in_both_spellings_and_needed_in_neither(name: str) -> None:
    assert classify(HttpAnswer(200, b'{"ok": true, "%s": "abc"}' % name.encode())) == Delivered("abc")
    assert classify(HttpAnswer(200, b'{"ok": true}')) == Delivered(None)


def test_what_is_not_the_endpoints_answer() -> None:
    assert isinstance(classify(TransportFault("timeout", "x")), Retry)
    assert isinstance(classify(CredentialsRefused("x")), Blocked)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("99999999999999999999", 600.0),
        ("601", 600.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
        ("Tue, 24 Nov 2026 10:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 0.0),
        ("Tue, 24 Nov 9999 09:00:00 GMT", 600.0),
        ("Tue, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(header: str, seconds: float | None) -> None:
    outcome = classify(HttpAnswer(503, b"", header, date="Tue, 24 Nov 2026 10:00:00 GMT"))
    assert isinstance(outcome, Retry)
    assert outcome.after_seconds == seconds


@given(
    st.integers(100, 999),
    st.binary(max_size=200) | st.just(b'{"details": {"path": 3, "location": {"line": true, "column": []}}}'),
    st.text(max_size=40) | st.none(),
    st.text(max_size=40) | st.none(),
)
def test_any_answer_has_an_outcome(status: int, body: bytes, retry_after: str | None, date: str | None) -> None:
    outcome = classify(HttpAnswer(status, body, retry_after, date))
    if isinstance(outcome, Retry) and outcome.after_seconds is not None:
        assert 0 <= outcome.after_seconds <= 600


def test_a_refusal_tells_what_the_endpoint_said_and_no_more_than_a_bounded_part() -> None:
    details = b'{"error": "no", "path": "[1].x", "location": {"line": 1, "column": 7}}'
    body = b'{"ok": false, "error": "bad", "details": %s}' % details
    outcome = classify(HttpAnswer(400, body))
    assert outcome == Refused(400, "no", "[1].x", (1, 7), body.decode())
    huge = classify(HttpAnswer(400, b"x\r\n" * 100_000))
    assert isinstance(huge, Refused)
    assert len(huge.answer) <= 1024
    assert "\n" not in huge.answer


@pytest.mark.parametrize("status", [401, 403, 404, 418])
def test_what_blocks_is_shown_without_a_word_of_what_was_sent(status: int) -> None:
    sent = '[{"user":{"named_user_id":"Jürgen.Müller@example.org"},"body":{"name":"bought"}}]'.encode()
    quoting = json.dumps({"error": "no entry for JÜRGEN.Müller@example.org, who Bought", "code": 40101}).encode()
    outcome = classify(HttpAnswer(status, quoting), lambda: sent)
    assert isinstance(outcome, Blocked)
    assert outcome.detail.endswith('{"error": "no entry for ….…@….…, who …", "code": 40101}')


def test_a_word_that_is_cut_off_is_not_shown() -> None:
    outcome = classify(HttpAnswer(403, b". " * 506 + b"the user manbeing is unknown"), lambda: b"manbeing")
    assert isinstance(outcome, Blocked)
    assert "man" not in outcome.detail
    assert outcome.detail.endswith("the user …")
