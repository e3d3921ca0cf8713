"""Avro schemas as their authors write them to one form: full names, each named type defined where it is used first.

Defaults, docs and aliases are left out, because nothing is resolved against a reader's schema: a message is read with
the schema that wrote it. What cannot be read with is refused, and nothing else: old schemas with defaults of the wrong
type or symbols with hyphens are in many registries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from connector.decode.avro_bounds import AVRO_DEPTH_MAX
from connector.decode.avro_logical import DECIMAL_SCALE_MAX, KNOWN

SCHEMA_CHARACTERS_MAX = 4 * 1024 * 1024

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED = {"record": "record", "error": "record", "enum": "enum", "fixed": "fixed"}


class UnreadableSchemaError(ValueError):
    """The schema cannot be read with; the text says why. Does not leave this package's loaders."""


class Definition(NamedTuple):
    schema: dict[str, Any]
    namespace: str
    """The one that surrounds the definition."""


class Resolved(NamedTuple):
    schema: Any
    named: dict[str, Any]


def schema_from(text: str) -> Any:
    """The schema as JSON values. A bare name of a primitive type, without quotes, is accepted as registries do."""
    if len(text) > SCHEMA_CHARACTERS_MAX:
        raise UnreadableSchemaError(
            f"found a schema of {len(text)} characters, expected at most {SCHEMA_CHARACTERS_MAX}"
        )
    if text.strip() in PRIMITIVES:
        return text.strip()
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UnreadableSchemaError(f"found a schema that is not JSON ({error})") from error
    except RecursionError as error:
        raise UnreadableSchemaError("found a schema nested too deep to be read") from error


def definitions(schema: Any) -> dict[str, Definition]:
    """Every named type that the schema defines, by full name."""
    found: dict[str, Definition] = {}
    _collect(schema, "", found, 0)
    return found


def _collect(schema: Any, namespace: str, found: dict[str, Definition], depth: int) -> None:
    _check_depth(depth)
    match schema:
        case list():
            for branch in schema:
                _collect(branch, namespace, found, depth)
        case {"type": str() as kind} if kind in _NAMED:
            name, inner = _full_name(schema, namespace)
            found[name] = Definition(schema, namespace)
            for field in _fields(schema, name) if _NAMED[kind] == "record" else ():
                _collect(field["type"], inner, found, depth + 1)
        case {"type": "array", "items": below} | {"type": "map", "values": below}:
            _collect(below, namespace, found, depth + 1)
        case {"type": (dict() | list()) as below}:
            _collect(below, namespace, found, depth + 1)
        case _:
            pass


def resolve(schema: Any, index: Mapping[str, Definition] | None = None) -> Resolved:
    resolver = _Resolver(index or {})
    return Resolved(resolver.resolve(schema, "", 0), resolver.named)


class _Resolver:
    def __init__(self, index: Mapping[str, Definition]) -> None:
        self._index = index
        self.named: dict[str, Any] = {}

    def resolve(self, schema: Any, namespace: str, depth: int) -> Any:
        _check_depth(depth)
        match schema:
            case str():
                return self._name(schema, namespace, depth)
            case []:
                raise UnreadableSchemaError("found a union without branches, which has no value")
            case list():
                return [self.resolve(branch, namespace, depth) for branch in schema]
            case {"type": "array", "items": items}:
                return {"type": "array", "items": self.resolve(items, namespace, depth + 1)}
            case {"type": "map", "values": values}:
                return {"type": "map", "values": self.resolve(values, namespace, depth + 1)}
            case {"type": str() as kind} if kind in _NAMED:
                return self._define(schema, _NAMED[kind], namespace, depth)
            case {"type": str() as kind} if kind in PRIMITIVES:
                logical = _logical(schema, kind, None)
                return {"type": kind, **logical} if logical else kind
            case {"type": below}:
                return self.resolve(below, namespace, depth + 1)
            case _:
                raise UnreadableSchemaError(f"found {_describe(schema)} where a type is expected")

    def _name(self, name: str, namespace: str, depth: int) -> Any:
        if name in PRIMITIVES:
            return name
        qualified = name if "." in name or not namespace else f"{namespace}.{name}"
        for candidate in (qualified, name):  # the unqualified name last, as Java's parser does
            if candidate in self.named:
                return candidate
            if candidate in self._index:
                definition = self._index[candidate]
                return self.resolve(definition.schema, definition.namespace, depth)
        raise UnreadableSchemaError(f"found the type {qualified!r}, which neither the schema nor its references define")

    def _define(self, schema: dict[str, Any], kind: str, namespace: str, depth: int) -> Any:
        name, inner = _full_name(schema, namespace)
        if name in self.named:
            raise UnreadableSchemaError(f"found a second definition of the type {name!r}")
        resolved: dict[str, Any] = {"type": kind, "name": name}
        self.named[name] = resolved
        if kind == "record":
            resolved["fields"] = [
                {"name": field["name"], "type": self.resolve(field["type"], inner, depth + 1)}
                for field in _fields(schema, name)
            ]
        elif kind == "enum":
            resolved["symbols"] = _symbols(schema, name)
        else:
            resolved["size"] = _size(schema, name)
            resolved |= _logical(schema, "fixed", resolved["size"])
        return resolved


def _logical(schema: Mapping[str, Any], kind: str, size: int | None) -> dict[str, Any]:
    """The logical type as far as it is valid; the specification says that others are ignored."""
    logical = schema.get("logicalType")
    if not isinstance(logical, str) or (kind, logical) not in KNOWN:
        return {}
    if logical == "decimal":
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if not (isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision and precision > 0):
            return {}
        known = {"logicalType": logical, "precision": precision, "scale": scale}
        return known if scale <= DECIMAL_SCALE_MAX else {}
    if (logical == "uuid" and size != 16) or (logical == "duration" and size != 12):
        return {}
    return {"logicalType": logical}


def _full_name(schema: Mapping[str, Any], namespace: str) -> tuple[str, str]:
    """The full name, and the namespace inside the type."""
    name = schema.get("name")
    if not isinstance(name, str) or not name:
        raise UnreadableSchemaError(f"found a type {schema['type']!r} without a name")
    if "." in name:
        return name, name.rpartition(".")[0]
    own = schema.get("namespace", namespace)
    if not isinstance(own, str):
        raise UnreadableSchemaError(f"found the namespace {_describe(own)} in {name!r}, expected text")
    return (f"{own}.{name}" if own else name), own


def _fields(schema: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    fields = schema.get("fields")
    if not isinstance(fields, list):
        raise UnreadableSchemaError(f"found {_describe(fields)} as the fields of {name!r}, expected a list")
    seen = set()
    for field in fields:
        if not (isinstance(field, dict) and isinstance(field.get("name"), str) and "type" in field):
            raise UnreadableSchemaError(f"found a field of {name!r} without a name or a type")
        if field["name"] in seen:
            raise UnreadableSchemaError(f"found the field {field['name']!r} twice in {name!r}")
        seen.add(field["name"])
    return fields


def _symbols(schema: Mapping[str, Any], name: str) -> list[str]:
    symbols = schema.get("symbols")
    if not (isinstance(symbols, list) and symbols and all(isinstance(symbol, str) for symbol in symbols)):
        raise UnreadableSchemaError(f"found an enum {name!r} without symbols")
    return symbols


def _size(schema: Mapping[str, Any], name: str) -> int:
    size = schema.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise UnreadableSchemaError(f"found {_describe(size)} as the size of {name!r}, expected a number of bytes")
    return size


def _check_depth(depth: int) -> None:
    if depth > AVRO_DEPTH_MAX:
        raise UnreadableSchemaError(f"found a schema nested deeper than {AVRO_DEPTH_MAX}")


def _describe(value: Any) -> str:
    return (
        repr(value)
        if value is None or isinstance(value, (bool, int))
        else f"{type(value).__name__} {str(value)[:60]!r}"
    )
