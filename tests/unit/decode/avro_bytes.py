"""Avro bytes for tests, written by hand where fastavro's writer would not write them."""

from __future__ import annotations

import io
import json
from typing import Any

from fastavro import parse_schema, schemaless_writer

from connector.decode.avro_schema import avro_schema
from connector.decode.avro_values import avro_value
from connector.decode.schemas import AvroSchema


def long(number: int) -> bytes:
    """A zigzag varint."""
    rest = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(content: str) -> bytes:
    return long(len(content.encode())) + content.encode()


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return out.getvalue()


def usable(schema: Any, *references: Any) -> AvroSchema:
    ready = avro_schema(json.dumps(schema), [json.dumps(reference) for reference in references])
    assert isinstance(ready, AvroSchema), ready
    return ready


def read(schema: Any, payload: bytes) -> Any:
    return avro_value(usable(schema), payload)
