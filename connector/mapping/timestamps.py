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
_MILLISECONDS_FROM = 10**11
_MICROSECONDS_FROM = 10**14
_NANOSECONDS_FROM = 10**17
_DAY_SECONDS = 86_400
_EXPONENT_MAX = 30
"""Of ten, above every time of the calendar in every unit."""
_DAYS_KEPT_MAX = 1_000
_MOMENTS_KEPT_MAX = 4_096
_day_texts: dict[int, str] = {}
_MINUTE_TEXTS = [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1_440)]
_SECOND_TEXTS = [f"{second:02}" for second in range(60)]
_UNITS = ("s", "ms", "us", "ns", "days")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_NANOSECONDS = re.compile(r"(\.[0-9]{6})[0-9]+")


def utc_text(value: object, unit: object = None) -> str | None:
    """`2024-01-31T23:59:59`, fractions cut off; null stays null.

    Without a unit a number is told by its size: below 10^11 seconds (to the year 5138), below 10^14 milliseconds, below
    10^17 microseconds, else nanoseconds. A text without an offset is UTC. Raises ValueFault.
    """
    if value is None:
        return None
    if unit is None:  # two short cuts that nearly all messages take
        if type(value) is int and 0 <= value < _MICROSECONDS_FROM:
            return _text_of_seconds(value if value < _MILLISECONDS_FROM else value // 1_000)
        if type(value) is str and (text := _whole_utc(value)) is not None:
            return text
    return _moment(value, unit).isoformat(timespec="seconds")


def epoch_seconds(value: object, unit: object = None) -> int | None:
    """Seconds since 1970, fractions cut off: what can be compared and reckoned with."""
    if value is None:
        return None
    return floor((_moment(value, unit) - _EPOCH).total_seconds())


def normalized_occurred(value: object) -> Any:
    """What `occurred` becomes in an event that is not sent as its own text: UTC in whole seconds.

    What is no time stays as it is, and the validation says what is wrong with it.
    """
    try:
        return utc_text(value)
    except ValueFault:
        return value


class Moments:
    """Times as `occurred` has them, in bytes. A stream holds few different ones, and these are looked up."""

    def __init__(self) -> None:
        self.of_seconds: Mapping[int, bytes] = _BySecond()
        """Of seconds since 1970. Raises ValueFault for what is outside the calendar."""
        self._of_texts: dict[str, bytes] = {}

    def of_value(self, value: object) -> bytes | None:
        """Null stays null. Raises ValueFault."""
        if type(value) is str:
            known = self._of_texts.get(value)
            return self._learnt(value) if known is None else known
        text = utc_text(value)
        return None if text is None else text.encode()

    def _learnt(self, value: str) -> bytes:
        text = utc_text(value)
        assert text is not None, "only null has no text"
        if len(self._of_texts) >= _MOMENTS_KEPT_MAX:
            self._of_texts.clear()
        found = self._of_texts[value] = text.encode()
        return found


class _BySecond(dict[int, bytes]):
    def __missing__(self, seconds: int) -> bytes:
        text = utc_text(seconds, "s")
        assert text is not None, "only null has no text"
        if len(self) >= _MOMENTS_KEPT_MAX:
            self.clear()
        found = self[seconds] = text.encode()
        return found


def _text_of_seconds(seconds: int) -> str:
    """Put together from parts: a third of what the calendar takes, and messages of one day are the rule."""
    day, second = divmod(seconds, _DAY_SECONDS)
    if (day_text := _day_texts.get(day)) is None:
        if len(_day_texts) >= _DAYS_KEPT_MAX:
            _day_texts.clear()
        day_text = _day_texts[day] = (_EPOCH + timedelta(day)).strftime("%Y-%m-%dT")
    minute, second = divmod(second, 60)
    return day_text + _MINUTE_TEXTS[minute] + _SECOND_TEXTS[second]


def _whole_utc(text: str) -> str | None:
    """The same for a text that needs cutting alone: extended form, in UTC or without an offset."""
    if text[10:11] != "T" or text[13:14] != ":" or len(text) > 26:
        return None
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        return None
    return text[:19] if text[16:17] == ":" and (zone is None or zone is UTC) else None


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
    if isinstance(number, Decimal) and number.is_finite() and number and number.adjusted() > _EXPONENT_MAX:
        raise _outside()  # not below: written out as an integer, 1E+999999 takes a second
    try:
        if unit == "days":
            seconds = floor(number * _DAY_SECONDS)
        else:
            per_second = _PER_SECOND[unit] if isinstance(unit, str) else _guessed(number)
            seconds = floor(number) // per_second
        return _EPOCH + timedelta(seconds=seconds)
    except (ValueError, ArithmeticError):  # NaN, Infinity, or outside the calendar
        raise _outside() from None


def _outside() -> ValueFault:
    return ValueFault("a number outside the years 1 to 9999", _EXPECTED)


def _guessed(number: int | float | Decimal) -> int:
    size = abs(floor(number))
    if size < _MILLISECONDS_FROM:
        return 1
    if size < _MICROSECONDS_FROM:
        return 1_000
    return 1_000_000 if size < _NANOSECONDS_FROM else 1_000_000_000
