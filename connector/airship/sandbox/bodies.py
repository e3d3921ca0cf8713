"""Request bodies as bytes: cut into events without making objects of them, decoded only where somebody looks.

Numbers that a double cannot hold are numbers all the same: JSON has no limit, and neither has the contract.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec


def _number(text: str) -> float | Decimal:
    number = float(text)
    return number if isfinite(number) else Decimal(text)


decode = msgspec.json.Decoder(Any, float_hook=_number).decode
_decode_one = msgspec.json.Decoder(msgspec.Raw).decode
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `cut` and `decode` raise for bytes that are not JSON, or nested too deep."""


def is_bare(body: bytes) -> bool:
    """Whether the body is one object, as the official Python client sends it, and not an array."""
    return body.lstrip()[:1] == b"{"


def cut(body: bytes) -> list[bytes]:
    """The events of a body, each the bytes that were sent; one for a bare object.

    Raises msgspec.ValidationError when the body is neither an array nor an object, and what is in `NOT_JSON`.
    """
    if not body.isascii():
        body.decode()  # what is cut out is not looked at otherwise
    if is_bare(body):
        _decode_one(body)
        return [body.strip()]
    return [bytes(raw) for raw in _decode_batch(body)]


def on_one_line(event: bytes) -> bytes:
    """The same JSON; without white space between its parts if it stood on several lines."""
    return msgspec.json.format(event, indent=-1) if b"\n" in event or b"\r" in event else event
