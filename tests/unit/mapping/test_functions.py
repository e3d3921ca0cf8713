"""The functions beside JMESPath's own, through the expressions that use them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.mapping.expressions import Compiler
from connector.mapping.faults import ValueFault
from connector.mapping.functions import functions_of
from connector.mapping.message import Message
from connector.mapping.timestamps import epoch_seconds, normalized_occurred, utc_text
from tests.unit.mapping.records import StoredRecord


def call(expression: str, document: Any = None, message: Message | None = None) -> Any:
    return Compiler(message or Message()).compile(expression).evaluate(document)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, "2023-11-14T22:13:20"),
        (1_700_000_000.999, "2023-11-14T22:13:20"),
        (1_700_000_000_999, "2023-11-14T22:13:20"),
        (1_700_000_000_999_999, "2023-11-14T22:13:20"),
        (1_700_000_000_999_999_999, "2023-11-14T22:13:20"),
        (Decimal("1700000000.999"), "2023-11-14T22:13:20"),
        ("1700000000", "2023-11-14T22:13:20"),
        ("1700000000.5", "2023-11-14T22:13:20"),
        (0, "1970-01-01T00:00:00"),
        (-1, "1969-12-31T23:59:59"),
        (-0.5, "1969-12-31T23:59:59"),
        (99_999_999_999, "5138-11-16T09:46:39"),
        ("2023-11-14T22:13:20", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20"),
        ("2023-11-14 22:13:20", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20.999Z", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20.999999999Z", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20.999999999+00:00", "2023-11-14T22:13:20"),
        ("2023-11-15T00:13:20+02:00", "2023-11-14T22:13:20"),
        ("2023-11-14T14:43:20.5-0730", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20+00:00", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13", "2023-11-14T22:13:00"),
        ("2023-11-14T22:13Z", "2023-11-14T22:13:00"),
        ("2023-11-14", "2023-11-14T00:00:00"),
        ("20231114", "2023-11-14T00:00:00"),
        ("20231114T221320Z", "2023-11-14T22:13:20"),
        (None, None),
    ],
)
def test_timestamp_reads_what_messages_hold(value: object, expected: str | None) -> None:
    assert call("timestamp(@)", value) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("timestamp(`1700000000`, 's')", "2023-11-14T22:13:20"),
        ("timestamp(`1000`, 'ms')", "1970-01-01T00:00:01"),
        ("timestamp(`1500000`, 'us')", "1970-01-01T00:00:01"),
        ("timestamp(`1500000000`, 'ns')", "1970-01-01T00:00:01"),
        ("timestamp(`19675`, 'days')", "2023-11-14T00:00:00"),
        ("timestamp('19675', 'days')", "2023-11-14T00:00:00"),
        ("timestamp(`0.5`, 'days')", "1970-01-01T12:00:00"),
        ("timestamp('2023-11-14T22:13:20Z', 'ms')", "2023-11-14T22:13:20"),
        ("timestamp(`null`, 'ms')", None),
        ("epoch_seconds('2023-11-14T22:13:20.9Z')", 1_700_000_000),
        ("epoch_seconds(`1700000000999`)", 1_700_000_000),
        ("epoch_seconds('1969-12-31T23:59:59.5Z')", -1),
        ("epoch_seconds(`null`)", None),
    ],
)
def test_units_and_seconds(expression: str, expected: object) -> None:
    assert call(expression) == expected


@pytest.mark.parametrize(
    ("expression", "value", "found"),
    [
        ("timestamp(@)", "yesterday", "a string of 9 characters that is no time"),
        ("timestamp(@)", "", "an empty string that is no time"),
        ("timestamp(@)", "2023-02-30", "a string of 10 characters that is no time"),
        ("timestamp(@)", "0001-01-01T00:00:00+10:00", "a string of 25 characters that is no time"),
        ("timestamp(@)", True, "a boolean"),
        ("timestamp(@)", {"a": 1}, "an object of 1 fields"),
        ("timestamp(@)", float("nan"), "a number outside the years 1 to 9999"),
        ("timestamp(@)", float("inf"), "a number outside the years 1 to 9999"),
        ("timestamp(@)", 10**30, "a number outside the years 1 to 9999"),
        ("timestamp(@)", Decimal("NaN"), "a number outside the years 1 to 9999"),
        ("timestamp(@, 'weeks')", 1, "unit weeks"),
        ("timestamp(@, `1`)", 1, "a number"),
        ("timestamp(@, 'days')", 10**12, "a number outside the years 1 to 9999"),
    ],
)
def test_what_is_no_time(expression: str, value: object, found: str) -> None:
    with pytest.raises(ValueFault) as refused:
        call(expression, value)
    assert refused.value.found == found


@given(st.integers(-(10**11) + 1, 10**11 - 1))
def test_seconds_become_what_the_calendar_says(seconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(seconds, -60_000_000_000), 250_000_000_000))
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert utc_text(seconds, "s") == moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


@given(st.datetimes(datetime(1974, 1, 1), datetime(2200, 1, 1)), st.integers(-12, 14))  # noqa: DTZ001
def test_all_ways_to_say_one_moment_agree(moment: datetime, hours: int) -> None:
    expected = moment.isoformat(timespec="seconds")
    seconds = int((moment.replace(tzinfo=UTC, microsecond=0)).timestamp())
    elsewhere = (moment + timedelta(hours=hours)).isoformat() + f"{hours:+03}:00"
    for value in (
        seconds,
        seconds * 1_000,
        seconds * 1_000 + 999,
        moment.isoformat(),
        moment.isoformat() + "Z",
        elsewhere,
    ):
        assert utc_text(value) == expected
        assert epoch_seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20+01:00", "2023-11-14T21:13:20"),
        (1_700_000_000_000, "2023-11-14T22:13:20"),
        ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20"),
        ("2023-11-14 22:13:20", "2023-11-14T22:13:20"),
        ("yesterday", "yesterday"),
        ([1], [1]),
        (None, None),
    ],
)
def test_occurred_is_brought_into_form_and_left_alone_where_it_is_none(value: object, expected: object) -> None:
    assert normalized_occurred(value) == expected


@pytest.mark.parametrize(
    ("expression", "document", "expected"),
    [
        ("lower(@)", "ÀB c", "àb c"),
        ("upper(@)", "àb", "ÀB"),
        ("trim(@)", " a b\t\n", "a b"),
        ("truncate(@, `3`)", "abcdef", "abc"),
        ("truncate(@, `9`)", "abcdef", "abcdef"),
        ("replace(@, '.', '_')", "a.b.c", "a_b_c"),
        ("replace(@, 'x', '')", "axb", "ab"),
        ("split(@, '/')", "a//b", ["a", "", "b"]),
        ("split(@, '/')[-1]", "a/b", "b"),
        ("join('-', split(@, ' '))", "a b", "a-b"),
        ("coalesce(a, b, 'c')", {"b": ""}, ""),
        ("coalesce(a, b, 'c')", {}, "c"),
        ("coalesce(a)", {}, None),
        ("string(@)", 12, "12"),
        ("string(@)", 1.5, "1.5"),
        ("string(@)", True, "true"),
        ("string(@)", Decimal("1E+3"), "1000"),
        ("string(@)", Decimal("0.10"), "0.10"),
        ("string(@)", {"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        ("number(@)", "12", 12),
        ("number(@)", " -1.50 ", -1.5),
        ("number(@)", "1e3", 1000.0),
        ("number(@)", "0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
        ("number(@)", "123456789012345678901234567890", 123456789012345678901234567890),
        ("number(@)", 7, 7),
        ("boolean(@)", "Yes", True),
        ("boolean(@)", "false", False),
        ("boolean(@)", 0, False),
        ("boolean(@)", 1, True),
        ("boolean(@)", True, True),
        ("round(@)", 2.5, 3),
        ("round(@, `2`)", 2.675, 2.68),
        ("round(@, `2`)", Decimal("2.675"), Decimal("2.68")),
        ("round(@, `2`)", -1.005, -1.01),
        ("round(@, `2`)", 7, 7),
        ("round(@, `1`)", 1e300, 1e300),
        ("round(@, `1`)", Decimal("12345678901234567890123456789.55"), Decimal("12345678901234567890123456789.6")),
        ("round(@)", 1e300, int(Decimal("1e300"))),
        ("sha256(@)", "hugh", hashlib.sha256(b"hugh").hexdigest()),
        ("sha256(@)", "ü", hashlib.sha256("ü".encode()).hexdigest()),
        ("sha256(@)", 42, hashlib.sha256(b"42").hexdigest()),
        ("from_json(@).a[0]", '{"a": [1]}', 1),
    ],
)
def test_functions(expression: str, document: Any, expected: Any) -> None:
    found = call(expression, document)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("name", sorted(functions_of(Message())))
def test_null_in_null_out(name: str) -> None:
    function = functions_of(Message())[name]
    if function.reads_message:
        return
    arguments = ["`null`", *["'x'"] * (function.least - 1)]
    assert call(f"{name}({', '.join(arguments)})") is None


@pytest.mark.parametrize(
    ("expression", "document", "found"),
    [
        ("lower(@)", 1, "a number"),
        ("upper(@)", [], "an array of 0 items"),
        ("trim(@)", True, "a boolean"),
        ("truncate(@, `-1`)", "a", "a number"),
        ("truncate(@, 'x')", "a", "a string of 1 characters"),
        ("replace(@, '', 'x')", "a", "an empty string"),
        ("replace(@, 'a', `null`)", "a", "null"),
        ("split(@, '')", "a", "an empty string"),
        ("number(@)", "12 EUR", "a string of 6 characters that is no number"),
        ("number(@)", "nan", "a string of 3 characters that is no number"),
        ("number(@)", "٣", "a string of 1 characters that is no number"),
        ("number(@)", "9" * 5_000, "a string of 5000 characters that is no number"),
        ("number(@)", True, "a boolean"),
        ("boolean(@)", "maybe", "a string of 5 characters"),
        ("boolean(@)", 2, "a number"),
        ("round(@)", "1", "a string of 1 characters"),
        ("round(@, `99`)", 1.5, "99 digits"),
        ("round(@)", float("nan"), "NaN"),
        ("string(@)", float("inf"), "Infinity"),
        ("sha256(@)", float("nan"), "NaN"),
        ("from_json(@)", "{", "a string of 1 characters that is not JSON"),
        ("from_json(@)", "\ud800", "a string of 1 characters that is not JSON"),
        ("from_json(@)", "[" * 5_000, "a string of 5000 characters that is not JSON"),
        ("from_json(@)", 1, "a number"),
    ],
)
def test_an_argument_of_a_wrong_kind_is_named_and_not_quoted(expression: str, document: Any, found: str) -> None:
    with pytest.raises(ValueFault) as refused:
        call(expression, document)
    assert refused.value.found == found
    assert refused.value.expected


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_its_text(number: float) -> None:
    found = call("number(string(@))", number)
    assert (found, type(found)) == (number, type(number))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20))
def test_a_decimal_keeps_every_digit(number: Decimal) -> None:
    found = call("number(string(@))", number)
    assert Decimal(repr(found)) == number if isinstance(found, float) else found == number


def message_of(record: StoredRecord) -> Message:
    message = Message()
    message.record = record
    return message


def test_the_message_is_reachable() -> None:
    record = StoredRecord(
        b"value",
        topic="orders",
        partition=3,
        offset=42,
        key="ü".encode(),
        headers=[("a", b"1"), ("b", None), ("a", b"2")],
    )
    message = message_of(record)
    message.value = {"whole": True}
    message.item_index = 7
    expression = (
        "[key(), header('a'), header('b'), header('c'), topic(), partition(), offset(), message().whole, index()]"
    )
    assert call(expression, 1, message) == ["ü", "2", None, None, "orders", 3, 42, True, 7]


def test_a_message_may_have_neither_key_nor_headers_nor_a_time() -> None:
    message = message_of(StoredRecord(b"value", timestamp=(0, -1)))
    assert call("[key(), header('a'), record_timestamp()]", 1, message) == [None, None, None]


def test_the_timestamp_of_a_record_is_in_milliseconds() -> None:
    message = message_of(StoredRecord(b"value", timestamp=(1, 1_700_000_000_999)))
    assert call("record_timestamp()", 1, message) == 1_700_000_000_999
    assert call("timestamp(record_timestamp())", 1, message) == "2023-11-14T22:13:20"


def test_bytes_that_are_no_text_are_named() -> None:
    message = message_of(StoredRecord(b"value", key=b"\xff\xfe", headers=[("h", b"\xff")]))
    for expression, found in (("key()", "a key of 2 bytes"), ("header('h')", "header h of 1 bytes")):
        with pytest.raises(ValueFault) as refused:
            call(expression, 1, message)
        assert refused.value.found == f"{found} that are not UTF-8"
