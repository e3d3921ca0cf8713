"""What the quick look accepts is valid by the models: the proof, and what it must accept so that it is of use."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event as seen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.mapping.acceptance import Acceptance
from connector.mapping.contract import faults_of
from connector.mapping.contract_rules import IDENTIFIERS
from connector.settings import ValidationSettings
from tests.unit.mapping.test_contract import CHANNEL, LIMITS, NOW, OTHER_TIMES, REFUSED, SEED, changed, without

PLAIN = ValidationSettings()
ACCEPTS = Acceptance(PLAIN, 100_000).at(NOW)
_TIMES = [timedelta(0), timedelta(seconds=29), timedelta(seconds=30), timedelta(seconds=31), timedelta(hours=1)]
_TIMES += [-timedelta(days=90), -timedelta(days=90, seconds=1), -timedelta(days=89, hours=23), -timedelta(days=3)]


def text_of(event: object) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def is_valid(body: bytes, limits: ValidationSettings = PLAIN) -> bool:
    """By the models, over a reading that is strict and keeps every digit."""
    try:
        event = json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse)
        return faults_of(event, NOW, limits) == ()
    except ValueError:
        return False


def _refuse(name: str) -> None:
    raise ValueError(name)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["x" * 255, "x" * 256]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
LONG = st.builds(
    lambda unit, count, tail: unit * count + tail,
    st.sampled_from(["x", '"', "\\", 'x"', "é", "\U0001f600", "\\u", "\n", '\\"']),
    st.integers(60, 260),
    st.text(max_size=2),
)
TIMES = st.builds(
    lambda delta, form: (datetime.fromtimestamp(NOW, UTC) + delta).strftime(form),
    st.sampled_from(_TIMES),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.0", "%Y-%m-%dT%H:%M", "%Y"]),
)
CHANNELS = st.sampled_from([CHANNEL, CHANNEL + "\n", CHANNEL[:-1], CHANNEL.upper(), None, ""])
TEXTS = ("transaction", "interaction_id", "interaction_type", "session_id", "unique_id")
CHANGES: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("occurred", TIMES),
    ("user", st.dictionaries(st.sampled_from([*IDENTIFIERS, "more"]), CHANNELS, max_size=3)),
    ("user.named_user_id", st.text("ab \u00a0\u200b", max_size=3)),
    ("body.name", st.text("abcÀßǅ1 _", max_size=4)),
    ("body.value", st.floats() | st.integers()),
    ("body.properties", st.dictionaries(st.text(max_size=3) | LONG, ANY | LONG, max_size=4)),
    ("body.properties.text", ANY | LONG),
    ("more", ANY),
    *((f"body.{text}", ANY | LONG) for text in TEXTS),
    *((place, ANY) for place in ("occurred", "user", "body", "body.name", "body.value", "body.properties")),
]
EVENTS = st.lists(
    st.sampled_from(CHANGES).flatmap(lambda change: st.tuples(st.just(change[0]), change[1])), max_size=3
).map(lambda changes: _with(SEED, changes))


def _with(event: dict[str, Any], changes: list[tuple[str, Any]]) -> dict[str, Any]:
    event = copy.deepcopy(event)
    for path, value in changes:
        *parents, last = path.split(".")
        part: Any = event
        for step in parents:
            part = part.get(step) if isinstance(part, dict) else None
        if isinstance(part, dict):
            part[last] = value
    return event


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    event = draw(EVENTS)
    text = json.dumps(event, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        at = draw(st.integers(0, len(body) - 1))
        piece = draw(st.sampled_from(_PIECES))
        body[at : at + draw(st.integers(0, 1))] = piece
    return bytes(body)


_PIECES = [b"", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"1e999", b"\x00", b'"', b"{", b",", b"\\"]


def _json_holds(event: object) -> bool:
    try:
        return repr(json.loads(json.dumps(event))) == repr(event)
    except TypeError:
        return False


@pytest.mark.parametrize(
    "event",
    [event for event, _ in REFUSED if _json_holds(event)] + [changed("occurred", text) for text, _ in OTHER_TIMES],
)
def test_what_the_contract_refuses_is_not_accepted(event: object) -> None:
    assert not ACCEPTS([json.dumps(event).encode()])


@pytest.mark.parametrize(("limit", "value", "good", "bad"), LIMITS)
def test_limits_of_the_settings_are_kept(limit: str, value: float, good: Any, bad: Any) -> None:
    accepts = Acceptance(ValidationSettings.model_validate({limit: value}), 100_000).at(NOW)
    assert not accepts([json.dumps(bad, default=float).encode()])
    if not limit.startswith("properties"):  # these are left to the models
        assert accepts([json.dumps(good, default=float).encode()])


@settings(max_examples=500, deadline=None)
@given(texts())
@example(text_of(changed("body.properties.text", 'x"' * 128)))
@example(text_of(changed("body.properties.text", "x" * 254 + '\\"')))
@example(text_of(changed("body.properties", {"t": "\\" * 255 + '"'})))
@example(text_of(changed("body.properties.text", "x" * 256)))
@example(text_of(changed("body.properties", {"t": '\\"' * 255})))
@example(text_of(SEED).replace(b'"Hugh', b'"\\ud800'))
@example(text_of(SEED).replace(b'"Hugh', b'"\xff'))
@example(text_of(SEED) + b",")
@example(b"[" + text_of(SEED) + b"]")
@example(b"\xef\xbb\xbf" + text_of(SEED))
@example(text_of(SEED).replace(b"239.85", b"NaN"))
@example(text_of(SEED).replace(b'["red","blue"]', b"[NaN]"))
@example(text_of(SEED).replace(b"239.85", b"1e999"))
def test_nothing_is_accepted_that_the_models_refuse(body: bytes) -> None:
    accepted = ACCEPTS([body])
    seen("accepted" if accepted else "not accepted")
    if accepted:
        assert is_valid(body)


@settings(max_examples=300, deadline=None)
@given(st.lists(texts(), max_size=4), st.randoms(use_true_random=False))
@example([b'{"a":"}', b'{"}'], random.Random(1))
def test_all_are_accepted_just_when_each_is(bodies: list[bytes], chance: random.Random) -> None:
    bodies += [text_of(SEED)] * 3
    chance.shuffle(bodies)
    assert ACCEPTS(bodies) == all(ACCEPTS([body]) for body in bodies)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.integers(1, 6), st.floats(-5, 5), st.integers(0, 2))
def test_nor_with_limits_of_the_settings(event: Any, length: int, bound: float, number: int) -> None:
    limits = ValidationSettings(
        named_user_id_length_max=length,
        name_length_max=length,
        text_length_max=length,
        value_min=bound,
        value_max=bound + 3,
        properties_keys_max=number or None,
        properties_depth_max=number or None,
        clock_skew_ms=number * 1000,
    )
    body = text_of(event)
    if Acceptance(limits, 100_000).at(NOW)([body]):
        assert is_valid(body, limits)


@pytest.mark.parametrize(
    "event",
    [
        SEED,
        without("occurred"),
        without("body.properties"),
        changed("user", {"channel": CHANNEL}),
        changed("user", {"amazon_channel": CHANNEL.upper()}),
        changed("occurred", "2020-05-02 02:31:22Z"),
        changed("occurred", "2020-02-03T00:00:00"),
        changed("body.value", 5),
        changed("body.properties.quoted", 'he said "hello" \\ and left'),
        changed("body.properties.unicode", "Grüße \U0001f600"),
        changed("body.properties.null", None),
        changed("unknown", [1]),
    ],
)
def test_what_events_are_like_is_accepted(event: dict[str, Any]) -> None:
    assert ACCEPTS([text_of(event)])
    assert ACCEPTS([json.dumps(event, indent=2, ensure_ascii=False).encode()])


def test_a_number_beyond_a_double_is_sent_as_it_stands() -> None:
    assert ACCEPTS([text_of(SEED).replace(b'["red","blue"]', b"[1e999]")])


@pytest.mark.parametrize("excess", [0, 1])
def test_the_limit_of_bytes(excess: int) -> None:
    body = text_of(SEED)
    assert Acceptance(PLAIN, len(body) - excess).at(NOW)([body]) is (excess == 0)


def test_time_goes_on() -> None:
    acceptance = Acceptance(PLAIN, 100_000)
    body = text_of(SEED)
    start = datetime(2020, 5, 2, 2, 31, 22, tzinfo=UTC).timestamp()
    assert not acceptance.at(start - 31)([body])
    assert acceptance.at(start - 30)([body])
    for days in (1, 30, 89):
        assert acceptance.at(start + days * 86_400)([body])
    for seconds in (1, 3_600, 86_400):
        assert not acceptance.at(start + 90 * 86_400 + seconds)([body])
    assert acceptance.at(start)([body]), "a clock that was set back"


def test_an_earlier_check_is_not_loosened_by_a_later_one() -> None:
    acceptance = Acceptance(PLAIN, 100_000)
    body = text_of(changed("occurred", "2020-05-01T12:00:00"))
    early = acceptance.at(NOW - 10 * 86_400)
    assert acceptance.at(NOW)([body])
    assert not early([body]), "it lies nine days in this check's future"
