"""JSON bytes to plain Python values, strictly as RFC 8259 says it. The only place where msgspec's exceptions are known.

UTF-8 only, one byte order mark in front is passed over, NaN and Infinity are refused, so are numbers beyond a double
and unpaired surrogates. Integers keep every digit. Numbers with a fraction or an exponent become doubles, as in every
JSON reader that does not say otherwise: up to 15 significant digits come out as they went in. Of a name that stands
twice in one object the last one counts.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from connector.decode.avro_bounds import refusal
from connector.errors import DecodeError

JSON_DEPTH_MAX = 100
"""Objects and arrays inside each other. Well below what the interpreter's stack allows to those who walk the value."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode
_POSITION = re.compile(r" \(byte (\d+)\)$")
_NOT_FINITE = re.compile(rb"-?(?:NaN|Infinity)\b")
_STRINGS_AND_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def without_byte_order_mark(text: bytes) -> bytes:
    return text[3:] if text.startswith(BYTE_ORDER_MARK) else text


def json_value(text: bytes) -> Any:
    """Raises DecodeError for bytes that are not exactly one JSON text."""
    text = without_byte_order_mark(text)
    # Counting is ten times as fast as looking, and tells nearly every text that cannot be too deep.
    if text.count(b"[") + text.count(b"{") > JSON_DEPTH_MAX:
        _check_depth(text)
    try:
        return _decode(text)
    except UnicodeDecodeError as error:
        raise refusal("not_json", f"bytes that are not UTF-8 ({error.reason})", "JSON in UTF-8") from error
    except msgspec.DecodeError as error:  # its text names the position and no content
        raise _not_json(text, str(error)) from error


def _not_json(text: bytes, said: str) -> DecodeError:
    """msgspec's finding in a reader's words; NaN and Infinity, which many programs write into JSON, by their names."""
    if not text:
        return refusal("not_json", "no bytes at all", "one JSON text in UTF-8")
    position = _POSITION.search(said)
    if position is not None:
        at = int(position[1])
        at -= text[at - 1 : at] == b"-"
        literal = _NOT_FINITE.match(text, at)
        if literal is not None:
            found = f"{literal[0].decode()} at byte {at}, which JSON does not have"
            return refusal("not_json", found, "a finite number, or null")
    why = _POSITION.sub(r" at byte \1", said.removeprefix("JSON is malformed: "))
    return refusal("not_json", f"{len(text)} bytes that are no JSON ({why})", "one JSON text in UTF-8")


def _check_depth(text: bytes) -> None:
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        token = match[0]
        if token in b"[{":
            depth += 1
            if depth > JSON_DEPTH_MAX:
                raise refusal(
                    "too_deep",
                    f"objects and arrays nested deeper than {JSON_DEPTH_MAX} at byte {match.start()}",
                    f"at most {JSON_DEPTH_MAX} inside each other",
                )
        elif token in b"]}":
            depth -= 1
