"""Wire framing: which bytes name the schema, and which are the payload. Looks no schema up and reads no payload.

first bytes                         meaning
00 + 4 bytes                        number of a Confluent registry
00 + 8 bytes                        number of an Apicurio registry, where the setting says so: bytes do not tell
header __value_schema_id            01 + GUID (or 00 + number) of a Confluent registry; the payload is unframed
03 + 00 or 05 + 16 bytes            schema version of AWS Glue, plain or zlib
C3 01 + 8 bytes                     Avro single object: CRC-64-AVRO of the schema
{ [ " digit - t f n or white space  JSON without a frame, with or without a byte order mark
"""

from __future__ import annotations

import zlib
from typing import Literal, TypeAlias
from uuid import UUID

from connector.decode.avro_bounds import refusal
from connector.decode.json_values import BYTE_ORDER_MARK, without_byte_order_mark
from connector.errors import DecodeError

Framing: TypeAlias = Literal["confluent", "apicurio-8-byte"]
Headers: TypeAlias = list[tuple[str, bytes | None]] | None

VALUE_SCHEMA_ID = "__value_schema_id"
UNPACKED_BYTES_MAX = 16 * 1024 * 1024
"""Of a compressed Glue payload: 1 MiB can unpack to a thousand times that."""

_ID_BYTES: dict[Framing, int] = {"confluent": 4, "apicurio-8-byte": 8}
_REGISTRY = 0x00
_GLUE = 0x03
_GLUE_HEAD_BYTES = 18
_GLUE_PLAIN = 0x00
_GLUE_ZLIB = 0x05
_SINGLE_OBJECT = b"\xc3\x01"
_SINGLE_OBJECT_HEAD_BYTES = 10
_JSON_STARTS = frozenset(b'{["-0123456789tfn \t\r\n')
_EXPECTED = "a frame of a schema registry, AWS Glue or an Avro single object"


Framed: TypeAlias = tuple[str | None, bytes]
"""The identity of the schema (see schemas.py), None for plain JSON; and the payload. A plain tuple, for its cost."""


def id_bytes(framing: Framing) -> int:
    return _ID_BYTES[framing]


def unframe(value: bytes, headers: Headers, id_size: int) -> Framed:
    """The frame by the headers and the first bytes. Raises DecodeError (wrong_framing) when nothing fits."""
    if headers:
        for name, content in headers:
            if name == VALUE_SCHEMA_ID:
                return _header_identity(content), value
    first = value[0] if value else -1
    if first == _REGISTRY:
        return _registry_frame(value, id_size)
    if first in _JSON_STARTS:
        return None, value
    if first == _GLUE:
        return _glue_frame(value)
    if value.startswith(_SINGLE_OBJECT):
        return _single_object_frame(value)
    if value.startswith(BYTE_ORDER_MARK):
        return None, without_byte_order_mark(value)
    raise refusal("wrong_framing", describe_start(value), f"{_EXPECTED}, or JSON")


def unframe_json(value: bytes, id_size: int) -> bytes:
    """The JSON text where the route says JSON: a frame of a registry or of Glue is taken off, and nothing looked up."""
    first = value[0] if value else -1
    if first == _REGISTRY:
        return without_byte_order_mark(_registry_frame(value, id_size)[1])
    if first == _GLUE:
        return without_byte_order_mark(_glue_frame(value)[1])
    return without_byte_order_mark(value)


def not_framed(value: bytes) -> DecodeError:
    return refusal("wrong_framing", f"{describe_start(value)} as plain JSON begins", _EXPECTED)


def describe_start(value: bytes) -> str:
    return f"a value that begins with byte {value[0]:02X}" if value else "no bytes at all"


def _registry_frame(value: bytes, id_size: int) -> Framed:
    if len(value) <= id_size:
        raise _short(value, f"byte 00 and {id_size} bytes of a schema id")
    return f"id:{int.from_bytes(value[1 : id_size + 1], 'big')}", value[id_size + 1 :]


def _header_identity(content: bytes | None) -> str:
    if content is not None:
        if len(content) == 17 and content[0] == 0x01:
            return f"guid:{UUID(bytes=content[1:])}"
        if len(content) == 5 and content[0] == 0x00:
            return f"id:{int.from_bytes(content[1:], 'big')}"
    found = "null" if content is None else f"{len(content)} bytes"
    raise refusal("wrong_framing", found, "byte 01 and a GUID of 16 bytes", f"header {VALUE_SCHEMA_ID}")


def _glue_frame(value: bytes) -> Framed:
    if len(value) < _GLUE_HEAD_BYTES:
        raise _short(value, "byte 03, a byte for the compression and 16 bytes of a schema version id")
    schema = f"glue:{UUID(bytes=value[2:_GLUE_HEAD_BYTES])}"
    compression = value[1]
    if compression == _GLUE_PLAIN:
        return schema, value[_GLUE_HEAD_BYTES:]
    if compression == _GLUE_ZLIB:
        return schema, _unpack(value[_GLUE_HEAD_BYTES:])
    raise refusal("wrong_framing", f"byte 03 and compression {compression:02X}", "compression 00 (none) or 05 (zlib)")


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(packed, UNPACKED_BYTES_MAX + 1)
    except zlib.error as error:
        raise refusal("wrong_framing", "a compressed payload that is not zlib", "zlib, as byte 05 says") from error
    if len(payload) > UNPACKED_BYTES_MAX:
        raise refusal("too_large", f"{len(packed)} bytes that unpack to more", f"at most {UNPACKED_BYTES_MAX} bytes")
    if not unpacker.eof:
        raise refusal("truncated", "a compressed payload without its end", "a whole zlib stream")
    if unpacker.unused_data:
        found = f"{len(unpacker.unused_data)} bytes after the compressed payload"
        raise refusal("trailing_bytes", found, "the end of the payload")
    return payload


def _single_object_frame(value: bytes) -> Framed:
    if len(value) < _SINGLE_OBJECT_HEAD_BYTES:
        raise _short(value, "bytes C3 01 and 8 bytes of a schema fingerprint")
    return f"fingerprint:{value[2:_SINGLE_OBJECT_HEAD_BYTES].hex()}", value[_SINGLE_OBJECT_HEAD_BYTES:]


def _short(value: bytes, expected: str) -> DecodeError:
    return refusal("truncated", f"a value of {len(value)} bytes that begins with {value[0]:02X}", expected)
