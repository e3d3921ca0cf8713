"""A walk over Avro bytes that reads no value: for the schemas with which a few bytes could do anything.

fastavro recurses without a limit (5,000 bytes of a recursive schema end the process: tried) and builds as many items
as a block says (an array of nulls with a count of 2^62 never ends: tried). Neither is possible with most schemas: an
item that takes a byte at least is bounded by the payload, and a schema that does not refer to itself by its own depth.
`needs_walk` finds the others, and only their records are walked before fastavro sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    return _Hazards(named).found(schema, 0)


class _Hazards:
    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._open: list[str] = []
        self._clean: set[str] = set()

    def found(self, schema: Any, depth: int) -> bool:
        """Whether the schema refers to itself, is deeper than the limit, or has an array of items without bytes."""
        if depth > AVRO_DEPTH_MAX:
            return True
        match schema:
            case list():
                return any(self.found(branch, depth) for branch in schema)
            case {"type": "array", "items": items}:
                return self.found(items, depth + 1) or self._bytes_min(items) == 0
            case {"type": "map", "values": values}:
                return self.found(values, depth + 1)
            case {"type": "record", "name": name, "fields": fields}:
                return self._record(name, fields, depth)
            case str() if schema in self._open:
                return True
            case str() if schema in self._named and schema not in self._clean:
                return self.found(self._named[schema], depth)
            case _:
                return False

    def _record(self, name: str, fields: list[Any], depth: int) -> bool:
        self._open.append(name)
        hazard = any(self.found(field["type"], depth + 1) for field in fields)
        self._open.pop()
        if not hazard:
            self._clean.add(name)
        return hazard

    def _bytes_min(self, schema: Any) -> int:
        """0 or 1: whether a value can take no bytes. Called only for what holds no reference to itself."""
        match schema:
            case "null":
                return 0
            case {"type": "fixed", "size": size}:
                return 1 if size else 0
            case {"type": "record", "fields": fields}:
                return max((self._bytes_min(field["type"]) for field in fields), default=0)
            case str() if schema in self._named:
                return self._bytes_min(self._named[schema])
            case _:
                return 1


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
