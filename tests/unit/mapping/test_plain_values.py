"""What a user's function may give: made plain or refused, and never more than that."""

from __future__ import annotations

import enum
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.decode.schema_cache import SchemaCache
from connector.errors import InvalidEvent
from connector.intake import Intake
from connector.mapping import plain_values
from connector.mapping.event_text import EventText
from connector.mapping.faults import ValueFault
from connector.mapping.json_text import json_bytes
from connector.mapping.plain_values import DEPTH_MAX
from connector.settings import Settings, ValidationSettings
from tests.unit.decode.source_record import Record


def plain(value: Any) -> Any:
    return plain_values.plain(value, foreign=False)


class Status(enum.StrEnum):
    PAID = "paid"


class Kind(str, enum.Enum):  # noqa: UP042  the older form, whose str() is not its value
    OLD = "old"


class Level(enum.IntEnum):
    HIGH = 3


class Share(float):
    pass


class Text(str):
    __slots__ = ()


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_plain_comes_out_equal(value: Any) -> None:
    assert repr(plain(value)) == repr(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Status.PAID, "paid"),
        (Kind.OLD, "old"),
        (Level.HIGH, 3),
        (Share(0.5), 0.5),
        (OrderedDict(a=[Status.PAID]), {"a": ["paid"]}),
        ({Status.PAID: 1}, {"paid": 1}),
    ],
)
def test_subclasses_become_what_they_stand_for(value: object, expected: object) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    json_bytes(found)


def test_it_is_a_copy() -> None:
    shared: dict[str, Any] = {"a": [1]}
    found = plain([shared, shared])
    found[0]["a"].append(2)
    assert found[1] == shared == {"a": [1]}


@pytest.mark.parametrize(
    "value", [{1}, (1, 2), b"bytes", object(), 1j, datetime(2024, 1, 1, tzinfo=UTC), int, [[{"a": {1}}]]]
)
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(ValueFault):
        plain(value)


def test_where_the_models_judge_next_it_stays_for_them_to_name_its_field() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert plain_values.plain({"a": [moment, Status.PAID]}, foreign=True) == {"a": [moment, "paid"]}


@pytest.mark.parametrize("name", [1, None, True, ("a",), b"a"])
def test_names_are_texts(name: object) -> None:
    with pytest.raises(ValueFault, match="a name that is"):
        plain({name: 1})


def test_what_holds_itself_is_refused() -> None:
    array: list[Any] = []
    array += [array, array]
    table: dict[str, Any] = {}
    table["a"] = [table]
    for value in (array, table):
        with pytest.raises(ValueFault, match="holds itself"):
            plain(value)


def test_there_is_a_depth() -> None:
    assert plain(nested(DEPTH_MAX)) == nested(DEPTH_MAX)
    with pytest.raises(ValueFault, match="nested deeper"):
        plain(nested(DEPTH_MAX + 1))
    assert plain(Decimal("1.50")) == Decimal("1.50")


def given_back(value: Any, record: object) -> Any:
    return ENDLESS if value == "endless" else [STRANGE] if value == "strange" else value


TEMPLATE = {"user": {"named_user_id": "u"}, "body": {"name": "${{ type(@) }}"}}
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
STRANGE = {"user": {"named_user_id": "u"}, "body": {"name": Status.PAID, "properties": {"x": {1}}}}


@pytest.mark.parametrize(
    ("value", "event", "reason", "field"),
    [
        ("endless", None, "transform_failed", "transform"),
        ("strange", None, "invalid_event", "body.properties.x"),
        (
            "strange",
            {"user": {"named_user_id": "u"}, "body": {"name": "${{ type(@) }}"}},
            "transform_failed",
            "transform",
        ),
    ],
)
def test_a_strange_value_rejects_its_message_alone(value: str, event: Any, reason: str, field: str) -> None:
    document = {
        "kafka": {"bootstrap_servers": "kafka:9092", "group_id": "g"},
        "airship": {"app_key": "A" * 22, "auth": {"bearer_token": "t"}},
        "routes": [{"topics": ["orders"], "transform": f"{__name__}:given_back", "event": event}],
    }
    intake = Intake(Settings.model_validate(document), SchemaCache())
    run = intake.prepare("orders", [Record(f'"{value}"'.encode())], 1_700_000_000.0)
    (reject,) = run.rejects
    assert (reject.reason, [fault.field for fault in reject.faults]) == (reason, [field])


def test_an_event_that_passes_and_cannot_be_written_is_refused_all_the_same() -> None:
    text = EventText(ValidationSettings(), 1_000)
    with pytest.raises(InvalidEvent, match="cannot be written"):
        text.judged({"user": {"named_user_id": "u"}, "body": {"name": "a", "transaction": Text("t")}}, 0.0)
