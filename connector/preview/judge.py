"""What the settings make of one record: decode, route, map, validate as the job would, and say what came of it.

A record whose schema is not known yet waits here for the look-up, under a deadline. A source of schemas that does not
answer is nobody's reject: it raises RegistryUnavailable. Sends nothing, commits nothing, keeps no record.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from connector.core.records import Fault, OrderingKey, PreparedRun, Reject, SkipReason, SourceRecord
from connector.decode.decoder import Decoded
from connector.decode.lookup import lookup_limits, open_lookup
from connector.decode.schema_cache import LookupLimits, SchemaCache
from connector.decode.schemas import Schema, SchemaUnknown
from connector.errors import RegistryUnavailable, SchemaPending
from connector.intake import Intake
from connector.settings import Settings

Outcome: TypeAlias = Literal["event", "skip", "reject"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What would become of one record."""

    outcome: Outcome
    route: str | None
    """The label of the route that took it; None where none did."""
    events: tuple[bytes, ...] = ()
    """`event`: the very bytes that would be sent, one JSON object each."""
    ordering_key: OrderingKey = None
    """`event`: records with the same one keep their order; None waits for nothing."""
    skipped: SkipReason | None = None
    """`skip`: why."""
    reject: Reject | None = None
    """`reject`: stage, reason, schema and all faults, as they would go into the dead letter."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self.reject.faults if self.reject is not None else ()


class Judge:
    """Owns a cache of schemas, and a connection to the registry once one was asked for. Close it in the end."""

    def __init__(self, settings: Settings) -> None:
        """Reads a directory of schemas and no network. Raises SettingsError."""
        limits = lookup_limits(settings.schema_registry)
        self._deadline_seconds = limits.deadline_seconds
        self._cache = SchemaCache(_impatient(limits))
        self._intake = Intake(settings, self._cache)
        self._lookup = open_lookup(settings.schema_registry)

    def judge(self, topic: str, record: SourceRecord, now_seconds: float) -> Judgement:
        """`topic` is the one whose routes count; `now_seconds` the time of day since 1970 that the contract goes by.

        Waits for a schema that is not known yet. Raises RegistryUnavailable when its source does not answer.
        """
        while True:
            explanation = self._intake.explain(topic, record, now_seconds)
            if explanation.run.wait is None:
                return _judgement(explanation.route, explanation.run)
            self._look_up()

    def know(self, identity: str, schema: Schema) -> None:
        """A schema that is at hand already, under the name that the framing gives it."""
        self._cache.found(identity, schema)

    def decoded(self, topic: str, record: SourceRecord) -> Decoded | None:
        """What the topic's first route reads in a record with a value; None: no route takes the topic.

        Waits and raises as `judge` does, and raises DecodeError.
        """
        while True:
            try:
                return self._intake.decoded(topic, record)
            except SchemaPending:
                self._look_up()

    def close(self) -> None:
        self._lookup.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look_up(self) -> None:
        """Asks for what the cache wants. Its clock stands still: nothing here waits, backs off or expires."""
        (schema,) = self._cache.wanted(0.0)
        what = f"no answer for the schema {schema} within {self._deadline_seconds:g} s"
        try:
            answer = _within(self._deadline_seconds, partial(self._lookup.fetch, schema), what)
        except RegistryUnavailable as unavailable:
            self._cache.answered(schema, unavailable, 0.0)
            raise
        self._cache.answered(schema, answer, 0.0)


def _within(seconds: float, fetch: Callable[[], Schema | SchemaUnknown], what: str) -> Schema | SchemaUnknown:
    """`fetch` under one deadline: the clients' own time-outs are per read. Raises what it raises."""
    answers: queue.SimpleQueue[Schema | SchemaUnknown | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(fetch())
        except BaseException as error:  # noqa: BLE001  raised in the thread that waits
            answers.put(error)

    # A daemon: one that never comes back must not hold up the end of the program.
    threading.Thread(target=run, name="schema look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise RegistryUnavailable(what) from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _impatient(limits: LookupLimits) -> LookupLimits:
    """A person waits: whatever has to be asked again is asked at once. One question at a time."""
    return replace(
        limits,
        recheck_seconds=0.0,
        backoff_initial_seconds=0.0,
        backoff_max_seconds=0.0,
        in_flight_max=1,
    )


def _judgement(route: str | None, run: PreparedRun) -> Judgement:
    """A record is in exactly one place of the run."""
    if run.rejects:
        return Judgement("reject", route, reject=run.rejects[0])
    if run.skipped:
        return Judgement("skip", route, skipped=run.skipped[0][1])
    assert run.entries, "a record that is in no place of the run"
    _, key, *_ = run.entries[0]
    return Judgement("event", route, events=tuple(entry[2] for entry in run.entries), ordering_key=key)
