"""JSON is read strictly, exactly, and within bounds."""

from __future__ import annotations

import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.decode.json_values import JSON_DEPTH_MAX, json_value
from connector.errors import DecodeError

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_what_json_can_say_comes_back_as_it_is(value, ascii_only):
    try:
        written = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # an unpaired surrogate cannot be written in UTF-8
        return
    assert repr(json_value(written)) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"12345678901234567890123", 12345678901234567890123),
        (b"-9223372036854775809", -9223372036854775809),
        (b"1" * 4000, int("1" * 4000)),
        (b"239.85", 239.85),
        (b"0.123456789012345", 0.123456789012345),
        (b"1e2", 100.0),
        (b"1.0", 1.0),
        (b"5e-324", 5e-324),
        (b"1e-400", 0.0),
        (b' {"a" : [ ] }\r\n', {"a": []}),
        (b"\xef\xbb\xbf{}", {}),
        (b'"\\u00e9\\ud83d\\ude00\\u0000"', "é😀\0"),
        ('"é😀"'.encode(), "é😀"),
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        (b"null", None),
    ],
)
def test_exact_values(text, value):
    read = json_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"  ",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"9" * 10_000,
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x10",
        b"{} x",
        b"{}{}",
        b'{"a": 1',
        b'{"a": 1,}',
        b"[1,]",
        b"{'a': 1}",
        b"{a: 1}",
        b"/* c */ {}",
        b'"a\nb"',
        b'"\x01"',
        b'"\\x41"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'"\\ud800"',
        b'"\\ud800\\u0041"',
        b'"\\udc00"',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
        b"\x00",
        b"\x1f\x8b\x08",
    ],
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(DecodeError) as refused:
        json_value(text)
    assert refused.value.reason == "not_json"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded_exactly(opening, closing):
    deepest = opening * JSON_DEPTH_MAX + b"1" + closing * JSON_DEPTH_MAX
    value = json_value(deepest)
    for _ in range(JSON_DEPTH_MAX):
        value = value[0] if isinstance(value, list) else value["a"]
    assert value == 1
    with pytest.raises(DecodeError) as refused:
        json_value(opening + deepest + closing)
    assert refused.value.reason == "too_deep"


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 1_000_000])
def test_absurd_depth_is_a_reject_and_no_crash(text):
    with pytest.raises(DecodeError) as refused:
        json_value(text)
    assert refused.value.reason == "too_deep"


def test_depth_does_not_depend_on_the_callers_stack():
    def deeper(levels: int) -> object:
        return deeper(levels - 1) if levels else json_value(b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX)

    assert deeper(sys.getrecursionlimit() // 2)


def test_brackets_in_strings_and_beside_each_other_are_no_depth():
    assert json_value(b'["' + b"[{" * 1000 + b'\\"[[\\\\"]') == ["[{" * 1000 + '"[[\\']
    assert len(json_value(b"[" + b",".join([b"[[]]"] * 5000) + b"]")) == 5000


def test_an_open_string_of_many_brackets_takes_linear_time():
    with pytest.raises(DecodeError):
        json_value(b'["' + b"\\[" * 500_000)


def test_faults_do_not_quote_the_payload():
    for text in (b'{"named_user_id": "hugh.manbeing"', b'{"hugh": \xff}', b"hugh"):
        with pytest.raises(DecodeError) as refused:
            json_value(text)
        assert "hugh" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": NaN}', "found NaN at byte 6, which JSON does not have, expected a finite number, or null"),
        (b'{"a": [1, -Infinity]}', "found -Infinity at byte 10, which JSON does not have"),
        (b"Infinity", "found Infinity at byte 0,"),
        (b'{"NaN": xan}', "found 12 bytes that are no JSON (invalid character at byte 8)"),
        (b"[Infinitys]", "found 11 bytes that are no JSON (invalid character at byte 1)"),
        (b"[-Infinit", "found 9 bytes that are no JSON (invalid character at byte 2)"),
        (b'{"a": 1', "found 7 bytes that are no JSON (Input data was truncated)"),
        (b"", "found no bytes at all"),
    ],
)
def test_the_fault_says_where_it_is_and_what(text, said):
    with pytest.raises(DecodeError) as refused:
        json_value(text)
    assert said in str(refused.value)


def test_no_number_becomes_infinite():
    with pytest.raises(DecodeError):
        json_value(b"1.8e308")
    assert math.isfinite(json_value(b"1.7976931348623157e308"))
