"""One run through the intake: the records of one partition, each put into its place.

Nearly all messages take a short way: a Custom Event that is sent as it came, or one that a template makes of a few
fields. Whatever is not straight takes the long way, which does the same step by step and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, assert_never

from connector.core.records import (
    SMALL_KEY_BYTES_MAX,
    Entry,
    Fault,
    OrderingKey,
    PreparedRun,
    Reject,
    SourceRecord,
    held_bytes,
)
from connector.decode.avro_texts import AvroTexts
from connector.decode.decoder import Decoded, Decoder, Format
from connector.decode.framing import VALUE_SCHEMA_ID
from connector.errors import DecodeError, InvalidEvent, MappingError, RecordError, SchemaPending
from connector.event_plan import FILTERED
from connector.mapping.acceptance import Accepts
from connector.mapping.event_text import EventText, invalid_items, with_whole_seconds
from connector.mapping.jmespath_language import is_false
from connector.mapping.json_text import json_bytes
from connector.mapping.routes import Route
from connector.mapping.straight import NOT_STRAIGHT

Ordering: TypeAlias = Literal["key", "partition", "none"]

_OBJECT = 0x7B
"""The first byte of a JSON object."""
_PARTS = 8
_AT_ONCE = 100
"""Messages that are mapped by the same steps together; if one of them is not straight, these are taken one by one."""


_NOT_STRAIGHT: tuple[type[Exception], ...] = (RecordError, *NOT_STRAIGHT)


class Choice(NamedTuple):
    """A route that takes a topic, and what reads its format."""

    route: Route
    decoder: Decoder
    texts: AvroTexts | None


class Run:
    """One call of `prepare`: what holds for all its records, and what has become of them so far."""

    def __init__(
        self, choices: list[Choice], ordering: Ordering, text: EventText, accepts: Accepts, now_seconds: float
    ) -> None:
        self.prepared = PreparedRun()
        self.taken_by: Route | None = None
        """The route that took the last record that was looked at one by one."""
        self._seen = 0
        """Records of the run that were looked at, the current one included."""
        self._choices = choices
        self._ordering: Ordering = ordering
        self._text = text
        self._accepts = accepts
        self._now_seconds = now_seconds

    def take_all(self, records: Sequence[SourceRecord]) -> None:
        """Short ways for what nearly all messages are; whatever is not straight goes the long way, `_take`."""
        try:
            if self._choices and self._choices[0].route.is_plain_json:
                self._take_ready(records)
            elif len(self._choices) == 1 and self._choices[0].route.is_straight:
                self._take_straight(records, self._choices[0])
            else:
                for record in records:
                    self._seen += 1
                    self._take(record, record.value())
        except SchemaPending as pending:
            self.prepared.rest = records[self._seen - 1 :]
            self.prepared.wait = pending.wait

    def _take_ready(self, records: Sequence[SourceRecord]) -> None:
        """Messages that are Custom Events already, as JSON: most are sent as they are, all at once if all can be."""
        values = [record.value() for record in records]
        accepted = self._accepted([value for value in values if value])
        self.taken_by = route = self._choices[0].route
        if len(accepted) == len(records) and False not in accepted:
            keys = [record.key() for record in records]
            self.prepared.entries = self._entries(records, keys, values, _weights(records, values, keys))
            return
        verdicts = iter(accepted)
        for record, value in zip(records, values, strict=True):
            self._seen += 1
            if value and next(verdicts):
                self.taken_by = route
                self.prepared.entries += self._entries([record], [record.key()], [value], [held_bytes(record)])
            else:
                self._take(record, value)

    def _accepted(self, bodies: Sequence[bytes]) -> list[bool]:
        """Which of these events are valid at a quick look. All at once; where some are not, in ever smaller parts."""
        if self._accepts(bodies):
            return [True] * len(bodies)
        if len(bodies) == 1:
            return [False]
        part = len(bodies) // _PARTS + 1
        return [good for start in range(0, len(bodies), part) for good in self._accepted(bodies[start : start + part])]

    def _entries(
        self,
        records: Sequence[SourceRecord],
        keys: Sequence[bytes | None],
        bodies: Sequence[Any],
        weights: Sequence[int],
    ) -> list[Entry]:
        """One event of each record. `keys` are the records' own."""
        match self._ordering:
            case "key":
                pass
            case "partition":
                keys = [b""] * len(keys)
            case "none":
                keys = [None] * len(keys)
            case _:
                assert_never(self._ordering)
        return list(zip([record.offset() for record in records], keys, bodies, records, weights, strict=True))

    def _take_straight(self, records: Sequence[SourceRecord], choice: Choice) -> None:
        """Messages that are looked at by expressions alone. What these cannot do is tried again by `_take`."""
        values = [record.value() for record in records]
        built: list[bytes | None] = []
        for start in range(0, len(records), _AT_ONCE):
            some, theirs = records[start : start + _AT_ONCE], values[start : start + _AT_ONCE]
            built += _built(some, theirs, choice)
        verdicts = iter(self._accepted([body for body in built if body]))
        keys = [record.key() for record in records]
        weights = [
            weight if body is value or not body else weight + len(body)
            for value, body, weight in zip(values, built, _weights(records, values, keys), strict=True)
        ]
        for entry in self._entries(records, keys, built, weights):
            self._seen += 1
            if entry[2] and next(verdicts):
                self.taken_by = choice.route
                self.prepared.entries.append(entry)
            elif entry[2] == FILTERED:
                self.taken_by = None
                self.prepared.skipped.append((entry[0], "filtered"))
            else:
                self._take(entry[3], entry[3].value())

    def _take(self, record: SourceRecord, value: bytes | None) -> None:
        """Puts one record into its place. Raises SchemaPending, and has then done nothing."""
        self.taken_by = None
        if value is None:
            self._take_tombstone(record)
            return
        decoded: Decoded | None = None
        try:
            choice, decoded = self._routed(record)
            if choice is None:
                self.prepared.skipped.append((record.offset(), "filtered"))
                return
            self.taken_by = choice.route
            bodies = self._bodies(record, choice, decoded)
            key = self._key(record, choice.route, decoded)
        except RecordError as error:
            schema_id = error.schema_id or (decoded.schema_id if decoded else None)
            self.prepared.rejects.append(_reject(record, error, schema_id))
            return
        if not bodies:
            self.prepared.skipped.append((record.offset(), "filtered"))
            return
        offset = record.offset()
        weight = held_bytes(record)
        for body in bodies:
            # What a message holds is counted once, with its first event.
            self.prepared.entries.append((offset, key, body, record, weight if body is value else weight + len(body)))
            weight = 0

    def _take_tombstone(self, record: SourceRecord) -> None:
        if self._choices and self._choices[0].route.settings.tombstones == "skip":
            self.prepared.skipped.append((record.offset(), "tombstone"))
        else:
            error = DecodeError("tombstone", [Fault("value", "null", "a value, as the route's `tombstones` says")])
            self.prepared.rejects.append(_reject(record, error, None))

    def _routed(self, record: SourceRecord) -> tuple[Choice | None, Decoded | None]:
        """The route that takes the message; decoded where that took a look inside."""
        if not self._choices:
            raise MappingError("no_route", [Fault("topic", "a topic that no route names", "a route for it")])
        decoded: Decoded | None = None
        decoder: Decoder | None = None
        for choice in self._choices:
            route = choice.route
            if route.is_plain:
                return choice, decoded if choice.decoder is decoder else None
            if decoded is None or choice.decoder is not decoder:
                decoder = choice.decoder
                decoded = decoder.decode(record)
            if route.reads_message:
                route.message.record = record
                route.message.value = decoded.value
            try:
                if route.applies(decoded.value):
                    return choice, decoded
            except MappingError as error:
                error.schema_id = decoded.schema_id
                raise
        return None, decoded

    def _bodies(self, record: SourceRecord, choice: Choice, decoded: Decoded | None) -> list[bytes]:
        route = choice.route
        if route.passes_through:
            return [self._passed_through(record, choice.decoder, decoded)]
        assert decoded is not None, "a message that is mapped was decoded to be routed"
        events = route.events_of(decoded.value, record)
        if route.template is None:
            events = [with_whole_seconds(event) for event in events]
        text, accepts, now_seconds = self._text, self._accepts, self._now_seconds
        finite = decoded.schema_id is None and not route.overflows
        is_foreign = route.transform is not None

        def write(event: Any) -> bytes:
            if is_foreign:
                return text.judged(event, now_seconds)
            return text.written(event, accepts, now_seconds, finite=finite)

        try:
            return [write(event) for event in events]
        except InvalidEvent as error:
            if route.for_each is None and len(events) == 1:
                raise
            raise invalid_items(events, write) from error

    def _passed_through(self, record: SourceRecord, decoder: Decoder, decoded: Decoded | None) -> bytes:
        text = decoder.json_payload(record)
        if text is not None and self._accepts([text]):
            return text
        if decoded is None:
            decoded = decoder.decode(record)
        try:
            if text is not None:
                return self._text.passed_on(text, decoded.value, self._now_seconds)
            event = with_whole_seconds(decoded.value)
            return self._text.written(event, self._accepts, self._now_seconds, finite=False)
        except InvalidEvent as error:
            error.schema_id = decoded.schema_id
            raise

    def _key(self, record: SourceRecord, route: Route, decoded: Decoded | None) -> OrderingKey:
        match self._ordering:
            case "key" if route.ordering_key is None:
                return record.key()
            case "key":
                assert decoded is not None, "a route with an ordering key decodes"
                return route.key_of(decoded.value)
            case "partition":
                return b""
            case "none":
                return None
            case _:
                assert_never(self._ordering)


def _built(records: Sequence[SourceRecord], values: Sequence[bytes | None], choice: Choice) -> Sequence[bytes | None]:
    """The event of each message that is straight, FILTERED, or None. All at once, which costs less, where that goes."""
    try:
        built = _written(records, values, choice)
    except _NOT_STRAIGHT:
        built = None
    except SchemaPending:
        built = None
    if built is not None and None not in built:
        return built
    one_by_one: list[bytes | None] = list(built or [None] * len(records))
    for place, (record, value) in enumerate(zip(records, values, strict=True)):
        try:
            if one_by_one[place] is None:
                one_by_one[place] = _built_alone(record, value, choice)
        except SchemaPending:
            break  # the long way meets it again, in its place
        except _NOT_STRAIGHT:
            pass
    return one_by_one


def _written(
    records: Sequence[SourceRecord], values: Sequence[bytes | None], choice: Choice
) -> Sequence[bytes | None] | None:
    """By the route's plan. None: the messages are not of one kind, or of one that has no such way."""
    route, _, texts = choice
    if route.straight is None:
        return None
    if not _are_plain_objects(records, values, route.settings.format):
        return None if texts is None else texts.write(values, records)
    written = route.straight.write(values, records)  # type: ignore[arg-type]  # none of them is None
    # Of an infinite number JSON says null: the long way says what it was.
    return [None if b"null" in text else text for text in written] if route.overflows else written


def _built_alone(record: SourceRecord, value: bytes | None, choice: Choice) -> bytes | None:
    """None: it goes the long way."""
    route, decoder, _ = choice
    written = _written([record], [value], choice)
    if written is not None and written[0] is not None:
        return written[0]
    if route.decoded_way is None or value is None:
        return None
    decoded = decoder.decode(record)
    if route.reads_message:
        route.message.record, route.message.value = record, decoded.value
    when, build = route.decoded_way
    if when is not None and (wanted := when(decoded.value)) is not True and is_false(wanted):
        return FILTERED
    body = json_bytes(build(decoded.value))
    return None if (decoded.schema_id is not None or route.overflows) and b"null" in body else body


def _are_plain_objects(records: Sequence[SourceRecord], values: Sequence[bytes | None], form: Format) -> bool:
    if form == "avro" or False in [bool(value) and value[0] == _OBJECT for value in values]:  # type: ignore[index]
        return False
    return form == "json" or True not in [_is_framed(record.headers()) for record in records]


def _weights(
    records: Sequence[SourceRecord], values: Sequence[bytes | None], keys: Sequence[bytes | None]
) -> list[int]:
    """What each record holds: nearly always its value alone, which is looked up for all of them at once."""
    headers = [record.headers() for record in records]
    if any(headers) or True in [key is not None and len(key) > SMALL_KEY_BYTES_MAX for key in keys]:
        return list(map(held_bytes, records))
    return [len(value) if value else 0 for value in values]


def _is_framed(headers: list[tuple[str, bytes | None]] | None) -> bool:
    """Whether a header names the schema of the value: then the first byte does not say what it is."""
    return bool(headers) and any(name == VALUE_SCHEMA_ID for name, _ in headers or ())


def _reject(record: SourceRecord, error: RecordError, schema_id: str | None) -> Reject:
    kind = type(error)
    return Reject(
        record,
        kind.stage,
        error.reason,
        error.faults,
        error_class=f"{kind.__module__}.{kind.__qualname__}",
        schema_id=schema_id,
    )
