"""The values that travel between the parts: a record of the source, an entry for a batch, a reject, an answer.

Plain data, no behaviour beyond reading it. This module knows no library: what it says of a source record is a
protocol that `confluent_kafka.Message` fulfils, and so does the model of Kafka in the simulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NewType, Protocol, TypeAlias

NextOffset = NewType("NextOffset", int)
"""A position: the offset of the next record to read, one above the last one read. Never the offset of a record."""


class TopicPartition(NamedTuple):
    """The name of a partition."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


class SourceRecord(Protocol):
    """One record as the broker gave it. `timestamp()` is (type, milliseconds); type 0 means there is none."""

    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...
    def timestamp(self) -> tuple[int, int]: ...


SMALL_KEY_BYTES_MAX = 255


def held_bytes(record: SourceRecord) -> int:
    """What it holds in memory: its value, its headers, and a key that is not small."""
    key, headers = record.key(), record.headers()
    held = len(record.value() or b"")
    if key is not None and len(key) > SMALL_KEY_BYTES_MAX:
        held += len(key)
    if headers:
        held += sum([len(name) + len(content or b"") for name, content in headers])
    return held


OrderingKey: TypeAlias = bytes | None
"""Records of one partition with the same ordering key keep their order; None waits for nothing."""

Entry: TypeAlias = tuple[int, OrderingKey, bytes, SourceRecord, int]
"""One event on its way: (offset, ordering key, serialized event, source record, bytes it holds in memory).

A plain tuple, because there is one for every event: a slotted object costs ten times as much to make.
"""

Stage: TypeAlias = Literal["decode", "map", "validate", "deliver"]

Reason: TypeAlias = Literal[
    # decode
    "not_json",
    "not_avro",
    "truncated",
    "trailing_bytes",
    "wrong_framing",
    "unknown_schema",
    "schema_not_usable",
    "too_deep",
    "tombstone",
    # map
    "expression_failed",
    "required_missing",
    "transform_failed",
    "no_route",
    # validate
    "invalid_event",
    "too_large",
    # deliver
    "refused",
    "refused_too_large",
]
"""Why a record was rejected: the closed set behind `airship-connector.reason` and the metrics' `reason`."""

SkipReason: TypeAlias = Literal["tombstone", "filtered"]


class Fault(NamedTuple):
    """One thing that is wrong with a message.

    `found` describes what was there without quoting the payload ("a string of 300 characters", "null"): it is shown
    in logs, headers and on the status page.
    """

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field or 'event'}: found {self.found}, expected {self.expected}"


@dataclass(frozen=True, slots=True, eq=False)
class Reject:
    """A record that is refused for a fault of its own, on its way to the dead-letter topic."""

    record: SourceRecord
    stage: Stage
    reason: Reason
    faults: tuple[Fault, ...]
    error_class: str = ""
    http_status: int | None = None
    answer: str | None = None
    """The bounded beginning of the endpoint's answer."""
    attempts: int = 0
    """Requests that contained the record and were refused."""
    schema_id: str | None = None

    @property
    def message(self) -> str:
        return "; ".join(map(str, self.faults))


@dataclass(frozen=True, slots=True)
class SchemaWait:
    """Decoding stopped in front of a record because its schema is not known yet."""

    schema: str
    """The identity as the framing names it: `id:42`, `guid:...`; a key of the schema cache."""


@dataclass(slots=True)
class PreparedRun:
    """What became of a run: records of one partition in the order of their offsets.

    Each record is in exactly one place: it has one entry or more, or is skipped, or rejected, or is in `rest`.
    """

    entries: list[Entry] = field(default_factory=list)
    skipped: list[tuple[int, SkipReason]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rest: Sequence[SourceRecord] = ()
    """Records not looked at, from the first one whose schema must be looked up."""
    wait: SchemaWait | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the endpoint answered. `body` is bounded by the sender (64 KiB)."""

    status: int
    body: bytes
    retry_after: str | None = None
    """The header as it was sent."""
    date: str | None = None
    """The endpoint's own clock (header `Date`), to which an HTTP date in `retry_after` is compared."""
    www_authenticate: str | None = None
    sent_tokens: int = 1
    """Requests that were made for this answer: 2 when a 401 made the sender refresh its token once."""
    resends: int = 0
    """How often it was sent again because the endpoint had closed the idle connection before any of it arrived."""


FaultKind: TypeAlias = Literal[
    "connect", "timeout", "disconnected", "tls", "protocol", "cancelled", "credentials_unavailable"
]


@dataclass(frozen=True, slots=True)
class TransportFault:
    """No answer. The request may have arrived all the same, unless the opposite is proved."""

    kind: FaultKind
    detail: str
    """The exception's class and text, without addresses of users or secrets."""
    may_have_arrived: bool = True
    """False: not sent, or the endpoint received nothing of it. Sending it again cannot make a duplicate."""


@dataclass(frozen=True, slots=True)
class CredentialsRefused:
    """There is no token to send with: the token endpoint refused the credentials, or the token file is unusable."""

    detail: str


Answer: TypeAlias = HttpAnswer | TransportFault | CredentialsRefused
