"""What a schema look-up can give, and who gives it: the values between the cache, the decoder and the look-ups.

An identity names a schema as the framing does. It is text, so that it can travel in headers and logs:

    id:42                 number of a registry (Confluent, Apicurio)
    guid:<uuid>           GUID of a registry (header `__value_schema_id`)
    glue:<uuid>           schema version of AWS Glue
    fingerprint:<16 hex>  CRC-64-AVRO as it stands in the single-object header
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from connector.decode.avro_bounds import Bounds
from connector.decode.avro_code import ReadCode
from connector.errors import RegistryUnavailable


@dataclass(frozen=True, slots=True, eq=False)
class AvroSchema:
    """A writer's schema, ready to read with."""

    reading: dict[str, Any]
    """For fastavro: parsed, with the logical types of this package."""
    wrapped: bool
    """The value is the one field of an outer record (the schema itself is no record)."""
    bounds: Bounds | None
    """Set where the schema alone does not bound what a few bytes can make fastavro do."""
    written: Any
    """The same before fastavro parsed it, and never wrapped."""
    code: ReadCode | None
    """The quick way for all that is usual."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The payload is JSON. It is not validated against the schema: the event is, against the contract."""


@dataclass(frozen=True, slots=True)
class UnusableSchema:
    """The schema exists and its records cannot be read."""

    why: str


Schema: TypeAlias = AvroSchema | JsonSchema | UnusableSchema


@dataclass(frozen=True, slots=True)
class SchemaUnknown:
    """Whoever was asked answered, and has no such schema."""

    where: str
    """Who was asked, for the text of the reject."""
    final: bool = False
    """Asking again cannot help: nothing is configured that could know it."""


class SchemaLookup(Protocol):
    """A source of schemas. Its methods block and belong in a thread of their own."""

    def fetch(self, schema: str) -> Schema | SchemaUnknown:
        """Raises RegistryUnavailable when there is no answer to rely on."""
        ...

    def probe(self) -> str:
        """One line that says what answered; raises RegistryUnavailable, which says how to mend it."""
        ...

    def close(self) -> None: ...


def ask(lookup: SchemaLookup, schema: str) -> Schema | SchemaUnknown | RegistryUnavailable:
    """`fetch` with every outcome as a value, as `SchemaCache.answered` takes it."""
    try:
        return lookup.fetch(schema)
    except RegistryUnavailable as unavailable:
        return unavailable
