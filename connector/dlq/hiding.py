"""A message's form without what is in it: names and kinds are shown, values are not."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

ITEMS_MAX = 3
"""Of an array so many are shown: the others have the same form, or nearly."""


def hidden(value: Any) -> Any:
    """`{"id": 7, "name": "Ada"}` becomes `{"id": "<number>", "name": "<text of 3>"}`."""
    if isinstance(value, Mapping):
        return {str(name): hidden(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        shown = [hidden(item) for item in value[:ITEMS_MAX]]
        return shown if len(value) <= ITEMS_MAX else [*shown, f"<{len(value) - ITEMS_MAX} more>"]
    if value is None:
        return None
    if isinstance(value, bool):
        return "<true or false>"
    if isinstance(value, int | float | Decimal):
        return "<number>"
    if isinstance(value, str):
        return f"<text of {len(value)}>"
    return f"<{type(value).__name__}>"


def hidden_bytes(value: bytes | None) -> str | None:
    return None if value is None else f"<{len(value)} bytes>"
