"""The leaves of the contract: what a time looks like, what in a value is not JSON, how a value is described.

Plain functions and constants: the models in `contract.py` put them together.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, TypeAlias

IDENTIFIERS = ("named_user_id", "channel", "ios_channel", "android_channel", "amazon_channel", "web_channel")
WINDOW_SECONDS = 90 * 86_400
STRING_ITEM_LENGTH_MAX = 255
FAULTS_MAX = 100
"""Of one event, and of all events of a message: more help nobody, and an event of some MiB could have a million."""
OCCURRED_EXPECTED = "a UTC time in whole seconds, as 2024-01-31T23:59:59 or 2024-01-31T23:59:59Z"
OCCURRED_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}Z?$"
UUID_PATTERN = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
UUID = re.compile(UUID_PATTERN)
"""Use with fullmatch: `$` alone lets a line feed pass."""

Place: TypeAlias = tuple[str | int, ...]
JsonFault: TypeAlias = tuple[Place, str, str]
"""(place, found, expected)"""

_OCCURRED = re.compile(OCCURRED_PATTERN)
_FRACTION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]+")
_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?[+-][0-9]{2}:?[0-9]{2}")


def describe(value: object) -> str:
    """What a value is, without quoting it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "an empty string" if not value else f"a string of {len(value)} characters"
        case int():
            return "a number"
        case float() | Decimal():
            return _describe_number(value)
        case list() | tuple():
            return f"an array of {len(value)} items"
        case dict():
            return f"an object of {len(value)} fields"
        case _:
            return f"a value of type {type(value).__name__}, which JSON does not have"


def _describe_number(value: float | Decimal) -> str:
    if is_finite(value):
        return "a number"
    is_nan = value.is_nan() if isinstance(value, Decimal) else isnan(value)
    return "NaN" if is_nan else "Infinity"


def is_finite(value: float | Decimal) -> bool:
    """Also of a decimal beyond a double's range, which `math.isfinite` takes for infinite."""
    return value.is_finite() if isinstance(value, Decimal) else isfinite(value)


def unreadable_time(text: str) -> str | None:
    """What keeps a text from being a time as the contract writes it; None: nothing does."""
    if not _OCCURRED.fullmatch(text):
        if _OFFSET.fullmatch(text):
            return "a time with an offset"
        if _FRACTION.match(text):
            return "a time with fractions of a second"
        return f"{describe(text)} that is not such a time"
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return "a date or time that does not exist"
    return None


_Way: TypeAlias = tuple["_Way", str | int] | None
"""A place as a chain to its parent: a tuple for each value would cost the square of the depth."""


def json_faults(
    root: Any, *, length_max: int | None = None, depth_max: int | None = None, faults_max: int = FAULTS_MAX
) -> list[JsonFault]:
    """What in a value is not JSON, or longer or deeper than allowed. Without recursion: no depth exhausts the stack."""
    faults: list[JsonFault] = []
    # The next value to look at is on top, so that faults come in the order of the event.
    stack: list[tuple[_Way, int, Any]] = [(None, 0, root)]
    while stack and len(faults) < faults_max:
        way, depth, value = stack.pop()
        wrong: tuple[str, str] | None = None
        match value:
            case str():
                wrong = _text_fault(value, length_max)
            case None | bool() | int():
                pass
            case float() | Decimal():
                wrong = None if is_finite(value) else (describe(value), "a finite number")
            case dict() | list() if depth_max is not None and depth >= depth_max:
                wrong = (describe(value), f"at most {depth_max} objects and arrays inside each other")
            case list():
                stack.extend(((way, index), depth + 1, item) for index, item in reversed(list(enumerate(value))))
            case dict():
                stack.extend(((way, key), depth + 1, item) for key, item in reversed(value.items()))
                wrong = _names_fault(value)
            case _:
                wrong = (describe(value), "a JSON value")
        if wrong is not None:
            faults.append((_place(way), *wrong))
    return faults


def _place(way: _Way) -> Place:
    steps: list[str | int] = []
    while way is not None:
        way, step = way
        steps.append(step if isinstance(step, int) else str(step))
    return tuple(reversed(steps))


def _text_fault(text: str, length_max: int | None) -> tuple[str, str] | None:
    if length_max is not None and len(text) > length_max:
        return describe(text), f"at most {length_max} characters"
    if has_lone_surrogate(text):
        return "half of a surrogate pair", "text that UTF-8 can hold"
    return None


def _names_fault(value: dict[Any, Any]) -> tuple[str, str] | None:
    for name in value:
        if not isinstance(name, str):
            return f"a name that is {describe(name)}", "names that are text"
        if has_lone_surrogate(name):
            return "half of a surrogate pair in a name", "text that UTF-8 can hold"
    return None


def has_lone_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
