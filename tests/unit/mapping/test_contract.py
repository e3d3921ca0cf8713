"""The contract row by row (shared reference: the documented rules of a Custom Event)."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.records import Fault
from connector.mapping.contract import FAULTS_MAX, faults_of
from connector.settings import ValidationSettings

NOW = datetime(2020, 5, 2, 2, 31, 30, tzinfo=UTC).timestamp()
CHANNEL = "22404b07-3f8f-4e42-a4ff-a996c18fa9f1"
SEED: dict[str, Any] = {
    "occurred": "2020-05-02T02:31:22",
    "user": {"named_user_id": "hugh.manbeing"},
    "body": {
        "name": "purchased",
        "value": 239.85,
        "transaction": "886f53d4-3e0f-46d7-930e-c2792dac6e0a",
        "interaction_id": "your.store/us/en_us/pd/shoe/pid-11046546/pgid-10978234",
        "interaction_type": "url",
        "properties": {
            "description": "Sneaker purchase",
            "brand": "Victory Sneakers",
            "colors": ["red", "blue"],
            "items": [
                {"text": "New Line Sneakers", "price": "$ 79.95"},
                {"text": "Old Line Sneakers", "price": "$ 79.95"},
                {"text": "Blue Line Sneakers", "price": "$ 79.95"},
            ],
            "name": "Hugh Manbeing",
            "userLocation": {"state": "CO", "zip": "80202"},
        },
        "session_id": CHANNEL,
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    event = copy.deepcopy(SEED)
    *parents, last = path.split(".")
    part: Any = event
    for step in parents:
        part = part[step]
    part[last] = value
    return event


def without(path: str) -> dict[str, Any]:
    event = copy.deepcopy(SEED)
    *parents, last = path.split(".")
    part: Any = event
    for step in parents:
        part = part[step]
    del part[last]
    return event


def fields(event: object, limits: ValidationSettings | None = None) -> list[str]:
    faults = faults_of(event, NOW, limits) if limits else faults_of(event, NOW)
    return [fault.field for fault in faults]


def test_the_documented_example_passes_unchanged() -> None:
    before = copy.deepcopy(SEED)
    assert faults_of(SEED, NOW) == ()
    assert before == SEED


@pytest.mark.parametrize(
    "event",
    [
        without("occurred"),
        without("body.value"),
        without("body.properties"),
        changed("occurred", None),
        changed("body.value", None),
        changed("body.properties", {}),
        changed("body.properties", {"nothing": None, "nested": {"list": [None]}}),
        changed("body.value", 0),
        changed("body.value", -(2**70)),
        changed("body.value", Decimal("0.1000000000000000055511151231257827")),
        changed("body.name", "straße-42 ü"),
        changed("body.name", "n" * 300),
        changed("body.unique_id", "u"),
        changed("body.transaction", ""),
        changed("body.unknown", {"Anything": [1]}),
        changed("unknown", 1),
        changed("user.unknown", 1),
        changed("user", {"channel": CHANNEL.upper()}),
        changed("user", {"named_user_id": None, "web_channel": CHANNEL}),
        changed("user.named_user_id", "u" * 129),
        changed("user.named_user_id", "inner space"),
        changed("body.properties.text", "x" * 255),
        changed("body.properties.text", "\U0001f600" * 255),
        changed("body.properties." + "k" * 300, 1),
    ],
)
def test_what_is_documented_or_left_open_passes(event: dict[str, Any]) -> None:
    assert faults_of(event, NOW) == ()


@pytest.mark.parametrize("event", [None, 1, "x", [], [SEED], True])
def test_only_an_object_is_an_event(event: object) -> None:
    (fault,) = faults_of(event, NOW)
    assert (fault.field, fault.expected) == ("", "an object")
    assert str(fault).startswith("event: found ")


REFUSED: list[tuple[Any, list[str]]] = [
    ({}, ["user", "body"]),
    (without("body.name"), ["body.name"]),
    (changed("body", []), ["body"]),
    (changed("user", "hugh"), ["user"]),
    (changed("user", {}), ["user"]),
    (changed("user", {"unknown": CHANNEL}), ["user"]),
    (changed("user.channel", CHANNEL), ["user"]),
    (changed("user", {"channel": "no-uuid", "ios_channel": CHANNEL}), ["user", "user.channel"]),
    (changed("user", {"channel": CHANNEL + "\n"}), ["user.channel"]),
    (changed("user", {"channel": CHANNEL.replace("-", "")}), ["user.channel"]),
    (changed("user.named_user_id", ""), ["user.named_user_id"]),
    (changed("user.named_user_id", " hugh"), ["user.named_user_id"]),
    (changed("user.named_user_id", "hugh\u00a0"), ["user.named_user_id"]),
    (changed("user.named_user_id", 7), ["user.named_user_id"]),
    (changed("body.name", "Purchased"), ["body.name"]),
    (changed("body.name", "straÉe"), ["body.name"]),
    (changed("body.name", ""), ["body.name"]),
    (changed("body.name", None), ["body.name"]),
    (changed("body.name", 1), ["body.name"]),
    (changed("body.value", "1"), ["body.value"]),
    (changed("body.value", True), ["body.value"]),
    (changed("body.value", float("nan")), ["body.value"]),
    (changed("body.value", float("-inf")), ["body.value"]),
    (changed("body.value", Decimal("NaN")), ["body.value"]),
    (changed("body.value", Decimal("sNaN")), ["body.value"]),
    (changed("body.transaction", 1), ["body.transaction"]),
    (changed("body.interaction_id", ["x"]), ["body.interaction_id"]),
    (changed("body.interaction_type", False), ["body.interaction_type"]),
    (changed("body.session_id", {}), ["body.session_id"]),
    (changed("body.unique_id", 1.5), ["body.unique_id"]),
    (changed("body.unique_id", "\ud800"), ["body.unique_id"]),
    (changed("body.properties", "x"), ["body.properties"]),
    (changed("body.properties", [1]), ["body.properties"]),
    (changed("body.properties.text", "x" * 256), ["body.properties.text"]),
    (changed("body.properties.text", ["ok", "x" * 256]), ["body.properties.text[1]"]),
    (changed("body.properties.text", [[{"a.b": "x" * 256}]]), ["body.properties.text[0][0].a.b"]),
    (changed("body.properties.number", [float("nan")]), ["body.properties.number[0]"]),
    (changed("body.properties.number", Decimal("Infinity")), ["body.properties.number"]),
    (changed("body.properties.bytes", b"x"), ["body.properties.bytes"]),
    (changed("body.properties.time", datetime(2020, 1, 1, tzinfo=UTC)), ["body.properties.time"]),
    (changed("body.properties", {1: "x"}), ["body.properties"]),
    (changed("occurred", 1588386682), ["occurred"]),
]


@pytest.mark.parametrize(("event", "faulty"), REFUSED)
def test_what_is_documented_as_wrong_is_refused_with_its_field(event: dict[str, Any], faulty: list[str]) -> None:
    assert fields(event) == faulty


@pytest.mark.parametrize("text", ["2020-05-02T02:31:22", "2020-05-02 02:31:22", "2020-05-02T02:31:22Z"])
def test_the_documented_forms_of_a_time(text: str) -> None:
    assert faults_of(changed("occurred", text), NOW) == ()


OTHER_TIMES = [
    ("2020-05-02T02:31:22.5", "a time with fractions of a second"),
    ("2020-05-02T02:31:22.123456Z", "a time with fractions of a second"),
    ("2020-05-02T02:31:22+00:00", "a time with an offset"),
    ("2020-05-02T02:31:22.5+02:00", "a time with an offset"),
    ("2020-02-30T02:31:22", "a date or time that does not exist"),
    ("2020-05-02T24:31:22", "a date or time that does not exist"),
    ("0000-05-02T02:31:22", "a date or time that does not exist"),
    ("2020-05-02", "a string of 10 characters that is not such a time"),
    ("2020-05-02T02:31", "a string of 16 characters that is not such a time"),
    ("2020-05-02T02:31:22z", "a string of 20 characters that is not such a time"),
    ("2020-05-02T02:31:22\n", "a string of 20 characters that is not such a time"),
    ("٢٠٢٠-05-02T02:31:22", "a string of 19 characters that is not such a time"),
    ("", "an empty string that is not such a time"),
]


@pytest.mark.parametrize(("text", "found"), OTHER_TIMES)
def test_other_forms_of_a_time_are_named(text: str, found: str) -> None:
    (fault,) = faults_of(changed("occurred", text), NOW)
    assert (fault.field, fault.found) == ("occurred", found)
    assert "2024-01-31T23:59:59" in fault.expected


def at(moment: datetime) -> dict[str, Any]:
    return changed("occurred", moment.strftime("%Y-%m-%dT%H:%M:%S"))


def test_the_window_of_90_days_and_the_allowance_for_clocks() -> None:
    now = datetime.fromtimestamp(NOW, UTC)
    oldest = now - timedelta(days=90)
    assert faults_of(at(oldest), NOW) == ()
    assert faults_of(at(oldest - timedelta(seconds=1)), NOW) == (
        Fault("occurred", "a time 90.0 days ago", "a time within the past 90 days"),
    )
    assert faults_of(at(now + timedelta(seconds=30)), NOW) == ()
    assert faults_of(at(now + timedelta(seconds=31)), NOW) == (
        Fault("occurred", "a time 31 seconds in the future", "a time that is not in the future"),
    )
    strict = ValidationSettings(clock_skew_ms=0)
    assert faults_of(at(now), NOW, strict) == ()
    assert faults_of(at(now + timedelta(seconds=1)), NOW, strict) != ()


def test_all_faults_come_in_one_pass_and_in_the_order_of_the_event() -> None:
    event = {
        "occurred": "yesterday",
        "user": {"named_user_id": " x", "channel": "y"},
        "body": {"name": "A", "value": "1", "transaction": 1, "properties": {"a": "x" * 256, "b": [b"", "x" * 300]}},
    }
    assert fields(event) == [
        "occurred",
        "user",
        "user.named_user_id",
        "user.channel",
        "body.name",
        "body.value",
        "body.transaction",
        "body.properties.a",
        "body.properties.b[0]",
        "body.properties.b[1]",
    ]


def test_faults_are_bounded() -> None:
    many = changed("body.properties", {"list": ["x" * 256] * 10_000})
    assert len(faults_of(many, NOW)) == FAULTS_MAX


def test_depth_of_properties_costs_no_stack() -> None:
    deep: Any = "x" * 256
    for _ in range(50_000):
        deep = [deep]
    (fault,) = faults_of(changed("body.properties", {"deep": deep}), NOW)
    assert fault.found == "a string of 256 characters"


SECRET = "personal-data-of-hugh"


@pytest.mark.parametrize(
    "event",
    [
        changed("user.named_user_id", f" {SECRET} "),
        changed("body.name", SECRET.upper()),
        changed("occurred", SECRET),
        changed("user", {"channel": SECRET}),
        changed("body.properties.text", SECRET * 20),
        changed("body.value", SECRET),
        changed("body.transaction", [SECRET]),
        changed("body", SECRET),
    ],
)
def test_a_fault_quotes_no_value(event: dict[str, Any]) -> None:
    faults = faults_of(event, NOW)
    assert faults
    assert not any(SECRET.lower() in str(fault).lower() for fault in faults)


LIMITS: list[tuple[str, float, Any, Any]] = [
    ("named_user_id_length_max", 4, changed("user.named_user_id", "1234"), changed("user.named_user_id", "12345")),
    ("name_length_max", 4, changed("body.name", "abcd"), changed("body.name", "abcde")),
    ("value_min", 1.5, changed("body.value", 1.5), changed("body.value", Decimal("1.4"))),
    ("value_max", 5, changed("body.value", 5), changed("body.value", 5.01)),
    (
        "properties_keys_max",
        1,
        changed("body.properties", {"a": [1, 2]}),
        changed("body.properties", {"a": 1, "b": 2}),
    ),
    ("properties_depth_max", 2, changed("body.properties", {"a": [1]}), changed("body.properties", {"a": [[]]})),
]


@pytest.mark.parametrize(("limit", "value", "good", "bad"), LIMITS)
def test_undocumented_limits_are_settings(limit: str, value: float, good: Any, bad: Any) -> None:
    limits = ValidationSettings.model_validate({limit: value})
    assert faults_of(good, NOW, limits) == ()
    assert len(faults_of(bad, NOW, limits)) == 1
    assert faults_of(bad, NOW) == ()


def test_the_limit_of_texts_holds_for_each_of_them() -> None:
    limits = ValidationSettings(text_length_max=3)
    texts = ("transaction", "interaction_id", "interaction_type", "session_id", "unique_id")
    event = changed("body", {"name": "n", **dict.fromkeys(texts, "1234")})
    assert fields(event, limits) == [f"body.{text}" for text in texts]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_gets_faults_and_no_exception(value: object) -> None:
    for fault in faults_of(value, NOW) + faults_of({"user": value, "body": value, "occurred": value}, NOW):
        assert fault.found
        assert fault.expected
    faults_of(changed("body.properties", value), NOW)
