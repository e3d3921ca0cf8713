"""Views of Avro messages: of each only the fields that a route looks at, read by code that was written for the two.

For values in the frame of a registry, whose schema is known by its first bytes. Everything else (another frame, a
header that may name the schema, a schema without code, an unusual payload) is the decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.core.records import SourceRecord
from connector.decode.avro_code import UNUSUAL, ReadCode, reading_code
from connector.decode.framing import Framing, id_bytes, unframe
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import AvroSchema

_HEADS_KEPT_MAX = 1_000


class AvroViews:
    """Owns the code of one view, for each schema that was met."""

    def __init__(self, schemas: SchemaCache, framing: Framing, view: type[Any]) -> None:
        self._schemas = schemas
        self._head_bytes = 1 + id_bytes(framing)
        self._view = view
        self._codes: dict[bytes, tuple[ReadCode | None, str]] = {}

    def read(self, value: bytes, record: SourceRecord) -> tuple[Any, str] | None:
        """The view and the identity of the schema; None: decode it. Raises SchemaPending."""
        if record.headers() or value[:1] != b"\x00":
            return None
        head = value[: self._head_bytes]
        known = self._codes.get(head)
        if known is None:
            known = self._learn(head, value)
            if known is None:
                return None
        code, identity = known
        if code is None:
            return None
        try:
            return code(value, self._head_bytes), identity
        except UNUSUAL:
            return None

    def read_all(self, values: Sequence[bytes | None], records: Sequence[SourceRecord]) -> list[Any] | None:
        """The views of messages that were all written with one schema, which is known; None: read them one by one."""
        heads = {value[: self._head_bytes] for value in values if value is not None}
        code, _ = self._codes.get(heads.pop(), (None, "")) if len(heads) == 1 else (None, "")
        headers = [record.headers() for record in records]
        if code is None or None in values or any(headers):
            return None
        start = self._head_bytes
        try:
            return [code(value, start) for value in values]  # type: ignore[arg-type]  # none of them is None
        except UNUSUAL:
            return None

    def _learn(self, head: bytes, value: bytes) -> tuple[ReadCode | None, str] | None:
        if len(value) < self._head_bytes:
            return None
        identity, _ = unframe(value, None, self._head_bytes - 1)
        assert identity is not None
        schema = self._schemas.get(identity)
        if not isinstance(schema, AvroSchema):
            return None  # what is unknown today may be known tomorrow
        if len(self._codes) >= _HEADS_KEPT_MAX:
            self._codes.clear()
        code = None if schema.code is None else reading_code(schema.written, self._view)
        self._codes[head] = code, identity
        return code, identity
