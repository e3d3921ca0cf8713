"""The questions about schemas: asked when, how often, and what an answer makes of them."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.decode.schema_cache import LookupLimits, SchemaCache
from connector.decode.schemas import JsonSchema, SchemaUnknown, UnusableSchema, ask
from connector.errors import RegistryUnavailable, SchemaPending

SCHEMA = JsonSchema()
UNKNOWN = SchemaUnknown("the registry")
LIMITS = LookupLimits(
    recheck_seconds=2, deadline_seconds=30, verdict_seconds=60, backoff_initial_seconds=0.2, backoff_max_seconds=30
)


def cache(**limits: float) -> SchemaCache:
    return (
        SchemaCache(LookupLimits(**limits), jitter=lambda: 1.0) if limits else SchemaCache(LIMITS, jitter=lambda: 1.0)
    )  # type: ignore[arg-type]


def meet(schemas: SchemaCache, *names: str) -> None:
    for name in names:
        with pytest.raises(SchemaPending) as pending:
            schemas.get(name)
        assert pending.value.wait.schema == name


def test_a_schema_is_asked_for_once_and_then_known():
    schemas = cache()
    assert schemas.wanted(0) == []
    assert schemas.next_due(0) is None
    meet(schemas, "id:1", "id:1")
    assert schemas.next_due(5) == 0
    assert schemas.wanted(5) == ["id:1"]
    assert schemas.wanted(5) == []
    meet(schemas, "id:1")
    schemas.answered("id:1", SCHEMA, 5.1)
    assert schemas.is_settled("id:1")
    assert schemas.get("id:1") is SCHEMA
    assert schemas.wanted(6) == []
    assert schemas.next_due(6) is None


def test_an_unknown_id_is_asked_once_more_before_the_verdict():
    schemas = cache()
    meet(schemas, "id:1")
    assert schemas.wanted(0) == ["id:1"]
    schemas.answered("id:1", UNKNOWN, 0.1)
    meet(schemas, "id:1")
    assert schemas.wanted(2.0) == []
    assert schemas.next_due(0.1) == 2
    assert schemas.wanted(2.1) == ["id:1"]
    meet(schemas, "id:1")
    assert not schemas.is_settled("id:1")
    schemas.answered("id:1", UNKNOWN, 2.2)
    assert schemas.is_settled("id:1")
    assert schemas.get("id:1") is UNKNOWN


def test_a_schema_that_appears_before_the_recheck_is_found():
    schemas = cache()
    meet(schemas, "id:1")
    schemas.wanted(0)
    schemas.answered("id:1", UNKNOWN, 0)
    schemas.wanted(2)
    schemas.answered("id:1", SCHEMA, 2)
    assert schemas.get("id:1") is SCHEMA


def test_a_verdict_expires_and_then_one_answer_renews_it():
    schemas = cache()
    meet(schemas, "id:1")
    for now in (0, 2):
        assert schemas.wanted(now) == ["id:1"]
        schemas.answered("id:1", UNKNOWN, now)
    assert schemas.wanted(61.9) == []
    assert schemas.get("id:1") is UNKNOWN
    schemas.wanted(62)
    meet(schemas, "id:1")
    assert schemas.wanted(62) == ["id:1"]
    schemas.answered("id:1", UNKNOWN, 62)
    assert schemas.get("id:1") is UNKNOWN
    schemas.wanted(122)
    meet(schemas, "id:1")
    assert schemas.wanted(122) == ["id:1"]
    schemas.answered("id:1", SCHEMA, 122)
    assert schemas.get("id:1") is SCHEMA


def test_a_final_answer_needs_no_second():
    schemas = cache()
    meet(schemas, "glue:1")
    schemas.wanted(0)
    schemas.answered("glue:1", SchemaUnknown("nobody", final=True), 0)
    assert schemas.is_settled("glue:1")


def test_an_unusable_schema_is_known():
    schemas = cache()
    unusable = UnusableSchema("Protobuf")
    schemas.answered("id:1", unusable, 0)
    assert schemas.get("id:1") is unusable


def test_trouble_backs_off_and_heals():
    schemas = cache()
    meet(schemas, *(f"id:{n}" for n in range(10)))
    assert len(schemas.wanted(0)) == LIMITS.in_flight_max
    assert schemas.trouble() is None
    for n in range(4):
        schemas.answered(f"id:{n}", RegistryUnavailable("refused"), 0.0)
    assert schemas.trouble() == "schemas cannot be looked up (1 attempts failed): refused"
    assert schemas.trouble_since() == 0.0
    now, waits = 0.0, []
    for attempt in range(2, 14):
        wait = schemas.next_due(now)
        assert wait is not None
        assert schemas.wanted(now + wait * 0.99) == []
        now += wait
        waits.append(round(wait, 6))
        probe = schemas.wanted(now)
        assert len(probe) == 1, "one question probes"
        assert schemas.wanted(now) == []
        schemas.answered(probe[0], RegistryUnavailable("refused"), now)
        assert f"({attempt} attempts failed)" in (schemas.trouble() or "")
    assert waits[:3] == pytest.approx([0.2, 0.4, 0.8])
    assert waits == sorted(waits)
    assert waits[-1] == 30
    now += 30
    (probe_name,) = schemas.wanted(now)
    schemas.answered(probe_name, SCHEMA, now)
    assert schemas.trouble() is None
    assert schemas.trouble_since() is None
    assert len(schemas.wanted(now)) == LIMITS.in_flight_max


def test_an_unknown_schema_is_an_answer_too():
    schemas = cache()
    meet(schemas, "id:1", "id:2")
    assert schemas.wanted(0) == ["id:1", "id:2"]
    schemas.answered("id:1", RegistryUnavailable("refused"), 0)
    schemas.answered("id:2", UNKNOWN, 0)
    assert schemas.trouble() is None


def test_trouble_is_no_verdict():
    schemas = cache()
    meet(schemas, "id:1")
    now = 0.0
    for _ in range(50):
        now += schemas.next_due(now) or 0
        assert schemas.wanted(now) == ["id:1"]
        schemas.answered("id:1", RegistryUnavailable("refused"), now)
        meet(schemas, "id:1")
    assert not schemas.is_settled("id:1")


def test_trouble_between_the_two_answers_does_not_count_as_one():
    schemas = cache()
    meet(schemas, "id:1")
    schemas.wanted(0)
    schemas.answered("id:1", UNKNOWN, 0)
    schemas.wanted(2)
    schemas.answered("id:1", RegistryUnavailable("refused"), 2)
    meet(schemas, "id:1")
    schemas.wanted(3)
    schemas.answered("id:1", UNKNOWN, 3)
    assert schemas.get("id:1") is UNKNOWN


def test_a_question_without_an_answer_is_given_up_at_its_deadline():
    schemas = cache()
    meet(schemas, "id:1")
    assert schemas.wanted(0) == ["id:1"]
    assert schemas.next_due(10) == 20
    assert schemas.wanted(29.9) == []
    assert schemas.wanted(30) == []
    assert "no answer for id:1 within 30 s" in (schemas.trouble() or "")
    schemas.answered("id:1", RegistryUnavailable("late"), 30.1)
    assert "(1 attempts failed)" in (schemas.trouble() or "")
    assert schemas.wanted(31) == ["id:1"]


def test_a_late_schema_is_welcome_and_a_late_unknown_is_not_counted():
    schemas = cache()
    meet(schemas, "id:1", "id:2")
    schemas.wanted(0)
    schemas.wanted(30)
    schemas.answered("id:1", SCHEMA, 30.1)
    assert schemas.get("id:1") is SCHEMA
    schemas.answered("id:2", UNKNOWN, 30.1)
    (again,) = schemas.wanted(31)
    schemas.answered(again, UNKNOWN, 31)
    assert not schemas.is_settled("id:2"), (
        "the second of two counted answers is the verdict, two seconds after the first"
    )


def test_jitter_takes_at_most_half_of_the_wait():
    waits = []
    for jitter in (0.0, 0.999):
        schemas = SchemaCache(LIMITS, jitter=lambda jitter=jitter: jitter)  # type: ignore[misc]
        meet(schemas, "id:1")
        schemas.wanted(0)
        schemas.answered("id:1", RegistryUnavailable("refused"), 0)
        waits.append(schemas.next_due(0))
    assert waits == pytest.approx([0.1, 0.2], rel=0.01)


def test_a_flood_of_bogus_ids_is_bounded():
    """Each is asked for twice at most, four at once; nothing grows."""
    limits = LookupLimits(known_max=10, verdicts_max=10, questions_max=20)
    schemas = SchemaCache(limits)
    asked = 0
    now = 0.0
    for number in range(5_000):
        with pytest.raises(SchemaPending):
            schemas.get(f"id:{number}")
        now += 0.01
        for name in schemas.wanted(now):
            asked += 1
            schemas.answered(name, UNKNOWN, now)
    sizes = [len(table) for table in (schemas._known, schemas._verdicts, schemas._expired, schemas._questions)]
    assert max(sizes) <= 20
    assert asked <= 2 * 20 * (now / 2 + 1)


def test_the_oldest_schema_is_forgotten_first_and_asked_for_again():
    schemas = cache(known_max=3)
    for number in range(4):
        schemas.found(f"id:{number}", SCHEMA)
    assert schemas.get("id:3") is SCHEMA
    meet(schemas, "id:0")
    assert schemas.wanted(0) == ["id:0"]


class Anything(RuleBasedStateMachine):
    """Any order of records, answers and time."""

    @initialize()
    def begin(self) -> None:
        self.limits = LookupLimits(known_max=5, verdicts_max=4, questions_max=6, in_flight_max=3)
        self.schemas = SchemaCache(self.limits, jitter=lambda: 0.5)
        self.now = 1_000.0
        self.asked: dict[str, float] = {}
        self.unknown_answers: dict[str, list[float]] = {}
        self.has_schema: set[str] = set()

    @rule(number=st.integers(0, 20))
    def a_record_comes(self, number: int) -> None:
        name = f"id:{number}"
        try:
            got = self.schemas.get(name)
        except SchemaPending:
            assert not self.schemas.is_settled(name)
            return
        if isinstance(got, SchemaUnknown):
            answers = self.unknown_answers[name]
            assert len(answers) >= 2
            assert answers[-1] - answers[0] >= self.limits.recheck_seconds
            assert (
                self.now - answers[-1] <= self.limits.verdict_seconds + 100
            )  # expires with the next look at the clock
        else:
            assert name in self.has_schema

    @rule()
    def questions_are_taken(self) -> None:
        for name in self.schemas.wanted(self.now):
            assert name not in self.asked or self.now - self.asked[name] >= self.limits.deadline_seconds
            self.asked[name] = self.now

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), outcome=st.sampled_from(["schema", "unknown", "unavailable"]))
    def an_answer_comes(self, data: st.DataObject, outcome: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.asked)))
        late = self.now - self.asked.pop(name) >= self.limits.deadline_seconds
        match outcome:
            case "schema":
                self.has_schema.add(name)
                self.schemas.answered(name, SCHEMA, self.now)
                assert self.schemas.trouble() is None
            case "unknown":
                self.schemas.answered(name, UNKNOWN, self.now)
                self.unknown_answers.setdefault(name, []).append(self.now)
            case _:
                self.schemas.answered(name, RegistryUnavailable("x"), self.now)
                assert late or self.schemas.trouble()

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 31.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "schemas"):
            return
        assert len(self.schemas._known) <= self.limits.known_max
        assert len(self.schemas._verdicts) <= self.limits.verdicts_max
        assert len(self.schemas._questions) <= self.limits.questions_max
        assert self.schemas._in_flight() <= self.limits.in_flight_max

    @invariant()
    def never_stuck(self) -> None:
        """While a question is open there is a time at which something happens, and then it does."""
        if not hasattr(self, "schemas") or not self.schemas._questions:
            return
        wait = self.schemas.next_due(self.now)
        assert wait is not None
        assert 0 <= wait <= max(self.limits.deadline_seconds, self.limits.backoff_max_seconds)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_ask_makes_a_value_of_every_outcome():
    class Down:
        def fetch(self, schema: str) -> JsonSchema:
            raise RegistryUnavailable(f"down at {schema}")

        def probe(self) -> str:
            return ""

        def close(self) -> None:
            pass

    answer = ask(Down(), "id:1")
    assert isinstance(answer, RegistryUnavailable)
    assert str(answer) == "down at id:1"
