"""Avro as files hold it, to the bytes of messages: object containers, and JSON that is to be written with a schema.

Both become single objects (C3 01, fingerprint, payload): the fingerprint names the schema whatever the registry knows,
and every route that reads Avro reads them. The schema itself is handed to whoever decodes them.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from fastavro import block_reader, parse_schema, schemaless_writer
from fastavro.schema import SchemaParseException, UnknownType

from connector.decode.avro_bounds import Bounds
from connector.decode.avro_resolve import Resolved, UnreadableSchemaError, resolve, schema_from
from connector.decode.avro_schema import fingerprint_of, reading_schema
from connector.decode.schemas import AvroSchema
from connector.errors import DecodeError

CONTAINER_START = b"Obj\x01"
_SINGLE_OBJECT = b"\xc3\x01"
_UNWRITABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, OverflowError)
"""What fastavro's writer raises for a value that does not fit its schema."""
_TEXTS = {"string", "enum"}
_NUMBERS = {"int", "long", "float", "double"}


class UnreadableAvro(ValueError):
    """What was found and expected; does not leave this package."""


class Writing(NamedTuple):
    """A schema that messages are framed with."""

    identity: str
    """As the framing names it, see connector/decode/schemas.py."""
    schema: AvroSchema
    resolved: Resolved
    text: Any

    def framed(self, payload: bytes) -> bytes:
        return _SINGLE_OBJECT + bytes.fromhex(self.identity.partition(":")[2]) + payload


def writing(schema_text: str) -> Writing:
    """Raises UnreadableAvro."""
    try:
        schema = schema_from(schema_text)
        resolved = resolve(schema, {})
        return Writing(f"fingerprint:{fingerprint_of(resolved)}", reading_schema(resolved), resolved, schema)
    except UnreadableSchemaError as error:
        raise UnreadableAvro(str(error)) from None


def writing_of(path: Path) -> Writing:
    """Raises UnreadableAvro."""
    try:
        return writing(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UnreadableAvro(f"the schema {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableAvro(f"found bytes that are not UTF-8 in the schema {path}, expected JSON") from None


class Container:
    """An object container file: its schema, and the payload of each record, byte for byte as it was written."""

    def __init__(self, stream: BinaryIO) -> None:
        """Raises UnreadableAvro."""
        try:
            self._blocks = block_reader(stream)
        except (ValueError, KeyError, EOFError, SchemaParseException, UnknownType) as error:
            raise UnreadableAvro(f"found no readable head of an Avro file ({error})") from None
        self.writing = writing(self._blocks.metadata["avro.schema"])

    def payloads(self) -> Iterator[bytes]:
        """Raises UnreadableAvro."""
        bounds = Bounds(self.writing.resolved.schema, self.writing.resolved.named)
        count = 0
        try:
            for block in self._blocks:
                rest = memoryview(cast("Any", block).bytes_.getbuffer())
                for _ in range(block.num_records):
                    size = bounds.check(cast("bytes", rest))  # which only looks at single bytes
                    yield bytes(rest[:size])
                    rest = rest[size:]
                    count += 1
        except (ValueError, EOFError, zlib.error, OverflowError) as error:
            raise UnreadableAvro(f"the file is broken after {count} records ({error})") from None
        except DecodeError as error:
            raise UnreadableAvro(f"record {count} cannot be read: {error}") from None


def avro_of(text: bytes, schema: Writing) -> bytes:
    """A JSON value written with a schema: texts where Avro has decimals, times or bytes. Raises UnreadableAvro."""
    try:
        value = _fitting(json.loads(text, parse_float=Decimal), schema.resolved.schema, schema.resolved.named)
        out = BytesIO()
        schemaless_writer(out, parse_schema(schema.text), value, strict_allow_default=True)
    except _UNWRITABLE as error:
        raise UnreadableAvro(f"found a value that does not fit the schema ({type(error).__name__}: {error})") from None
    return schema.framed(out.getvalue())


def _fitting(value: Any, schema: Any, named: dict[str, Any]) -> Any:
    """The value as fastavro wants it for this part of the schema."""
    match schema:
        case str() if schema in named:
            return _fitting(value, named[schema], named)
        case list():
            branch = _branch(value, schema, named)
            return value if branch is None else _fitting(value, branch, named)
        case {"type": "record", "fields": fields} if isinstance(value, dict):
            types = {field["name"]: field["type"] for field in fields}
            return {name: _fitting(item, types.get(name, "null"), named) for name, item in value.items()}
        case {"type": "array", "items": items} if isinstance(value, list):
            return [_fitting(item, items, named) for item in value]
        case {"type": "map", "values": values} if isinstance(value, dict):
            return {name: _fitting(item, values, named) for name, item in value.items()}
        case {"logicalType": "decimal"}:
            return Decimal(value)
        case {"logicalType": str(logical)} if isinstance(value, str) and "timestamp" in logical:
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo or logical.startswith("local") else moment.replace(tzinfo=UTC)
        case "bytes" | {"type": "fixed"} if isinstance(value, str):
            return b64decode(value, validate=True)
        case "float" | "double" if isinstance(value, Decimal):
            return float(value)
        case _:
            return value


def _branch(value: Any, branches: list[Any], named: dict[str, Any]) -> Any | None:
    """The branch of a union that a JSON value means; None: any that takes it as it is."""
    kinds = [(_kind(branch, named), branch) for branch in branches]
    match value:
        case str():
            if any(kind in _TEXTS for kind, _ in kinds):
                return None
            return next((branch for kind, branch in kinds if kind not in {"null", "boolean", "array", "record"}), None)
        case bool() | None:
            return None
        case int() | Decimal():
            return next((branch for kind, branch in kinds if kind in _NUMBERS or kind == "decimal"), None)
        case list():
            return next((branch for kind, branch in kinds if kind == "array"), None)
        case _:
            return _object_branch(value, kinds, named)


def _object_branch(value: dict[str, Any], kinds: list[tuple[str, Any]], named: dict[str, Any]) -> Any | None:
    for kind, branch in kinds:
        if kind == "map":
            return branch
        if kind == "record":
            fields = (named[branch] if isinstance(branch, str) else branch)["fields"]
            if value.keys() <= {field["name"] for field in fields}:
                return branch
    return None


def _kind(schema: Any, named: dict[str, Any]) -> str:
    if isinstance(schema, str):
        return _kind(named[schema], named) if schema in named else schema
    return str("decimal" if schema.get("logicalType") == "decimal" else schema["type"])
