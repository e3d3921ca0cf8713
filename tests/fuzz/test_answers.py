"""Whatever the endpoint sends, from the bytes on the connection to the event that a refusal points at."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.airship.answer_reader import BODY_BYTES_MAX, RECEIVED_BYTES_MAX, AnswerReader
from connector.core.isolation import suspect_index
from connector.core.outcomes import RETRY_AFTER_SECONDS_MAX, Outcome, Refused, Retry, classify
from connector.core.records import HttpAnswer
from tests.fuzz.spending import within_bytes, within_steps

BODIES = [b'{"n": 1}', b'{\n "n": "\xc3\xbc"\n}', b"{}"] * 30
NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


def read(sent: bytes, piece: int = 4096) -> HttpAnswer | None:
    """As the connection does: to the end of an answer, of the connection, or until the reader has had enough."""
    reader = AnswerReader()
    for start in range(0, len(sent), piece):
        if reader.feed(memoryview(sent[start : start + piece])) != "reading":
            break
    reader.end()
    return reader.answer() if reader.progress == "complete" else None


def http(status: int, body: bytes, *headers: tuple[str, str], chunked: bool = False) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")
    if chunked:
        framed = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in _pieces(body)) + b"0\r\n\r\n"
        return b"HTTP/1.1 %d x\r\n%bTransfer-Encoding: chunked\r\n\r\n%b" % (status, lines, framed)
    return b"HTTP/1.1 %d x\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(body), body)


def _pieces(body: bytes) -> list[bytes]:
    return [body[start : start + 7000] for start in range(0, len(body), 7000)]


def judged(answer: HttpAnswer) -> Outcome:
    """The outcome, and that everything in it is within its limits."""
    outcome = classify(answer)
    match outcome:
        case Retry():
            assert outcome.after_seconds is None or 0 <= outcome.after_seconds <= RETRY_AFTER_SECONDS_MAX
        case Refused():
            assert len(outcome.error) <= 1024
            assert len(outcome.answer) <= 1024
            suspect = suspect_index(outcome, BODIES)
            assert suspect is None or 0 <= suspect < len(BODIES)
        case _:
            assert len(getattr(outcome, "detail", "")) < 1200
    return outcome


numbers = st.integers(-3, 200) | st.integers() | st.floats() | st.sampled_from([10**30, -(10**4000), 1e308, True])
paths = (
    st.from_regex(r"\A\$?[./]?[a-z]{0,8}\[?[0-9]{0,6}\]?([./][a-z\[\]0-9]{1,6}){0,3}\Z")
    | st.text(max_size=60)
    | st.integers().map(lambda n: "[" * 50 + str(n))
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=30),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=6), below, max_size=4),
    max_leaves=12,
)
locations = st.fixed_dictionaries({}, optional={"line": numbers | anything, "column": numbers | anything})
details = st.fixed_dictionaries(
    {}, optional={"error": anything, "path": paths | anything, "location": locations | anything}
)
errors = st.fixed_dictionaries(
    {}, optional={"ok": anything, "error": anything, "error_code": anything, "details": details | anything}
)
statuses = st.sampled_from([200, 400, 401, 413, 422, 429, 500, 503]) | st.integers(200, 999)


@given(statuses, errors.map(lambda told: json.dumps(told).encode()) | st.binary(max_size=300), st.booleans())
@example(400, b'{"details": {"location": {"line": ' + b"9" * 5000 + b', "column": 1}}}', False)
@example(400, b'{"details": {"path": "' + b"[" * 60_000 + b'"}}', True)
@example(422, b"[" * 65_000, False)
@example(400, b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}", False)
@example(400, b'{"error": NaN, "details": {"path": "[-1]", "location": {"line": -1, "column": 1e999}}}', False)
def test_any_body_has_an_outcome_and_points_at_an_event_or_at_none(status: int, body: bytes, chunked: bool) -> None:
    answer = read(http(status, body, chunked=chunked))
    if answer is not None:
        judged(answer)


zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
dates = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC) | zones)  # noqa: DTZ001
odd_dates = dates.flatmap(
    lambda at: st.sampled_from(
        [
            format_datetime(at),
            at.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
            at.strftime("%a %b %d %H:%M:%S %Y"),
            at.isoformat(),
            format_datetime(at).replace(":", ";"),
            format_datetime(at)[:-3],
            format_datetime(at) + "9" * 80,
        ]
    )
)
waits = (
    st.integers(0, 10**40).map(str) | st.integers().map(str) | st.floats().map(str) | st.text(max_size=50) | odd_dates
)


@given(st.sampled_from([429, 500, 503]), waits, odd_dates | st.none())
@example(503, "Tue, 24 Nov 2026 10:00:30 +9999999999", None)
@example(503, "Tue, 24 Nov 99999999999999999999 10:00:30 GMT", None)
@example(503, "24 Nov 2026 99999999999999999:00:30", "Tue, 24 Nov 0000 10:00:30 GMT")
@example(429, "9" * 512, None)
@example(429, ",,,,,,,,,,,,,,,,,,,,", None)
@example(429, "\u0661\u0662", None)
@example(503, "-0", None)
@example(503, "1e3", None)
def test_retry_after_in_any_form_waits_within_bounds_or_not_at_all(status: int, wait: str, date: str | None) -> None:
    for answer in (
        HttpAnswer(status, b"", wait, date),
        read(http(status, b"", ("Retry-After", _one_line(wait)), ("Date", _one_line(date or "")))),
    ):
        if answer is None:
            continue
        outcome = judged(answer)
        assert isinstance(outcome, Retry)
        text = (answer.retry_after or "").strip()
        if text.isascii() and text.isdigit():
            assert outcome.after_seconds == min(int(text), RETRY_AFTER_SECONDS_MAX)


def _one_line(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)


@given(st.integers(-10_000, 10_000), st.integers(-(10**6), 10**6))
def test_a_date_is_compared_with_the_endpoints_own_clock(ahead: int, skew: int) -> None:
    clock = NOW + timedelta(seconds=skew)
    then = format_datetime(clock + timedelta(seconds=ahead), usegmt=True)
    outcome = classify(HttpAnswer(503, b"", then, format_datetime(clock, usegmt=True)))
    assert isinstance(outcome, Retry)
    assert outcome.after_seconds == min(max(ahead, 0), RETRY_AFTER_SECONDS_MAX)


def bomb(kind: str, size: int) -> bytes:
    """So many zeros, packed; made in pieces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15, "raw deflate": -15}[kind])
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw deflate"])
def test_a_bomb_is_not_unpacked(kind: str, chunked: bool) -> None:
    sent = http(400, bomb(kind, 64 << 20), ("Content-Encoding", kind.rsplit(maxsplit=1)[-1]), chunked=chunked)
    answer = within_bytes(1 << 20, lambda: read(sent))
    assert answer is not None
    assert len(answer.body) <= BODY_BYTES_MAX
    within_bytes(1 << 20, lambda: judged(answer))


def test_a_bomb_within_a_bomb_is_unpacked_once() -> None:
    inner = gzip.compress(gzip.compress(bytes(1 << 20)))
    answer = read(http(200, inner, ("Content-Encoding", "gzip")))
    assert answer is not None
    assert answer.body == gzip.decompress(inner)
    assert isinstance(judged(answer), Retry)


@pytest.mark.parametrize(
    "sent",
    [
        http(200, b"x" * 3_000_000),
        http(200, b"x" * 3_000_000, chunked=True),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n" + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 500_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500_000,
        b"HTTP/1.1 200 OK\r\nRetry-After: " + b"9" * 3_000_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
        b"HTTP/1.1 200 " + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: x\r\n" * 500_000,
    ],
    ids=lambda sent: repr(sent[:60]) + str(len(sent)),
)
def test_an_answer_without_end_costs_no_more_than_its_limits(sent: bytes) -> None:
    answer = within_bytes(2 * RECEIVED_BYTES_MAX, lambda: read(sent))
    if answer is not None:
        judged(answer)


def test_a_location_costs_no_more_than_the_body_that_was_sent() -> None:
    lines = [b"{" + b"\n" * 1000 + b"}"] * 100

    def located(line: int) -> Any:
        told = {"details": {"location": {"line": line, "column": 1}}}
        refused = classify(HttpAnswer(400, json.dumps(told).encode()))
        assert isinstance(refused, Refused)
        return suspect_index(refused, lines)

    assert located(100_000) == 99
    within_steps(5_000_000, lambda: located(10**12))
