"""From records to events: decode, filter, map, validate. Where decoding and mapping meet the values of the core.

One call takes the records of one partition, so that what depends on the topic or the time is looked up once. A record
ends in exactly one place of the PreparedRun; nothing is dropped without a trace:

- a tombstone is skipped, or rejected where the topic's first route says so;
- the first route that takes the topic and whose `when` is true takes the message; if there is none, it is skipped as
  filtered, like a message whose `for_each` or transform gives no event;
- in front of a record whose schema must be looked up first the run stops: `rest` is not looked at.

A message that is a Custom Event already, as JSON text, is sent byte for byte as it came. Everything else is serialized.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from connector.core.records import PreparedRun, SourceRecord
from connector.decode.avro_texts import AvroTexts
from connector.decode.decoder import Decoded, Decoder
from connector.decode.schema_cache import SchemaCache
from connector.intake_run import Choice, Ordering, Run
from connector.mapping.acceptance import Acceptance
from connector.mapping.event_text import EventText
from connector.mapping.routes import Route, compile_routes
from connector.settings import Settings

_BRACKETS = 2
"""Bytes around a single event in the body of a request."""
_TOPICS_KEPT_MAX = 10_000


class Explanation(NamedTuple):
    """What would become of one record, for people: `preview`, `dlq show`. The events are the bodies of the entries."""

    route: str | None
    """The label of the route that took it; None: none did, or it could not be decoded."""
    run: PreparedRun


class Prepares(Protocol):
    """What the loop asks of the intake."""

    def prepare(self, topic: str, records: Sequence[SourceRecord], now_seconds: float) -> PreparedRun: ...


class Intake:
    """Raises SettingsError for what is wrong with the routes. Holds on to the last record at most."""

    def __init__(self, settings: Settings, schemas: SchemaCache) -> None:
        self._routes = compile_routes(settings.routes, settings.validation)
        self._schemas = schemas
        self._ordering: Ordering = settings.delivery.ordering
        event_bytes_max = settings.delivery.batch.bytes_max - _BRACKETS
        self._acceptance = Acceptance(settings.validation, event_bytes_max)
        self._text = EventText(settings.validation, event_bytes_max)
        self._choices: dict[str, list[Choice]] = {}

    def prepare(self, topic: str, records: Sequence[SourceRecord], now_seconds: float) -> PreparedRun:
        """Takes records of one partition in the order of their offsets. `now_seconds` is the time of day since 1970."""
        return self._taken(topic, records, now_seconds).prepared

    def explain(self, topic: str, record: SourceRecord, now_seconds: float) -> Explanation:
        run = self._taken(topic, [record], now_seconds)
        return Explanation(run.taken_by.label if run.taken_by else None, run.prepared)

    def decoded(self, topic: str, record: SourceRecord) -> Decoded | None:
        """A record with a value, as the first route that takes the topic reads it; None: none takes it.

        For people, as `explain` is. Raises DecodeError and SchemaPending.
        """
        choices = self._choices_of(topic)
        return choices[0].decoder.decode(record) if choices else None

    def _taken(self, topic: str, records: Sequence[SourceRecord], now_seconds: float) -> Run:
        accepts = self._acceptance.at(now_seconds)
        run = Run(self._choices_of(topic), self._ordering, self._text, accepts, now_seconds)
        run.take_all(records)
        return run

    def _texts_of(self, route: Route) -> AvroTexts | None:
        if route.straight is None or route.straight.plan.event is None or route.settings.format == "json":
            return None
        return AvroTexts(self._schemas, route.settings.framing, route.straight.plan)

    def _choices_of(self, topic: str) -> list[Choice]:
        known = self._choices.get(topic)
        if known is not None:
            return known
        decoders: dict[tuple[str, str], Decoder] = {}
        choices = []
        for route in self._routes:
            if route.takes(topic):
                settings = route.settings
                form = (settings.format, settings.framing)
                if form not in decoders:
                    decoders[form] = Decoder(settings.format, settings.framing, self._schemas)
                choices.append(Choice(route, decoders[form], self._texts_of(route)))
        if len(self._choices) < _TOPICS_KEPT_MAX:
            self._choices[topic] = choices
        return choices
