"""One record to plain values, as its route says: the framing, the schema, the format."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, assert_never

from connector.core.records import SourceRecord
from connector.decode.avro_bounds import refusal
from connector.decode.avro_values import avro_value
from connector.decode.framing import Framed, Framing, id_bytes, not_framed, unframe, unframe_json
from connector.decode.json_values import json_value, without_byte_order_mark
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import AvroSchema, JsonSchema, SchemaUnknown, UnusableSchema
from connector.errors import DecodeError

Format: TypeAlias = Literal["auto", "json", "avro"]


class Decoded(NamedTuple):
    value: Any
    """dict, list, str, int, float, bool, None, and `decimal.Decimal` for Avro's decimals."""
    schema_id: str | None


class Decoder:
    """Decodes the records of one route. The cache is the loop's: several decoders share one.

    A record without a value (tombstone) is not for the decoder.
    """

    def __init__(self, format: Format, framing: Framing, schemas: SchemaCache) -> None:  # noqa: A002
        self._format: Format = format
        self._id_bytes = id_bytes(framing)
        self._schemas = schemas

    def decode(self, record: SourceRecord) -> Decoded:
        """Raises DecodeError for the record's own fault and SchemaPending where its schema must be looked up first."""
        value = record.value()
        assert value is not None, "a tombstone is not decoded"
        if self._format == "json":
            return Decoded(json_value(unframe_json(value, self._id_bytes)), None)
        identity, payload = self._framed(value, record)
        if identity is None:
            return Decoded(json_value(payload), None)
        schema = self._schemas.get(identity)
        try:
            match schema:
                case AvroSchema():
                    return Decoded(avro_value(schema, payload), identity)
                case JsonSchema() if self._format == "auto":
                    return Decoded(json_value(payload), identity)
                case JsonSchema() | UnusableSchema() | SchemaUnknown():
                    raise _unreadable(identity, schema)
                case _:
                    assert_never(schema)
        except DecodeError as error:
            error.schema_id = identity
            raise

    def json_payload(self, record: SourceRecord) -> bytes | None:
        """The JSON text of the record as it was sent, unread and unchecked; None: the record is not JSON, decode it.

        Raises as `decode` does.
        """
        value = record.value()
        assert value is not None, "a tombstone is not decoded"
        if self._format == "json":
            return unframe_json(value, self._id_bytes)
        identity, payload = self._framed(value, record)
        if identity is None:
            return payload
        if self._format == "auto" and isinstance(self._schemas.get(identity), JsonSchema):
            return without_byte_order_mark(payload)
        return None

    def _framed(self, value: bytes, record: SourceRecord) -> Framed:
        framed = unframe(value, record.headers(), self._id_bytes)
        if framed[0] is None and self._format == "avro":
            raise not_framed(value)
        return framed


def _unreadable(identity: str, schema: JsonSchema | UnusableSchema | SchemaUnknown) -> DecodeError:
    match schema:
        case JsonSchema():
            return refusal(
                "schema_not_usable", f"{identity}, a JSON schema", "an Avro schema, as the route's format says"
            )
        case UnusableSchema(why=why):
            return refusal("schema_not_usable", f"{identity}: {why}", "a schema that can be read with")
        case SchemaUnknown(where=where):
            return refusal("unknown_schema", identity, f"a schema that is known to {where}")
        case _:
            assert_never(schema)
