"""What people and programs are shown of a judgement, and the sums of many."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.records import Fault, Reject
from connector.decode.avro_bounds import refusal
from connector.decode.decoder import Decoded
from connector.preview.json_lines import JsonLines
from connector.preview.judge import Judgement
from connector.preview.records import FileRecord, Headers
from connector.preview.screen import Screen, message_text, safe
from connector.preview.tally import OTHER_FIELDS, RejectKind, Tally
from tests.unit.mapping.records import StoredRecord

EVENT = Judgement("event", "paid", events=(b'{"user":{"channel":"c"},"body":{"name":"n","value":1.10}}',))
FILTERED = Judgement("skip", None, skipped="filtered")
TOMBSTONE = Judgement("skip", None, skipped="tombstone")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def rejected(*faults: Fault, route: str | None = "paid") -> Judgement:
    return Judgement("reject", route, reject=Reject(StoredRecord(b""), "validate", "invalid_event", faults))


def of_line(number: int, value: bytes | None) -> FileRecord:
    return FileRecord(f"m.jsonl:{number}", "orders", 0, number, None, value, None, 0)


def screen(stream: io.StringIO, *, show_message: bool = False, decoded: Any = None) -> Screen:
    def read(_topic: str, _record: object) -> Decoded | None:
        return None if decoded is None else Decoded(decoded, None)

    return Screen(stream, read, 0.05, show_message=show_message)


def shown(judged: Iterable[tuple[FileRecord, Judgement]], stream: io.StringIO | None = None, **options: Any) -> str:
    stream = stream or io.StringIO()
    one = screen(stream, **options)
    tally = Tally()
    for record, judgement in judged:
        tally.add(judgement)
        one.message(record, judgement)
    one.end(tally)
    return stream.getvalue()


def test_plain_text_for_whatever_is_no_terminal() -> None:
    fault = Fault("body.name", "an upper-case character at position 1", "no upper-case characters")
    text = shown(
        [
            (of_line(1, b"{}"), EVENT),
            (of_line(2, b'{"a":  1}'), FILTERED),
            (of_line(3, b'{"b": 1}'), rejected(fault, Fault("", "null", "an object"))),
            (of_line(4, None), TOMBSTONE),
        ]
    )
    assert text == (
        "event   m.jsonl:1  orders  by paid\n"
        "  {\n"
        '    "user": {\n'
        '      "channel": "c"\n'
        "    },\n"
        '    "body": {\n'
        '      "name": "n",\n'
        '      "value": 1.10\n'
        "    }\n"
        "  }\n"
        "skip    m.jsonl:2  orders  filtered: no route took it\n"
        '  message: {"a": 1}\n'
        "reject  m.jsonl:3  orders  by paid: validate, invalid_event\n"
        '  message: {"b": 1}\n'
        "  body.name: found an upper-case character at position 1, expected no upper-case characters\n"
        "  event: found null, expected an object\n"
        "skip    m.jsonl:4  orders  tombstone: it has no value\n"
        "  message: no value (a tombstone)\n"
        "\n"
        "4 messages\n"
        "       1    25.0%  sent, as 1 event\n"
        "       2    50.0%  skipped\n"
        "       1    25.0%    filtered\n"
        "       1    25.0%    tombstone\n"
        "       1    25.0%  rejected\n"
        "       1    25.0%    validate, invalid_event\n"
        "       1    25.0%      body.name\n"
        "       1    25.0%      event\n"
        "More than 5% rejected (dead_letters.rejects_share_max): with so many the job stops and waits.\n"
    )


def test_the_faults_of_a_reject_are_the_text_of_its_dead_letter() -> None:
    judged = rejected(Fault("a", "x", "y"), Fault("", "z", "w"))
    assert judged.reject is not None
    text = shown([(of_line(1, b"{}"), judged)])
    assert "\n  ".join(judged.reject.message.split("; ")) in text


def test_several_events_of_one_message_are_numbered_and_a_route_that_makes_none_is_named() -> None:
    several = Judgement("event", "lines", events=(b"{}", b'{"a":1}'))
    none = Judgement("skip", "lines", skipped="filtered")
    text = shown([(of_line(1, b"{}"), several), (of_line(2, b"{}"), none)])
    assert "  event 1 of 2\n  {}\n  event 2 of 2\n  {\n" in text
    assert "filtered: lines made no event of it" in text
    assert "sent, as 2 events" in text


def test_the_decoded_value_is_shown_where_it_is_asked_for() -> None:
    record = of_line(1, b"\x00\x00\x00\x00\x07\x02")
    assert 'message: {"total": 1.10}\n' in shown(
        [(record, EVENT)], show_message=True, decoded={"total": Decimal("1.10")}
    )
    assert "message" not in shown([(record, EVENT)], decoded={"total": 1}).partition("\n\n")[0]


def test_a_message_that_cannot_be_decoded_is_shown_as_it_is() -> None:
    def refuse(_topic: str, _record: object) -> Decoded:
        raise refusal("not_json", "x", "y")

    stream = io.StringIO()
    Screen(stream, refuse, 0.05, show_message=False).message(of_line(1, b"{broken"), FILTERED)
    assert "  message: {broken\n" in stream.getvalue()


def test_key_headers_and_another_ordering_key_stand_with_the_message() -> None:
    headers: Headers = [("type", b"paid"), ("type", None), ("id", b"\x00\x01")]
    record = replace(of_line(1, b"{}"), key_bytes=b"c-7", header_list=headers)
    text = shown([(record, replace(EVENT, ordering_key=b"shop-1"))], show_message=True)
    assert text.splitlines()[1:7] == [
        "  key: c-7",
        "  header type: paid",
        "  header type: null",
        "  header id: 00 01",
        "  ordering key: shop-1",
        "  message: {}",
    ]
    assert "ordering key" not in shown([(record, replace(EVENT, ordering_key=b"c-7"))], show_message=True)
    assert "c-7" not in shown([(record, FILTERED)])


@pytest.mark.parametrize("width", [80, 40])
def test_a_terminal_has_colours_and_lines_that_end_at_its_edge(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    fault = Fault("body.properties.text", "a string of 300 characters", "at most 255 characters " * 4)
    text = shown(
        [(of_line(1, b"{}"), EVENT), (of_line(2, b'{"a": "' + b"x" * 300 + b'"}'), rejected(fault))], Terminal()
    )
    assert "\x1b[1;32mevent" in text
    assert "\x1b[1;31mreject" in text
    assert all(len(ESCAPE.sub("", line)) <= width for line in text.splitlines())
    plain = " ".join(ESCAPE.sub("", text).split())
    assert str(fault).strip() in plain

    monkeypatch.setenv("NO_COLOR", "1")
    quiet = shown([(of_line(1, b"{}"), EVENT), (of_line(2, b"{}"), rejected(fault))], Terminal())
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", quiet)


@pytest.mark.parametrize(
    ("value", "decoded", "text"),
    [
        (b'{"a":\n 1}', None, '{"a": 1}'),
        (b"\x00\x00\x00\x00\x07", None, "00 00 00 00 07"),
        (b"\xff" * 40, None, "FF " * 31 + "FF ... (40 bytes)"),
        (b"", None, "no bytes at all"),
        (b"raw", b'{"a": 1}', '{"a": 1}'),
        (b"x" * 1_000_000, None, "x" * 240 + " ... (1,000,000 bytes)"),
        ("é".encode() * 500, None, "é" * 240 + " ... (1,000 bytes)"),
        (b"a\xc3", None, "61 C3"),
        (b"a\x1b[2Jb", None, "a\\u001b[2Jb"),
        ("a\u202eb\u009b2J😀".encode(), None, "a\\u202eb\\u009b2J😀"),
    ],
)
def test_a_message_is_shown_in_part_and_cannot_steer_the_terminal(value: bytes, decoded: bytes, text: str) -> None:
    assert message_text(value, decoded) == text


@given(st.text())
def test_what_is_escaped_in_json_means_the_same(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False)
    escaped = safe(written)
    assert json.loads(escaped) == text
    assert not any(
        ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 or 0xD800 <= ord(letter) < 0xE000 for letter in escaped
    )


def test_an_events_own_text_cannot_steer_the_terminal() -> None:
    event = '{"body":{"name":"n\u009b2J"}}'.encode()
    assert '"name": "n\\u009b2J"' in shown([(of_line(1, b"{}"), Judgement("event", "r\x1b[2J", events=(event,)))])
    assert "\x1b" not in shown([(of_line(1, b"{}"), Judgement("event", "r\x1b[2J", events=(event,)))])


def lines(judged: Iterable[Judgement]) -> list[Any]:
    stream = io.BytesIO()
    written = JsonLines(stream)
    for judgement in judged:
        written.message(StoredRecord(b"{}", topic="orders", partition=3, offset=17), judgement)
    written.end(Tally())
    return [json.loads(line, parse_float=Decimal) for line in stream.getvalue().splitlines()]


def test_json_has_the_same_keys_in_every_line() -> None:
    event, skip, reject = lines([EVENT, FILTERED, rejected(Fault("user", "null", "one"), Fault("\ud800", "x", "y"))])
    place = {"topic": "orders", "partition": 3, "offset": 17}
    assert event == place | {
        "outcome": "event", "route": "paid", "stage": None, "reason": None, "faults": [],
        "events": [{"user": {"channel": "c"}, "body": {"name": "n", "value": Decimal("1.10")}}],
    }  # fmt: skip
    assert skip == place | {
        "outcome": "skip", "route": None, "stage": None, "reason": "filtered", "faults": [], "events": [],
    }  # fmt: skip
    assert reject == place | {
        "outcome": "reject", "route": "paid", "stage": "validate", "reason": "invalid_event", "events": [],
        "faults": [
            {"field": "user", "found": "null", "expected": "one"}, {"field": "?", "found": "x", "expected": "y"},
        ],
    }  # fmt: skip


def test_an_event_over_several_lines_is_one_line_and_digit_for_digit_the_same() -> None:
    stream = io.BytesIO()
    text = b'{\r\n "a": 1.0000000000000000000001,\n "b": "x\\n"\n}'
    JsonLines(stream).message(of_line(1, b""), Judgement("event", "r", events=(text,)))
    (line,) = stream.getvalue().splitlines()
    assert b"1.0000000000000000000001" in line
    assert json.loads(line)["events"][0]["b"] == "x\n"


def test_sums_by_reason_and_field() -> None:
    tally = Tally()
    for number in range(3):
        tally.add(
            rejected(
                Fault(f"[{number}].body.items[{number}].text", "", ""),
                Fault(f"[{number + 9}].body.items[7].text", "", ""),
            )
        )
    tally.add(Judgement("event", "r", events=(b"{}", b"{}")))
    tally.add(TOMBSTONE)
    kind = RejectKind("validate", "invalid_event")
    assert (tally.messages, tally.sent, tally.events, tally.rejects) == (5, 1, 2, 3)
    assert tally.fields == {kind: {"[].body.items[].text": 3}}
    assert (tally.rejected, tally.skipped, tally.by_route) == ({kind: 3}, {"tombstone": 1}, {"r": 1})


def test_fields_without_end_take_no_room_without_end() -> None:
    tally = Tally()
    for number in range(3000):
        tally.add(rejected(Fault(f"body.properties.p{number}", "", "")))
    (fields,) = tally.fields.values()
    assert (len(fields), fields[OTHER_FIELDS], fields.total()) == (1001, 2000, 3000)
    stream = io.StringIO()
    screen(stream).end(tally)
    assert "   2,000    66.7%      other fields\n" in stream.getvalue()
    assert "     981    32.7%      in 981 more fields\n" in stream.getvalue()
    assert len(stream.getvalue().splitlines()) < 30


def test_nothing_is_summed_up_where_there_was_nothing() -> None:
    assert shown([]) == ""
