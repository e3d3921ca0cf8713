"""A walk over Avro bytes that reads no value: for the schemas with which a few bytes could do anything.

fastavro recurses without a limit (5,000 bytes of a recursive schema end the process: tried) and builds as many items
as a block says (an array of nulls with a count of 2^62 never ends: tried). Neither is possible with most schemas: an
item that takes a byte at least is bounded by the payload, and a schema that does not refer to itself by its own depth.
`needs_walk` finds the others, and only their records are walked before fastavro sees them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.core.records import Fault, Reason
from connector.errors import DecodeError

AVRO_DEPTH_MAX = 100
"""Records, arrays and maps inside each other."""
EMPTY_ITEMS_MAX = 65_536
"""Items of no bytes (null, empty record) in all arrays of one message."""

_VARINT_BYTES_MAX = 10
_FIXED_BYTES = {"boolean": 1, "float": 4, "double": 8}
_VARINTS = frozenset({"int", "long"})
_LENGTH_PREFIXED = frozenset({"string", "bytes"})


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """A resolved schema (see avro_schema) with its named types."""

    schema: Any
    named: dict[str, Any]

    def check(self, payload: bytes) -> int:
        """The bytes that the value takes.

        Raises DecodeError when it is deeper or larger in items than allowed, or does not fit the schema.
        """
        walk = _Walk(payload, self.named)
        walk.skip(self.schema, 0)
        return walk.at


def needs_walk(schema: Any, named: dict[str, Any]) -> bool:
    return _Shapes(named).shape(schema).levels > AVRO_DEPTH_MAX


class _Shape(NamedTuple):
    """What a schema alone says of its values."""

    levels: float
    """Records, arrays and maps inside each other; infinite where the schema does not bound it, or the items."""
    can_be_empty: bool
    """A value can take no bytes."""


_UNBOUNDED = _Shape(math.inf, True)
_LEAF = _Shape(0, False)
_EMPTY = _Shape(0, True)


class _Shapes:
    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._records: dict[str, _Shape] = {}

    def shape(self, schema: Any) -> _Shape:
        match schema:
            case "null":
                return _EMPTY
            case list():
                return _Shape(max((self.shape(branch).levels for branch in schema), default=0), False)
            case {"type": "array", "items": items}:
                item = self.shape(items)
                return _UNBOUNDED if item.can_be_empty else _Shape(1 + item.levels, False)
            case {"type": "map", "values": values}:
                return _Shape(1 + self.shape(values).levels, False)
            case {"type": "record", "name": name, "fields": fields}:
                return self._record(name, fields)
            case {"type": "fixed", "size": 0}:
                return _EMPTY
            case str() if schema in self._records:
                return self._records[schema]
            case str() if schema in self._named:  # an enum or a fixed: records are defined where they are used first
                return self.shape(self._named[schema])
            case _:
                return _LEAF

    def _record(self, name: str, fields: list[Any]) -> _Shape:
        self._records[name] = _UNBOUNDED  # as long as it is not left, whoever names it is inside it
        shapes = [self.shape(field["type"]) for field in fields]
        levels = 1 + max((shape.levels for shape in shapes), default=0)
        self._records[name] = _Shape(levels, all(shape.can_be_empty for shape in shapes))
        return self._records[name]


class _Walk:
    def __init__(self, payload: bytes, named: dict[str, Any]) -> None:
        self._payload = payload
        self._named = named
        self.at = 0
        self._empty_items = 0

    def skip(self, schema: Any, depth: int) -> None:
        if depth > AVRO_DEPTH_MAX:
            raise refusal(
                "too_deep",
                f"values nested deeper than {AVRO_DEPTH_MAX} at byte {self.at}",
                f"at most {AVRO_DEPTH_MAX} records, arrays and maps inside each other",
            )
        match schema:
            case "null":
                return
            case str() if schema in _VARINTS:
                self._long()
            case str() if schema in _LENGTH_PREFIXED:
                self._advance(self._long())
            case str() if schema in _FIXED_BYTES:
                self._advance(_FIXED_BYTES[schema])
            case str():
                self.skip(self._named[schema], depth)
            case list():
                self.skip(schema[self._index(len(schema), "branches of the union")], depth)
            case {"type": "record", "fields": fields}:
                for field in fields:
                    self.skip(field["type"], depth + 1)
            case {"type": "array", "items": items}:
                self._blocks(items, depth + 1, keys=False)
            case {"type": "map", "values": values}:
                self._blocks(values, depth + 1, keys=True)
            case {"type": "fixed", "size": size}:
                self._advance(size)
            case {"type": "enum", "symbols": symbols}:
                self._index(len(symbols), "symbols of the enum")
            case {"type": primitive}:
                self.skip(primitive, depth)
            case _:
                raise AssertionError(f"not a resolved schema: {schema!r}")

    def _blocks(self, items: Any, depth: int, *, keys: bool) -> None:
        while count := self._long():
            if count < 0:
                count = -count
                self._long()  # the block's size in bytes, which the reader does not use either
            for _ in range(count):
                before = self.at
                if keys:
                    self._advance(self._long())
                self.skip(items, depth)
                if self.at == before:
                    self._count_empty_item(count)

    def _count_empty_item(self, claimed: int) -> None:
        self._empty_items += 1
        if self._empty_items > EMPTY_ITEMS_MAX:
            raise refusal(
                "not_avro",
                f"an array that claims {claimed} items without bytes",
                f"at most {EMPTY_ITEMS_MAX} of them in one message",
            )

    def _index(self, size: int, what: str) -> int:
        index = self._long()
        if not 0 <= index < size:
            raise refusal("not_avro", f"number {index} of the {what}", f"0 to {size - 1}")
        return index

    def _advance(self, size: int) -> None:
        if size < 0:
            raise refusal("not_avro", f"a length of {size} before byte {self.at}", "a length of 0 or more")
        self.at += size
        if self.at > len(self._payload):
            raise truncated(len(self._payload))

    def _long(self) -> int:
        result = shift = 0
        for _ in range(_VARINT_BYTES_MAX):
            if self.at >= len(self._payload):
                raise truncated(len(self._payload))
            byte = self._payload[self.at]
            self.at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (result >> 1) ^ -(result & 1)
            shift += 7
        raise refusal("not_avro", f"an integer of more than {_VARINT_BYTES_MAX} bytes before byte {self.at}", "64 bits")


def refusal(reason: Reason, found: str, expected: str, field: str = "value") -> DecodeError:
    return DecodeError(reason, [Fault(field, found, expected)])


def truncated(size: int) -> DecodeError:
    return refusal(
        "truncated", f"the end of the payload after {size} bytes", "more bytes: the value that the schema describes"
    )
