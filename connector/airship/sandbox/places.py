"""Where in a body an element stands, and how its path is spelled. Pure; used only when a request is refused.

A place is a tuple of keys and indices from the top of the body. The decoded value says which keys there are, the body
says at which byte a value begins: nothing is decoded and dumped again, so a location is true for the bytes that were
sent, whatever their formatting.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias, assert_never

import msgspec

from connector.airship.sandbox.options import ColumnUnit

Place: TypeAlias = tuple[str | int, ...]

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_WHITE_SPACE = re.compile(rb"[ \t\r\n]*")
_KEY = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\r\n,\]}]+")
_BRACKET = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
_INDEX = re.compile(r"\[(\d+)\]")
_PLAIN_KEY = re.compile(r"[^.\[]+")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def place_of(event: object, field: str) -> Place:
    """Reads a dotted field path such as `body.properties.items[0].text` against the event that it speaks of.

    Keys may hold dots and brackets themselves, so the event's own keys decide, the longest that fits first.
    """
    place: list[str | int] = []
    node = event
    rest = field
    while rest:
        index = _INDEX.match(rest)
        if index and not isinstance(node, dict):
            step: str | int = int(index[1])
            length = index.end()
        else:
            step = _leading_key(node, rest)
            length = len(step)
        place.append(step)
        node = _child_of(node, step)
        rest = rest[length:].removeprefix(".")
    return tuple(place)


def _leading_key(node: object, rest: str) -> str:
    if isinstance(node, dict):
        fitting = [str(key) for key in node if key and (rest == key or rest.startswith((f"{key}.", f"{key}[")))]
        if fitting:
            return max(fitting, key=len)
    plain = _PLAIN_KEY.match(rest)
    return plain[0] if plain else rest


def _child_of(node: object, step: str | int) -> object:
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def spell(place: Place, spelling: Literal["brackets", "dots", "pointer", "jsonpath"]) -> str:
    match spelling:
        case "brackets":
            return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
        case "dots":
            return ".".join(map(str, place))
        case "pointer":
            return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
        case "jsonpath":
            return "$" + "".join(_jsonpath_step(step) for step in place)
        case _:
            assert_never(spelling)


def _jsonpath_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _IDENTIFIER.fullmatch(step):
        return f".{step}"
    quoted = step.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"


def pointer_place(pointer: str) -> tuple[str, ...]:
    """The steps of a JSON pointer (RFC 6901); an index stays a string until it meets an array."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def value_at(event: object, steps: tuple[str, ...]) -> tuple[Place, object] | None:
    """The place and the value that a pointer's steps lead to; None when they lead nowhere."""
    node = event
    place: list[str | int] = []
    for step in steps:
        if isinstance(node, dict) and step in node:
            node = node[step]
            place.append(step)
        elif isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
            place.append(int(step))
        else:
            return None
    return tuple(place), node


def offset_of(body: bytes, place: Place) -> int:
    """The first byte of the value at a place in well-formed JSON; of the innermost value around it if it is missing."""
    position = _after_white_space(body, 0)
    for step in place:
        child = _element(body, position, step) if isinstance(step, int) else _member(body, position, step)
        if child is None:
            break
        position = child
    return position


def line_and_column(body: bytes, offset: int, unit: ColumnUnit) -> tuple[int, int]:
    """Both count from 1. A line ends with a line feed; a column counts characters or bytes of the body."""
    line_start = body.rfind(b"\n", 0, offset) + 1
    before = body[line_start:offset]
    width = len(before) if unit == "bytes" else len(before.decode("utf-8", "replace"))
    return body.count(b"\n", 0, offset) + 1, width + 1


def _after_white_space(body: bytes, position: int) -> int:
    match = _WHITE_SPACE.match(body, position)
    assert match is not None
    return match.end()


def _end_of_value(body: bytes, start: int) -> int:
    first = body[start : start + 1]
    if first in {b"{", b"["}:
        depth = 0
        for token in _BRACKET.finditer(body, start):
            if token[0] in {b"{", b"["}:
                depth += 1
            elif token[0] in {b"}", b"]"}:
                depth -= 1
                if depth == 0:
                    return token.end()
        raise AssertionError("a place is looked up in well-formed JSON only")
    match = (_KEY if first == b'"' else _SCALAR).match(body, start)
    assert match is not None, "a place is looked up in well-formed JSON only"
    return match.end()


def _element(body: bytes, start: int, index: int) -> int | None:
    if body[start : start + 1] != b"[":
        return None
    position = _after_white_space(body, start + 1)
    while body[position : position + 1] != b"]":
        if index == 0:
            return position
        index -= 1
        position = _after_comma(body, _end_of_value(body, position))
    return None


def _member(body: bytes, start: int, key: str) -> int | None:
    if body[start : start + 1] != b"{":
        return None
    found = None
    position = _after_white_space(body, start + 1)
    while body[position : position + 1] != b"}":
        name_end = _end_of_value(body, position)
        name = msgspec.json.decode(body[position:name_end])
        position = _after_white_space(body, _after_white_space(body, name_end) + 1)
        if name == key:
            found = position  # a repeated key: the last one counts, as in the decoded value
        position = _after_comma(body, _end_of_value(body, position))
    return found


def _after_comma(body: bytes, position: int) -> int:
    position = _after_white_space(body, position)
    return _after_white_space(body, position + 1) if body[position : position + 1] == b"," else position
