"""The reader of answers against arbitrary bytes: it ends, it is bounded, and pieces make no difference."""

from __future__ import annotations

import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from connector.airship.answer_reader import BODY_BYTES_MAX, HEAD_BYTES_MAX, RECEIVED_BYTES_MAX, AnswerReader
from connector.core.records import HttpAnswer

tokens = st.text("abcXYZ-019", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
statuses = st.integers(200, 599).filter(lambda status: status not in {204, 205, 304})
special = st.sampled_from(["Retry-After", "date", "WWW-Authenticate", "Keep-Alive"])
headers = st.lists(st.tuples(special | tokens.map(lambda name: f"x-{name}"), values), max_size=6)
splits = st.lists(st.integers(1, 60), max_size=30)


def feed_in_pieces(sent: bytes, sizes: list[int]) -> AnswerReader:
    reader = AnswerReader()
    position = 0
    for size in [*sizes, len(sent)]:
        reader.feed(memoryview(sent[position : position + size]))
        position += size
        if position >= len(sent):
            break
    return reader


def head(status: int, lines: list[tuple[str, str]], *framing: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} x", *(f"{n}: {v}" for n, v in lines), *framing, "", ""]).encode()


@given(statuses, headers, st.binary(max_size=300), splits)
def test_a_body_of_stated_length(status: int, lines: list[tuple[str, str]], body: bytes, sizes: list[int]) -> None:
    reader = feed_in_pieces(head(status, lines, f"Content-Length: {len(body)}") + body, sizes)
    assert reader.progress == "complete"
    assert reader.reusable
    answer = reader.answer()
    assert (answer.status, answer.body) == (status, body)
    first: dict[str, str] = {}
    for name, value in lines:
        first.setdefault(name.lower(), value)
    assert answer.retry_after == first.get("retry-after")
    assert answer.date == first.get("date")
    assert answer.www_authenticate == first.get("www-authenticate")


@given(statuses, st.lists(st.binary(min_size=1, max_size=60), max_size=6), splits)
def test_a_body_in_chunks(status: int, chunks: list[bytes], sizes: list[int]) -> None:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    reader = feed_in_pieces(head(status, [], "Transfer-Encoding: chunked") + framed, sizes)
    assert reader.progress == "complete"
    assert reader.reusable
    assert reader.answer().body == b"".join(chunks)


@given(statuses, st.binary(max_size=300), splits)
def test_a_body_until_the_end(status: int, body: bytes, sizes: list[int]) -> None:
    reader = feed_in_pieces(head(status, []) + body, sizes)
    assert reader.progress == "reading"
    assert reader.end() == "complete"
    assert not reader.reusable
    assert reader.answer().body == body


@given(st.integers(1, 200), st.integers(0, 199))
def test_an_end_before_the_end_is_no_answer(length: int, arrived: int) -> None:
    body = b"x" * min(arrived, length - 1)
    reader = feed_in_pieces(head(200, [], f"Content-Length: {length}") + body, [])
    assert reader.end() == "reading"
    assert not reader.reusable


start = st.sampled_from(
    [b"", b"HTTP/1.1 200 OK\r\n", head(200, []), head(200, [], "Transfer-Encoding: chunked"), b"HTTP/1.1 100 x\r\n\r\n"]
)


@given(start, st.binary(max_size=400), splits)
@example(b"HTTP/1.1 200 OK\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", [])
@example(b"", b"HTTP/2.0 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", [])
@example(b"", b"POST / HTTP/1.1\r\n\r\n", [])
def test_whatever_arrives_it_is_judged(begin: bytes, rest: bytes, sizes: list[int]) -> None:
    reader = feed_in_pieces(begin + rest, sizes)
    reader.end()
    if reader.progress == "complete":
        answer = reader.answer()
        assert isinstance(answer, HttpAnswer)
        assert 200 <= answer.status <= 999
    elif reader.progress == "broken":
        assert reader.fault.startswith("found")
        assert not reader.reusable


not_blank = st.binary(min_size=1, max_size=200).filter(lambda extra: extra.strip(b"\r\n"))
"""A line break between two answers is allowed, and cannot become one."""


@given(not_blank, splits)
def test_bytes_after_an_answer_spoil_the_connection_alone(extra: bytes, sizes: list[int]) -> None:
    reader = feed_in_pieces(head(200, [], "Content-Length: 2") + b"ok" + extra, sizes)
    if reader.progress == "complete":
        assert reader.answer().body == b"ok"
    assert not reader.reusable


@given(st.sampled_from(["gzip", "deflate", "x-gzip"]), st.binary(max_size=400))
def test_what_claims_to_be_compressed(encoding: str, body: bytes) -> None:
    reader = feed_in_pieces(head(200, [("Content-Encoding", encoding)], f"Content-Length: {len(body)}") + body, [])
    assert len(reader.answer().body) <= BODY_BYTES_MAX


def test_a_compressed_body_that_is_cut_is_unpacked_as_far_as_it_goes() -> None:
    packed = zlib.compress(b"abc" * 1000)[:-8]
    reader = feed_in_pieces(head(200, [("Content-Encoding", "gzip")], f"Content-Length: {len(packed)}") + packed, [])
    assert reader.answer().body.startswith(b"abcabc")


def test_limits_are_reached_not_passed() -> None:
    flood = memoryview(b"x" * 1000)
    reader = AnswerReader()
    reader.feed(memoryview(b"HTTP/1.1 200 OK\r\nX: "))
    fed = 0
    while reader.feed(flood) == "reading":
        fed += len(flood)
        assert fed <= HEAD_BYTES_MAX
    assert reader.fault == f"found a head of more than {HEAD_BYTES_MAX} bytes"

    reader = AnswerReader()
    reader.feed(memoryview(head(200, [], "Transfer-Encoding: chunked") + b"1;"))
    fed = 0
    while reader.feed(flood) == "reading":
        fed += len(flood)
        assert fed <= RECEIVED_BYTES_MAX
    assert reader.progress == "broken"

    reader = AnswerReader()
    reader.feed(memoryview(head(200, [], "Content-Length: 99999999")))
    fed = 0
    while reader.feed(flood) == "reading":
        fed += len(flood)
        assert fed <= BODY_BYTES_MAX
    assert len(reader.answer().body) == BODY_BYTES_MAX
    assert not reader.reusable


def test_offered_idle_time() -> None:
    for value, seconds in (("timeout=5, max=100", 5.0), ("max=1,Timeout=7", 7.0), ("timeout=x", None), ("", None)):
        reader = feed_in_pieces(head(200, [("Keep-Alive", value)], "Content-Length: 0"), [])
        assert reader.idle_seconds_offered() == seconds
