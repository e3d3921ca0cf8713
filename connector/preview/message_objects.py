"""A message written as a JSON object, as the examples have it: topic, key, headers, timestamp beside the value.

    {"topic": "orders", "key": "c-7", "headers": {"type": "paid"}, "timestamp": 1717239600000, "value": {...}}

`value` is any JSON, taken as it stands there; null is a tombstone. Instead of it `text` for what is not JSON, `base64`
for other bytes. With `schema`, the path of an .avsc file, `value` is written as Avro.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec

from connector.preview.records import Headers


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    topic: str | None = None
    partition: int = 0
    offset: int | None = None
    key: str | None = None
    headers: dict[str, str | None] | None = None
    timestamp: int | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    base64: str | msgspec.UnsetType = msgspec.UNSET
    schema: str | None = None


_decode = msgspec.json.Decoder(_Message).decode
_VALUES = ("value", "text", "base64")


class NotAMessage(ValueError):
    """What was found and expected; does not leave this package."""


@dataclass(frozen=True, slots=True)
class MessageObject:
    topic: str | None
    partition: int
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers | None
    timestamp_ms: int | None
    schema: str | None
    """The value is JSON, to be written with the schema of this file."""


def message_object(text: bytes) -> MessageObject:
    """Raises NotAMessage."""
    try:
        message = _decode(text)
        value = _value_of(message)
    except (msgspec.DecodeError, binascii.Error, UnicodeError, RecursionError) as error:
        raise NotAMessage(f"found no message ({error}), expected an object with topic, key, headers, value") from None
    headers = message.headers
    return MessageObject(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=None if message.key is None else message.key.encode(),
        value=value,
        headers=[(name, None if held is None else held.encode()) for name, held in headers.items()]
        if headers
        else None,
        timestamp_ms=message.timestamp,
        schema=message.schema,
    )


def looks_like_a_message(text: bytes) -> bool:
    """An object of nothing but a message's own fields, more than the value alone: `{"value": 1}` may be a value."""
    try:
        message_object(text)
    except NotAMessage:
        return False
    return len(msgspec.json.decode(text, type=dict[str, msgspec.Raw])) > 1


def _value_of(message: _Message) -> bytes | None:
    given = [name for name in _VALUES if getattr(message, name) is not msgspec.UNSET]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise NotAMessage(f"found {found}, expected one of value, text, base64")
    if message.schema is not None and given != ["value"]:
        raise NotAMessage(f"found schema beside {given[0]}, expected it beside value")
    if isinstance(message.text, str):
        return message.text.encode()
    if isinstance(message.base64, str):
        return base64.b64decode(message.base64, validate=True)
    assert isinstance(message.value, msgspec.Raw)
    value = bytes(message.value)
    return None if value == b"null" else value
