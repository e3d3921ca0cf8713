"""Which schemas are known, which must be asked for, and when: a state machine without I/O and without a clock.

It belongs to the loop's thread. The decoder asks it; what it does not know becomes a question. The loop takes the
questions that are due (`wanted`), lets another thread ask them, and brings each answer back (`answered`):

    wanted -> in flight -> known        a schema: ids are immutable, so it is kept as it is
                        -> unknown      asked once more after `recheck_seconds`, since a registry's follower may lag;
                                        then a verdict, which expires, so that a schema registered later works
                        -> unavailable  no verdict on anything: the whole look-up backs off, then one question probes

Invariants: every table has a limit; a question in flight is answered or given up at its deadline; while the look-up
is in trouble at most one question is in flight; a record's fault is never concluded from a failed look-up.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, assert_never

from connector.decode.schemas import AvroSchema, JsonSchema, Schema, SchemaUnknown, UnusableSchema
from connector.errors import RegistryUnavailable, SchemaPending

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LookupLimits:
    recheck_seconds: float = 2.0
    deadline_seconds: float = 30.0
    """After it a question in flight counts as unanswered."""
    in_flight_max: int = 4
    known_max: int = 1_000
    """Schemas held; the oldest is forgotten first and asked for again when it is met."""
    verdicts_max: int = 1_000
    questions_max: int = 1_000
    """Further identities are not noted; their records ask again."""
    verdict_seconds: float = 60.0
    backoff_initial_seconds: float = 0.2
    backoff_max_seconds: float = 30.0


@dataclass(slots=True)
class _Question:
    due: float
    """When it may be asked; in flight: when it is given up."""
    in_flight: bool = False
    answered_unknown: bool = False
    """The next answer of that kind is the verdict."""


@dataclass(slots=True)
class _Verdict:
    unknown: SchemaUnknown
    expires: float


@dataclass(slots=True)
class _Trouble:
    since: float
    detail: str
    attempts: int
    resume: float


class SchemaCache:
    def __init__(self, limits: LookupLimits = LookupLimits(), jitter: Callable[[], float] = random.random) -> None:
        self._limits = limits
        self._jitter = jitter
        self._known: dict[str, Schema] = {}
        self._verdicts: dict[str, _Verdict] = {}
        self._expired: dict[str, None] = {}
        self._questions: dict[str, _Question] = {}
        self._trouble: _Trouble | None = None

    def get(self, schema: str) -> Schema | SchemaUnknown:
        """Raises SchemaPending for what must be looked up first, and notes it."""
        known = self._known.get(schema)
        if known is not None:
            return known
        verdict = self._verdicts.get(schema)
        if verdict is not None:
            return verdict.unknown
        if schema not in self._questions and len(self._questions) < self._limits.questions_max:
            # What was unknown before has had its second chance: its next answer counts at once.
            self._questions[schema] = _Question(due=0.0, answered_unknown=schema in self._expired)
        raise SchemaPending(schema)

    def is_settled(self, schema: str) -> bool:
        """Whether `get` would answer: a partition that waits for this schema can go on."""
        return schema in self._known or schema in self._verdicts

    def wanted(self, now: float) -> list[str]:
        """The questions to ask now. Each must come back through `answered`."""
        self._expire(now)
        room = (1 if self._trouble else self._limits.in_flight_max) - self._in_flight()
        if room <= 0 or (self._trouble and now < self._trouble.resume):
            return []
        due = [schema for schema, question in self._questions.items() if not question.in_flight and question.due <= now]
        for schema in due[:room]:
            question = self._questions[schema]
            question.in_flight = True
            question.due = now + self._limits.deadline_seconds
        return due[:room]

    def next_due(self, now: float) -> float | None:
        """Seconds until `wanted` can have something new to say, if no answer comes before; None: nothing is open."""
        if not self._questions:
            return None
        idle = [question.due for question in self._questions.values() if not question.in_flight]
        room = (1 if self._trouble else self._limits.in_flight_max) - self._in_flight()
        if idle and room > 0:
            return max(0.0, max(min(idle), self._trouble.resume if self._trouble else 0.0) - now)
        return max(0.0, min(question.due for question in self._questions.values() if question.in_flight) - now)

    def answered(self, schema: str, answer: Schema | SchemaUnknown | RegistryUnavailable, now: float) -> None:
        match answer:
            case AvroSchema() | JsonSchema() | UnusableSchema():
                self.found(schema, answer)
            case SchemaUnknown():
                self.unknown(schema, answer, now)
            case RegistryUnavailable():
                self.unavailable(schema, str(answer), now)
            case _:
                assert_never(answer)

    def found(self, schema: str, answer: Schema) -> None:
        """Welcome at any time, asked for or not."""
        self._trouble = None
        self._questions.pop(schema, None)
        self._verdicts.pop(schema, None)
        self._expired.pop(schema, None)
        _put(self._known, schema, answer, self._limits.known_max)

    def unknown(self, schema: str, answer: SchemaUnknown, now: float) -> None:
        question = self._questions.get(schema)
        if question is None or not question.in_flight:
            return  # given up before: the two answers of a verdict must be `recheck_seconds` apart
        self._trouble = None
        if not (question.answered_unknown or answer.final):
            self._questions[schema] = _Question(now + self._limits.recheck_seconds, answered_unknown=True)
            return
        del self._questions[schema]
        verdict = _Verdict(answer, now + self._limits.verdict_seconds)
        _put(self._verdicts, schema, verdict, self._limits.verdicts_max)

    def unavailable(self, schema: str, detail: str, now: float) -> None:
        question = self._questions.get(schema)
        if question is None or not question.in_flight:
            return  # given up before; counting it again would back off twice for one failure
        question.in_flight = False
        question.due = now
        self._back_off(detail, now)

    def trouble(self) -> str | None:
        """What keeps the look-up from answering, for readiness and the status page."""
        if self._trouble is None:
            return None
        return f"schemas cannot be looked up ({self._trouble.attempts} attempts failed): {self._trouble.detail}"

    def trouble_since(self) -> float | None:
        return self._trouble.since if self._trouble else None

    def _back_off(self, detail: str, now: float) -> None:
        trouble = self._trouble
        if trouble is not None and now < trouble.resume:
            trouble.detail = detail  # one of several that were in flight when it began
            return
        attempts = trouble.attempts + 1 if trouble else 1
        ceiling = min(
            self._limits.backoff_max_seconds, self._limits.backoff_initial_seconds * 2.0 ** min(attempts - 1, 32)
        )
        # At least half of it, so that a registry which is coming back is not met by a crowd at once.
        resume = now + ceiling * (0.5 + 0.5 * self._jitter())
        self._trouble = _Trouble(trouble.since if trouble else now, detail, attempts, resume)

    def _expire(self, now: float) -> None:
        for schema, question in self._questions.items():
            if question.in_flight and question.due <= now:
                self.unavailable(schema, f"no answer for {schema} within {self._limits.deadline_seconds:g} s", now)
        while self._verdicts:  # in the order in which they expire
            oldest, verdict = next(iter(self._verdicts.items()))
            if verdict.expires > now:
                break
            del self._verdicts[oldest]
            _put(self._expired, oldest, None, self._limits.verdicts_max)

    def _in_flight(self) -> int:
        return sum(question.in_flight for question in self._questions.values())


def _put(table: dict[str, _T], schema: str, value: _T, size_max: int) -> None:
    table.pop(schema, None)
    if len(table) >= size_max:
        del table[next(iter(table))]
    table[schema] = value
