"""Values to JSON text: decimals as numbers with all their digits, nothing that JSON does not have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from connector.mapping.contract_rules import describe, is_finite
from connector.mapping.faults import ValueFault

_PLAIN_DIGITS_MAX = 40
_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_bytes(value: Any) -> bytes:
    """The caller has made sure that there is no NaN and no Infinity in it: msgspec would write null."""
    return _encode(value)


def text_of(value: object) -> str:
    """A value inside a text: strings as they are, all else as JSON has it; null has none. Raises ValueFault."""
    match value:
        case str():
            return value
        case True:
            return "true"
        case False:
            return "false"
        case int():
            return str(value)
        case float() | Decimal():
            return _number_text(value)
        case list() | dict():
            return _encode(value).decode()
        case _:
            raise ValueFault(describe(value), "a value that has a text")


def _number_text(value: float | Decimal) -> str:
    if not is_finite(value):
        raise ValueFault(describe(value), "a finite number")
    if isinstance(value, Decimal) and abs(value.adjusted()) < _PLAIN_DIGITS_MAX:
        return f"{value:f}"  # 1000, where JSON would have 1E+3
    return _encode(value).decode()
