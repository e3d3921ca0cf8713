"""From what Avro's binary form holds to what JSON can say: the logical types, and bytes, fixed, float and enum.

fastavro lets its users add logical types (`LOGICAL_READERS`); these carry names of our own, so that whatever else runs
in the process keeps fastavro's. avro_schema puts them into the reading schema; each reader is called with the raw value
and its part of that schema, in which `airship-field` is the path for messages.

Why not fastavro's own: its decimal rounds a value beyond the declared precision, dates after the year 9999 raise, a
negative time of day wraps around, nanoseconds and durations stay raw (each tried).
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Any, TypeAlias, cast
from uuid import UUID

from fastavro.read import LOGICAL_READERS

from connector.decode.avro_bounds import refusal
from connector.errors import DecodeError

PREFIX = "airship-"
FIELD = "airship-field"
SCALE = "airship-scale"
SYMBOLS = "airship-symbols"

DECIMAL_BYTES_MAX = 512
"""1,233 digits: the time to turn bytes into decimal digits grows with the square of their number."""
DECIMAL_SCALE_MAX = 1_233

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  UTC by definition; the suffix is written by hand
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 86_400
_FLOAT = struct.Struct("<f")

Attributes: TypeAlias = dict[str, Any]
Reader: TypeAlias = Callable[[Any, Attributes, Any], Any]


def _out_of_range(what: str, attributes: Attributes, expected: str) -> DecodeError:
    return refusal("not_avro", what, expected, attributes[FIELD])


def _moment(ticks: int, per_second: int, attributes: Attributes) -> str:
    """`2024-01-02T03:04:05`, with the fraction in the unit's own digits where it is not zero."""
    seconds, fraction = divmod(ticks, per_second)
    try:
        text = _second(seconds)
    except OverflowError:
        raise _out_of_range("a timestamp outside the calendar", attributes, "the years 1 to 9999") from None
    return f"{text}.{fraction:0{_DIGITS[per_second]}}" if fraction else text


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Most messages are of the last few seconds or of one stretch of a backfill, and the calendar is slow."""
    return (_EPOCH + timedelta(0, seconds)).isoformat()


_DIGITS = {1_000: 3, 1_000_000: 6, 1_000_000_000: 9}


def _timestamp(per_second: int, zone: str) -> Reader:
    def read(ticks: int, attributes: Attributes, _reader_schema: Any = None) -> str:
        return _moment(ticks, per_second, attributes) + zone

    return read


def _time_of_day(per_second: int) -> Reader:
    def read(ticks: int, attributes: Attributes, _reader_schema: Any = None) -> str:
        if not 0 <= ticks < _DAY_SECONDS * per_second:
            raise _out_of_range("a time of day outside the day", attributes, "00:00:00 up to 24:00:00")
        return _moment(ticks, per_second, attributes)[11:]

    return read


def _date(days: int, attributes: Attributes, _reader_schema: Any = None) -> str:
    try:
        return date.fromordinal(days + _EPOCH_ORDINAL).isoformat()
    except (ValueError, OverflowError):
        raise _out_of_range("a date outside the calendar", attributes, "the years 1 to 9999") from None


def _decimal(unscaled: bytes, attributes: Attributes, _reader_schema: Any = None) -> Decimal:
    return _exact_decimal(unscaled, attributes[SCALE], attributes)


def _exact_decimal(unscaled: bytes, scale: int, attributes: Attributes) -> Decimal:
    if len(unscaled) > DECIMAL_BYTES_MAX:
        raise _out_of_range(f"a decimal of {len(unscaled)} bytes", attributes, f"at most {DECIMAL_BYTES_MAX}")
    return Decimal(int.from_bytes(unscaled, "big", signed=True)).scaleb(-scale, _EXACT)


def _big_decimal(encoded: bytes, attributes: Attributes, _reader_schema: Any = None) -> Decimal:
    """Avro 1.12: the bytes hold the unscaled number as Avro bytes, then the scale as an Avro int."""
    size, start = _long(encoded, 0, attributes)
    scale, end = _long(encoded, start + size, attributes) if size >= 0 else (0, -1)
    if end != len(encoded) or abs(scale) > DECIMAL_SCALE_MAX:
        raise _malformed_big_decimal(attributes)
    return _exact_decimal(encoded[start : start + size], scale, attributes)


def _long(encoded: bytes, at: int, attributes: Attributes) -> tuple[int, int]:
    result = 0
    for position, byte in enumerate(encoded[at : at + 10]):
        result |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return (result >> 1) ^ -(result & 1), at + position + 1
    raise _malformed_big_decimal(attributes)


def _malformed_big_decimal(attributes: Attributes) -> DecodeError:
    return _out_of_range("a malformed big-decimal", attributes, "length, unscaled number and scale")


def _duration(raw: bytes, _attributes: Attributes, _reader_schema: Any = None) -> str:
    """ISO 8601, as `P1M2DT3.004S`: three unsigned numbers that Avro does not convert into each other."""
    months, days, millis = struct.unpack("<III", raw)
    return f"P{months}M{days}DT{millis // 1000}.{millis % 1000:03}S"


def _uuid(raw: bytes, _attributes: Attributes, _reader_schema: Any = None) -> str:
    return str(UUID(bytes=raw))


def _base64(raw: bytes, _attributes: Attributes, _reader_schema: Any = None) -> str:
    return b2a_base64(raw, newline=False).decode("ascii")


def _enum(index: int, attributes: Attributes, _reader_schema: Any = None) -> Any:
    symbols = attributes[SYMBOLS]
    if 0 <= index < len(symbols):
        return symbols[index]
    raise _out_of_range(f"number {index} of the symbols of the enum", attributes, f"0 to {len(symbols) - 1}")


def _shortest_float(value: float, _attributes: Attributes, _reader_schema: Any = None) -> float:
    """The shortest decimal that is the same 32-bit number: 239.85, where the exact value is 239.8500061035156."""
    if value - value != 0.0:  # infinite or not a number: the validation says so with the field's name
        return value
    packed = _FLOAT.pack(value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if _pack_float(short) == packed:
            return short
    return float(f"{value:.9g}")  # nine digits always tell 32-bit numbers apart


def _pack_float(value: float) -> bytes | None:
    try:
        return _FLOAT.pack(value)
    except OverflowError:  # rounded up past the largest 32-bit number
        return None


def _standard_readers() -> dict[tuple[str, str], Reader]:
    readers: dict[tuple[str, str], Reader] = {
        ("bytes", "decimal"): _decimal,
        ("fixed", "decimal"): _decimal,
        ("bytes", "big-decimal"): _big_decimal,
        ("fixed", "uuid"): _uuid,
        ("fixed", "duration"): _duration,
        ("int", "date"): _date,
        ("int", "time-millis"): _time_of_day(1_000),
        ("long", "time-micros"): _time_of_day(1_000_000),
    }
    for unit, per_second in (("millis", 1_000), ("micros", 1_000_000), ("nanos", 1_000_000_000)):
        readers["long", f"timestamp-{unit}"] = _timestamp(per_second, "Z")
        readers["long", f"local-timestamp-{unit}"] = _timestamp(per_second, "")
    return readers


_STANDARD = _standard_readers()
TIMESTAMPS = {
    f"{PREFIX}{zone}timestamp-{unit}": per_second
    for zone in ("", "local-")
    for unit, per_second in (("millis", 1_000), ("micros", 1_000_000), ("nanos", 1_000_000_000))
}
"""The logical types that are a time, and how many of their ticks are a second."""
_OWN: dict[tuple[str, str], Reader] = {
    ("bytes", "base64"): _base64,
    ("fixed", "base64"): _base64,
    ("float", "shortest"): _shortest_float,
    ("int", "enum"): _enum,
}
KNOWN = frozenset(_STANDARD)
"""Pairs of Avro type and logical type that schemas may name. (A `uuid` on a string is the string.)"""

for (_avro_type, _logical), _read in (_STANDARD | _OWN).items():
    cast("dict[str, Reader]", LOGICAL_READERS)[f"{_avro_type}-{PREFIX}{_logical}"] = _read
