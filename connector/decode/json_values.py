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

JSON_DEPTH_MAX = 100
"""Objects and arrays inside each other. Well below what the interpreter's stack allows to those who walk the value."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode
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
        found = f"{len(text)} bytes of which msgspec says: {error}" if text else "no bytes at all"
        raise refusal("not_json", found, "one JSON text in UTF-8") from error


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
