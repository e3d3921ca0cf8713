"""The texts of events from Avro messages, by code that was written for the schema and the plan of a route.

For values in the frame of a registry, whose schema is known by its first bytes. Everything else (another frame, a
header that may name the schema, a schema without code, an unusual payload) is the decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.core.records import SourceRecord
from connector.decode.avro_code import UNUSUAL
from connector.decode.avro_text_code import TextCode, text_code
from connector.decode.framing import Framing, id_bytes, unframe
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import AvroSchema
from connector.event_plan import EventPlan

_HEADS_KEPT_MAX = 1_000


class AvroTexts:
    """Owns the code of one plan, for each schema that was met."""

    def __init__(self, schemas: SchemaCache, framing: Framing, plan: EventPlan) -> None:
        self._schemas = schemas
        self._head_bytes = 1 + id_bytes(framing)
        self._plan = plan
        self._codes: dict[bytes, TextCode | None] = {}

    def write(self, values: Sequence[bytes | None], records: Sequence[SourceRecord]) -> Sequence[bytes | None] | None:
        """Events, or FILTERED; None: decode this one, or all of them.

        Raises SchemaPending, and what the plan's expressions raise.
        """
        if any(record.headers() for record in records):
            return None
        size = self._head_bytes
        heads = {value and value[:size] for value in values}
        if len(heads) > 1:
            return self._write_each_kind(heads, values, records)
        code = self._code_of(heads.pop())
        try:
            return None if code is None else code(values, records, size)  # type: ignore[arg-type]  # none is None
        except UNUSUAL:
            return None

    def _write_each_kind(
        self, heads: set[bytes | None], values: Sequence[bytes | None], records: Sequence[SourceRecord]
    ) -> Sequence[bytes | None]:
        """More than one version of a schema, while producers change over."""
        written: list[bytes | None] = [None] * len(values)
        for head in heads:
            size = self._head_bytes
            places = [place for place, value in enumerate(values) if (value and value[:size]) == head]
            texts = self.write([values[place] for place in places], [records[place] for place in places])
            for place, text in zip(places, texts or (), strict=False):
                written[place] = text
        return written

    def _code_of(self, head: bytes | None) -> TextCode | None:
        if head in self._codes:
            return self._codes[head]
        if head is None or head[:1] != b"\x00" or len(head) < self._head_bytes:
            return None
        identity, _ = unframe(head, None, self._head_bytes - 1)
        assert identity is not None
        schema = self._schemas.get(identity)
        if not isinstance(schema, AvroSchema):
            return None  # what is unknown today may be known tomorrow
        if len(self._codes) >= _HEADS_KEPT_MAX:
            self._codes.clear()
        # A schema without code is one that must be bounded while it is read, or too large for code.
        code = self._codes[head] = None if schema.code is None else text_code(schema.written, self._plan)
        return code
