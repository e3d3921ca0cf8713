"""Times as messages hold them, to the one form that the contract has: UTC in whole seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import floor
from typing import Any

from connector.mapping.contract_rules import describe
from connector.mapping.faults import ValueFault

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  UTC by definition; nothing here carries a zone
_EXPECTED = "an ISO 8601 time or a number since 1970"
_PER_SECOND: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400
_UNITS = ("s", "ms", "us", "ns", "days")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_NANOSECONDS = re.compile(r"(\.[0-9]{6})[0-9]+")
_WHOLE_UTC_LENGTHS = frozenset((19, 20))


def utc_text(value: object, unit: object = None) -> str | None:
    """`2024-01-31T23:59:59`, fractions cut off; null stays null.

    Without a unit a number is told by its size: below 10^11 seconds (to the year 5138), below 10^14 milliseconds, below
    10^17 microseconds, else nanoseconds. A text without an offset is UTC. Raises ValueFault.
    """
    if value is None:
        return None
    moment = _moment(value, unit)
    return moment.isoformat(timespec="seconds")


def epoch_seconds(value: object, unit: object = None) -> int | None:
    """Seconds since 1970, fractions cut off: what can be compared and reckoned with."""
    if value is None:
        return None
    return floor((_moment(value, unit) - _EPOCH).total_seconds())


def normalized_occurred(value: object) -> Any:
    """What `occurred` becomes in an event that is not sent as its own text: UTC in whole seconds.

    What is no time stays as it is, and the validation says what is wrong with it.
    """
    if isinstance(value, str) and len(value) in _WHOLE_UTC_LENGTHS and value[10:11] == "T":
        return value  # already right, or wrong in a way that the validation names
    try:
        return utc_text(value)
    except ValueFault:
        return value


def _moment(value: object, unit: object) -> datetime:
    if unit is not None and unit not in _UNITS:
        raise ValueFault(f"unit {unit}" if isinstance(unit, str) else describe(unit), f"one of {', '.join(_UNITS)}")
    if isinstance(value, str):
        return _of_text(value, unit)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueFault(describe(value), _EXPECTED)
    return _of_number(value, unit)


def _of_text(text: str, unit: object) -> datetime:
    if _NUMBER.fullmatch(text) and (unit is not None or len(text) > 8):
        return _of_number(Decimal(text), unit)  # shorter ones are ISO's basic form, 20240131
    try:
        moment = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text) if len(text) > 26 else text)
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueFault(f"{describe(text)} that is no time", _EXPECTED) from None


def _of_number(number: int | float | Decimal, unit: object) -> datetime:
    try:
        if unit == "days":
            seconds = floor(number * _DAY_SECONDS)
        else:
            per_second = _PER_SECOND[unit] if isinstance(unit, str) else _guessed(number)
            seconds = floor(number) // per_second
        return _EPOCH + timedelta(seconds=seconds)
    except (ValueError, OverflowError):  # NaN, Infinity, or outside the calendar
        raise ValueFault("a number outside the years 1 to 9999", _EXPECTED) from None


def _guessed(number: int | float | Decimal) -> int:
    size = abs(floor(number))
    if size < 100_000_000_000:
        return 1
    if size < 100_000_000_000_000:
        return 1_000
    return 1_000_000 if size < 100_000_000_000_000_000 else 1_000_000_000
