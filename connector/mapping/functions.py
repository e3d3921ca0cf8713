"""The functions that expressions have beside JMESPath's own.

Rules that hold for all of them: null in the first argument gives null, so that an optional field is left out; an
argument of a wrong kind is a ValueFault, never a guess; a finite number stays finite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from connector.mapping.contract_rules import describe, is_finite
from connector.mapping.faults import ValueFault
from connector.mapping.json_text import text_of
from connector.mapping.message import Message
from connector.mapping.timestamps import epoch_seconds, utc_text

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DIGITS_MAX = 30
_EXACT = Context(prec=2_000)
_BOOLEANS: Mapping[object, bool] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_parse_json = msgspec.json.Decoder().decode


class Function(NamedTuple):
    call: Callable[..., Any]
    least: int
    """Arguments at least."""
    most: int | None
    """Arguments at most; None: any number."""
    reads_message: bool = False


def functions_of(message: Message) -> dict[str, Function]:
    """All of them, those that read the message bound to it."""
    bound = {
        "key": Function(message.key, 0, 0, True),
        "header": Function(message.header, 1, 1, True),
        "topic": Function(message.topic, 0, 0, True),
        "partition": Function(message.partition, 0, 0, True),
        "offset": Function(message.offset, 0, 0, True),
        "record_timestamp": Function(message.record_timestamp, 0, 0, True),
        "message": Function(message.message, 0, 0, True),
        "index": Function(message.index, 0, 0, True),
    }
    return _PURE | bound


def number_of(text: str) -> int | float | Decimal | None:
    """The number that a text is, with all its digits; None: it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("+-").isdigit():
        return int(text) if len(text) <= 4_000 else None
    as_float = float(text)
    exact = Decimal(text)
    return as_float if Decimal(repr(as_float)) == exact else exact


def _string(value: object, what: str = "a string") -> str:
    if not isinstance(value, str):
        raise ValueFault(describe(value), what)
    return value


def _count(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueFault(describe(value), what)
    return value


def _lower(value: object) -> str | None:
    return None if value is None else _string(value).lower()


def _upper(value: object) -> str | None:
    return None if value is None else _string(value).upper()


def _trim(value: object) -> str | None:
    return None if value is None else _string(value).strip()


def _truncate(value: object, length: object) -> str | None:
    return None if value is None else _string(value)[: _count(length, "a length")]


def _replace(value: object, old: object, new: object) -> str | None:
    if value is None:
        return None
    if not _string(old):
        raise ValueFault("an empty string", "the text to replace")
    return _string(value).replace(_string(old), _string(new))


def _split(value: object, separator: object) -> list[str] | None:
    if value is None:
        return None
    if not _string(separator):
        raise ValueFault("an empty string", "a separator")
    return _string(value).split(_string(separator))


def _coalesce(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _to_text(value: object) -> str | None:
    return None if value is None else text_of(value)


def _number(value: object) -> int | float | Decimal | None:
    if value is None:
        return None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return value
    number = number_of(_string(value, "a number, or a text that is one").strip())
    if number is None:
        raise ValueFault(f"{describe(value)} that is no number", "a number, or a text that is one")
    return number


def _boolean(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    boolean = _BOOLEANS.get(value.strip().lower() if isinstance(value, str) else str(value))
    if boolean is None:
        raise ValueFault(describe(value), "true, false, yes, no, 1 or 0")
    return boolean


def _round(value: object, digits: object = 0) -> int | float | Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueFault(describe(value), "a number")
    places = _count(digits, "a number of digits behind the point")
    if places > _DIGITS_MAX:
        raise ValueFault(f"{places} digits", f"at most {_DIGITS_MAX} digits behind the point")
    if isinstance(value, int):
        return value
    if not is_finite(value):
        raise ValueFault(describe(value), "a finite number")
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    try:
        rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    except InvalidOperation:  # so many digits before the point that those behind it make no difference
        return value
    if places == 0:
        return int(rounded)
    return rounded if isinstance(value, Decimal) else float(rounded)


def _sha256(value: object) -> str | None:
    """Of the UTF-8 of a text, or of a number's JSON text; in hexadecimal."""
    return None if value is None else sha256(text_of(value).encode("utf-8", "surrogatepass")).hexdigest()


def _from_json(value: object) -> Any:
    if value is None:
        return None
    try:
        return _parse_json(_string(value, "a text that holds JSON"))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise ValueFault(f"{describe(value)} that is not JSON", "a text that holds JSON") from None


_PURE: dict[str, Function] = {
    "timestamp": Function(utc_text, 1, 2),
    "epoch_seconds": Function(epoch_seconds, 1, 2),
    "lower": Function(_lower, 1, 1),
    "upper": Function(_upper, 1, 1),
    "trim": Function(_trim, 1, 1),
    "truncate": Function(_truncate, 2, 2),
    "replace": Function(_replace, 3, 3),
    "split": Function(_split, 2, 2),
    "coalesce": Function(_coalesce, 1, None),
    "string": Function(_to_text, 1, 1),
    "number": Function(_number, 1, 1),
    "boolean": Function(_boolean, 1, 1),
    "round": Function(_round, 1, 2),
    "sha256": Function(_sha256, 1, 1),
    "from_json": Function(_from_json, 1, 1),
}
