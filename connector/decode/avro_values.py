"""Avro bytes to plain Python values: by the schema's code, else by fastavro, whose exceptions are known here alone."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from fastavro import schemaless_reader

from connector.decode.avro_bounds import refusal, truncated
from connector.decode.avro_code import UNUSUAL
from connector.decode.avro_schema import ROOT_FIELD
from connector.decode.schemas import AvroSchema


def avro_value(schema: AvroSchema, payload: bytes) -> Any:
    """Raises DecodeError for bytes that are not exactly one value of the schema."""
    if schema.code is not None:
        try:
            return schema.code(payload, 0)
        except UNUSUAL:
            pass  # fastavro reads it, or says what is wrong
    return value_by_fastavro(schema, payload)


def value_by_fastavro(schema: AvroSchema, payload: bytes) -> Any:
    """Whatever the schema and the payload are. Raises DecodeError."""
    if schema.bounds is not None:
        schema.bounds.check(payload)
    source = BytesIO(payload)
    try:
        value = schemaless_reader(source, schema.reading, None)
    except EOFError as error:
        raise truncated(len(payload)) from error
    except IndexError as error:
        if payload[source.tell() - 1] & 0x80:  # the last byte that it read promised another one of the integer
            raise truncated(len(payload)) from error
        raise refusal("not_avro", "a branch of a union that the schema does not have", "one that it has") from error
    except UnicodeDecodeError as error:
        raise refusal(
            "not_avro", f"a string that is not UTF-8 ({error.reason})", "UTF-8, as Avro demands it"
        ) from error
    end = source.tell()
    if end != len(payload):
        raise refusal("trailing_bytes", f"{len(payload) - end} bytes after the value", "the end of the payload")
    return value[ROOT_FIELD] if schema.wrapped else value  # type: ignore[call-overload, index]
