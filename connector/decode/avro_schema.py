"""Schema text to what reads with it: the reading schema for fastavro.

It reads the same bytes as the schema that wrote them, with the logical types of avro_logical in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, to_parsing_canonical_form

from connector.decode.avro_bounds import Bounds, needs_walk
from connector.decode.avro_code import reading_code
from connector.decode.avro_logical import FIELD, PREFIX, SCALE, SYMBOLS
from connector.decode.avro_resolve import (
    PRIMITIVES,
    Definition,
    Resolved,
    UnreadableSchemaError,
    definitions,
    resolve,
    schema_from,
)
from connector.decode.schemas import AvroSchema, UnusableSchema

ROOT_FIELD = "value"


def avro_schema(text: str, references: Iterable[str] = ()) -> AvroSchema | UnusableSchema:
    try:
        index: dict[str, Definition] = {}
        for reference in references:
            index.update(definitions(schema_from(reference)))
        return reading_schema(resolve(schema_from(text), index))
    except UnreadableSchemaError as fault:
        return UnusableSchema(str(fault))


def reading_schema(resolved: Resolved) -> AvroSchema:
    root = resolved.schema
    writer = _ReadingSchema(resolved.named)
    wrapped = not (isinstance(root, dict) and root["type"] == "record")
    written = reading = writer.write(root, "value" if wrapped else root["name"])
    if wrapped:
        reading = {"type": "record", "name": "root", "fields": [{"name": ROOT_FIELD, "type": written}]}
    try:
        parsed = parse_schema(reading)
    except (SchemaParseException, UnknownType) as error:
        raise UnreadableSchemaError(f"fastavro refuses the schema: {error}") from error
    assert isinstance(parsed, dict)
    if needs_walk(root, resolved.named):
        return AvroSchema(parsed, wrapped, Bounds(root, resolved.named), written, None)
    return AvroSchema(parsed, wrapped, None, written, reading_code(written))


class _ReadingSchema:
    """Writes the reading schema. Named types get names of our own, since Avro's rules for names do not matter here."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._written: dict[str, str] = {}
        self._count = 0

    def write(self, schema: Any, path: str) -> Any:
        match schema:
            case "bytes":
                return {"type": "bytes", "logicalType": PREFIX + "base64"}
            case "float":
                return {"type": "float", "logicalType": PREFIX + "shortest"}
            case str() if schema in PRIMITIVES:
                return schema
            case str() if schema in self._written:
                return self._written[schema]
            case str():  # an enum or fixed that was written out before
                return self.write(self._named[schema], path)
            case list():
                return [self.write(branch, path) for branch in schema]
            case {"type": "array", "items": items}:
                return {"type": "array", "items": self.write(items, path + "[]")}
            case {"type": "map", "values": values}:
                return {"type": "map", "values": self.write(values, path + "{}")}
            case {"type": "record", "name": name, "fields": fields}:
                own = self._written[name] = self._own_name()
                return {
                    "type": "record",
                    "name": own,
                    "fields": [
                        {"name": field["name"], "type": self.write(field["type"], f"{path}.{field['name']}")}
                        for field in fields
                    ],
                }
            case {"type": "enum", "symbols": symbols}:
                return {"type": "int", "logicalType": PREFIX + "enum", SYMBOLS: symbols, FIELD: path}
            case {"type": "fixed", "size": size}:
                logical = schema.get("logicalType", "base64")
                return self._leaf(schema, logical, path) | {"name": self._own_name(), "size": size}
            case _:
                return self._leaf(schema, schema["logicalType"], path)

    def _leaf(self, schema: dict[str, Any], logical: str, path: str) -> dict[str, Any]:
        return {"type": schema["type"], "logicalType": PREFIX + logical, FIELD: path, SCALE: schema.get("scale", 0)}

    def _own_name(self) -> str:
        self._count += 1
        return f"t{self._count}"


def fingerprint_of(resolved: Resolved) -> str:
    """CRC-64-AVRO in hex, in the order of the bytes in a single-object header."""
    try:
        return fingerprint(to_parsing_canonical_form(resolved.schema), "CRC-64-AVRO")
    except (SchemaParseException, UnknownType) as error:
        raise UnreadableSchemaError(f"fastavro refuses the schema: {error}") from error
