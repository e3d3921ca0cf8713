"""A walk over Avro bytes that reads no value: for the schemas with which a few bytes could do anything.

fastavro recurses without a limit (5,000 bytes of a recursive schema end the process: tried) and builds as many items
as a block says (an array of nulls with a count of 2^62 never ends: tried). A record of two fields of a record of two
fields, and so on twenty times, is a million records in no bytes at all (15 s: tried). None of that is possible with
most schemas: what takes a byte at least is bounded by the payload, and a schema that does not refer to itself by its
own depth. `needs_walk` finds the others, and only their records are walked before fastavro sees them.
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
VALUES_PER_BYTE = 8
"""Values that one byte pays for. What takes no bytes of its own (null, a record) beyond that is spare, and bounded."""
SPARE_VALUES_MAX = 4 * EMPTY_ITEMS_MAX

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
    shape = _Shapes(named).shape(schema)
    return shape.levels > AVRO_DEPTH_MAX or shape.spare > SPARE_VALUES_MAX


class _Shape(NamedTuple):
    """What a schema alone says of its values."""

    levels: float
    """Records, arrays and maps inside each other; infinite where the schema does not bound it, or the items."""
    spare: float
    """Values in it beyond those that its bytes pay for, at most; above 0 its items could be many for few bytes."""


_UNBOUNDED = _Shape(math.inf, math.inf)
_LEAF = _Shape(0, 1 - VALUES_PER_BYTE)
_EMPTY = _Shape(0, 1)


class _Shapes:
    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._records: dict[str, _Shape] = {}

    def shape(self, schema: Any) -> _Shape:
        match schema:
            case "null":
                return _EMPTY
            case list():
                branches = [self.shape(branch) for branch in schema]
                levels = max((branch.levels for branch in branches), default=0)
                return _Shape(levels, _LEAF.spare + max((branch.spare for branch in branches), default=0))
            case {"type": "array", "items": items}:
                return self._items(self.shape(items), 0)
            case {"type": "map", "values": values}:
                return self._items(self.shape(values), _LEAF.spare)
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

    def _items(self, item: _Shape, key_spare: float) -> _Shape:
        """The end of the last block is a byte; what the items have to spare is multiplied by their number."""
        return _UNBOUNDED if item.spare + key_spare > 0 else _Shape(1 + item.levels, _LEAF.spare)

    def _record(self, name: str, fields: list[Any]) -> _Shape:
        self._records[name] = _UNBOUNDED  # as long as it is not left, whoever names it is inside it
        shapes = [self.shape(field["type"]) for field in fields]
        levels = 1 + max((shape.levels for shape in shapes), default=0)
        self._records[name] = _Shape(levels, 1 + sum(shape.spare for shape in shapes))
        return self._records[name]


class _Walk:
    def __init__(self, payload: bytes, named: dict[str, Any]) -> None:
        self._payload = payload
        self._named = named
        self.at = 0
        self._empty_items = 0
        self._values_left = SPARE_VALUES_MAX + VALUES_PER_BYTE * len(payload)

    def skip(self, schema: Any, depth: int) -> None:
        if depth > AVRO_DEPTH_MAX:
            raise refusal(
                "too_deep",
                f"values nested deeper than {AVRO_DEPTH_MAX} at byte {self.at}",
                f"at most {AVRO_DEPTH_MAX} records, arrays and maps inside each other",
            )
        match schema:
            case "null":
                self._count_value_without_bytes()
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
                self._count_value_without_bytes()
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

    def _count_value_without_bytes(self) -> None:
        self._values_left -= 1
        if self._values_left < 0:
            raise refusal(
                "not_avro",
                f"{len(self._payload)} bytes that the schema makes {SPARE_VALUES_MAX} nulls and records of, and more",
                f"at most {VALUES_PER_BYTE} for each byte, and {SPARE_VALUES_MAX}",
            )

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
