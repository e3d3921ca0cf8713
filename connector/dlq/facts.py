"""What a letter's headers say: where its message came from and what was wrong, in the names of four programs.

    airship-connector   schemas/dead-letter.md; the origin in Kafka Connect's names
    kafka-connect       `__connect.errors.*`, all of them UTF-8 text (DeadLetterQueueReporter)
    spring              `kafka_dlt-*`; numbers are big-endian, 4 or 8 bytes (DeadLetterPublishingRecoverer)
    arroyo              `original_partition` and `original_offset` as text, and not the topic (KafkaDlqProducer)

Whatever is not as it should be counts as not told: a letter that somebody else wrote must not stop a listing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, cast

from connector.core.records import SourceRecord
from connector.kafka import letter_format as names

Writer: TypeAlias = Literal["airship-connector", "kafka-connect", "spring", "arroyo", "unknown"]
Headers: TypeAlias = list[tuple[str, bytes | None]]

_SPRING = "kafka_dlt-"
_ARROYO = ("original_partition", "original_offset")
_ADDED: dict[Writer, tuple[str, ...]] = {
    "airship-connector": (names.CONNECT, names.OWN),
    "kafka-connect": (names.CONNECT, names.OWN),
    "spring": (_SPRING, names.OWN),
    "arroyo": (*_ARROYO, names.OWN),
    "unknown": (names.OWN,),
}
"""The beginnings of the names of what a writer adds. A replay adds a header of ours to any of them."""
_Told: TypeAlias = dict[str, bytes | None]


class Origin(NamedTuple):
    """Where the message came from. Not every writer tells all of it."""

    topic: str | None
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a writer told of a failure. None: it did not say."""

    writer: Writer
    origin: Origin
    stage: str | None = None
    reason: str | None = None
    field: str | None = None
    error_class: str | None = None
    message: str | None = None
    http_status: int | None = None
    answer: str | None = None
    attempts: int = 0
    schema_id: str | None = None
    group: str | None = None
    failed_at: str | None = None
    original_timestamp: int | None = None
    """Milliseconds since 1970."""
    left_out: tuple[str, ...] = ()
    format: int | None = None
    """The version of our format that the letter is written in."""


def facts_of(record: SourceRecord) -> Facts:
    told = dict(cast("Headers", record.headers() or []))
    if names.REASON in told:
        return _own(told)
    if names.TOPIC in told or names.EXCEPTION_CLASS in told or names.STAGE in told:
        return _connect(told)
    if any(name.startswith(_SPRING) for name in told):
        return _spring(told)
    if all(name in told for name in _ARROYO):
        return _arroyo(told)
    return Facts("unknown", Origin(None, None, None))


def own_headers(record: SourceRecord, writer: Writer) -> Headers | None:
    """The message's own, in order, without those that the writer added."""
    headers = cast("Headers", record.headers() or [])
    return [(name, value) for name, value in headers if not name.startswith(_ADDED[writer])] or None


def _own(told: _Told) -> Facts:
    return Facts(
        "airship-connector",
        _connects_origin(told),
        stage=text(told.get(names.STAGE)),
        reason=text(told.get(names.REASON)),
        field=text(told.get(names.FIELD)),
        error_class=text(told.get(names.EXCEPTION_CLASS)),
        message=text(told.get(names.EXCEPTION_MESSAGE)),
        http_status=decimal(told.get(names.HTTP_STATUS)),
        answer=text(told.get(names.ANSWER)),
        attempts=decimal(told.get(names.ATTEMPTS)) or 0,
        schema_id=text(told.get(names.SCHEMA_ID)),
        group=text(told.get(names.GROUP)),
        failed_at=text(told.get(names.FAILED_AT)),
        original_timestamp=decimal(told.get(names.ORIGINAL_TIMESTAMP)),
        left_out=tuple((text(told.get(names.LEFT_OUT)) or "").split()),
        format=decimal(told.get(names.FORMAT)),
    )


def _connect(told: _Told) -> Facts:
    """Connect keeps the message's own timestamp for its letter, so that is the original one."""
    return Facts(
        "kafka-connect",
        _connects_origin(told),
        stage=text(told.get(names.STAGE)),
        error_class=text(told.get(names.EXCEPTION_CLASS)),
        message=text(told.get(names.EXCEPTION_MESSAGE)),
    )


def _connects_origin(told: _Told) -> Origin:
    return Origin(text(told.get(names.TOPIC)), decimal(told.get(names.PARTITION)), decimal(told.get(names.OFFSET)))


def _spring(told: _Told) -> Facts:
    origin = Origin(
        text(told.get(_SPRING + "original-topic")),
        _big_endian(told.get(_SPRING + "original-partition"), 4),
        _big_endian(told.get(_SPRING + "original-offset"), 8),
    )
    # The exception around it says only that a listener failed; the cause says why.
    error_class = told.get(_SPRING + "exception-cause-fqcn") or told.get(_SPRING + "exception-fqcn")
    return Facts(
        "spring",
        origin,
        error_class=text(error_class),
        message=text(told.get(_SPRING + "exception-message")),
        group=text(told.get(_SPRING + "original-consumer-group")),
        original_timestamp=_big_endian(told.get(_SPRING + "original-timestamp"), 8),
    )


def _arroyo(told: _Told) -> Facts:
    """Its topic is known from its settings alone."""
    partition, offset = (decimal(told.get(name)) for name in _ARROYO)
    return Facts("arroyo", Origin(None, partition, offset))


def _big_endian(value: bytes | None, size: int) -> int | None:
    """A number as Java's ByteBuffer writes it; negative ones stand for "unknown". Text is taken as well."""
    if value is None:
        return None
    if len(value) != size:
        return decimal(value)
    number = int.from_bytes(value, "big", signed=True)
    return number if number >= 0 else None


def last(headers: Headers, name: str) -> bytes | None:
    """The value of the last header of that name."""
    return next((value for other, value in reversed(headers) if other == name), None)


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def decimal(value: bytes | None) -> int | None:
    """A count or an offset as text; None for what is none."""
    return int(value) if value is not None and len(value) < 20 and value.isdigit() else None
