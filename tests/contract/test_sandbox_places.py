"""Path and location: true for the bytes that were sent, whatever their formatting."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.airship.sandbox import SandboxOptions
from connector.airship.sandbox.contract_check import ContractCheck, Refusal, answer_of
from connector.airship.sandbox.places import Place, line_and_column, offset_of, place_of, spell

WHITE_SPACE = st.text(alphabet=" \t\r\n", max_size=4)
KEYS = st.one_of(st.sampled_from(["a", "a.b", "b[0]", 'quo"te', "back\\slash", "name", "ü", "~/"]), st.text(max_size=5))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12).map(lambda text: text + '\\"]},{["'),
    st.text(max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)


@st.composite
def _written(draw: st.DrawFn, value: Any) -> str:
    """A value as JSON with white space wherever JSON allows it, ASCII or not."""
    space = draw(WHITE_SPACE)
    if isinstance(value, dict):
        members = [f"{_scalar(draw, key)}{space}:{draw(_written(item))}" for key, item in value.items()]
        text = "{" + space + f"{space},{space}".join(members) + space + "}"
    elif isinstance(value, list):
        text = "[" + f"{space},{space}".join(draw(_written(item)) for item in value) + space + "]"
    else:
        text = _scalar(draw, value)
    return draw(WHITE_SPACE) + text + space


def _scalar(draw: st.DrawFn, value: Any) -> str:
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return text.replace("\ud800", "") if isinstance(value, str) else text


def _places(value: Any, above: Place = ()) -> list[Place]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for step, child in children for place in _places(child, (*above, step)))]


def _at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


@settings(deadline=None)  # a shared machine may pause
@given(st.data())
def test_the_location_of_every_place_is_the_value_that_stands_there(data: st.DataObject) -> None:
    value = data.draw(VALUES)
    text = data.draw(_written(value))
    body = text.encode()
    for place in _places(value):
        offset = offset_of(body, place)
        found, _ = json.JSONDecoder().raw_decode(body[offset:].decode())
        assert found == _at(value, place)
        line, column = line_and_column(body, offset, "characters")
        assert text.split("\n")[line - 1][column - 1 :].encode() == body[offset:].split(b"\n")[0]
        line, column = line_and_column(body, offset, "bytes")
        assert body.split(b"\n")[line - 1][column - 1 :] == body[offset:].split(b"\n")[0]


def test_of_a_missing_value_the_location_is_that_of_the_innermost_value_around_it() -> None:
    body = b'[ {"a": {"b": [1]}} ]'
    assert offset_of(body, (0, "a", "c", "d")) == body.index(b'{"b"')
    assert offset_of(body, (0, "a", "b", 7)) == body.index(b"[1]")
    assert offset_of(body, (5,)) == 0
    assert offset_of(body, (0, "a", "b", 0, "x")) == body.index(b"1]")


def test_of_a_repeated_key_the_last_one_counts_as_it_does_when_decoded() -> None:
    assert offset_of(b'{"a": 1, "a": 2}', ("a",)) == 14


PLAIN_KEYS = st.one_of(st.sampled_from(["a", "name", 'quo"te', "ü", "~/"]), st.text(min_size=1, max_size=5)).filter(
    lambda key: not re.search(r"[.\[\]]", key)  # {"a": {"b": 1}, "a.b": 2} has two values that a.b can mean
)
PLAIN_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(PLAIN_KEYS, inner, max_size=4)),
    max_leaves=20,
)


@settings(deadline=None)  # a shared machine may pause
@given(st.dictionaries(PLAIN_KEYS, PLAIN_VALUES, min_size=1, max_size=4))
def test_a_dotted_field_is_read_against_the_event_that_it_speaks_of(value: dict[str, Any]) -> None:
    for place in _places(value):
        assert place_of(value, spell(place, "brackets")) == place


@pytest.mark.parametrize(
    ("event", "field", "place"),
    [
        ({"body": {"properties": {"a.b": {"c": 1}}}}, "body.properties.a.b.c", ("body", "properties", "a.b", "c")),
        ({"p": {"a": {"b": 1}, "a.b": 2}}, "p.a.b", ("p", "a.b")),
        ({"p": {"list[0]": 1}}, "p.list[0]", ("p", "list[0]")),
        ({"p": {"list": [1]}}, "p.list[0]", ("p", "list", 0)),
        ({"p": {}}, "p.absent.too", ("p", "absent", "too")),
        ({}, "", ()),
        (5, "body.name", ("body", "name")),
    ],
)
def test_the_keys_of_the_event_decide_how_a_field_is_cut(event: Any, field: str, place: Place) -> None:
    assert place_of(event, field) == place


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("brackets", "[3].body.properties.a/b~c.d[0]"),
        ("dots", "3.body.properties.a/b~c.d.0"),
        ("pointer", "/3/body/properties/a~1b~0c.d/0"),
        ("jsonpath", "$[3].body.properties['a/b~c.d'][0]"),
    ],
)
def test_each_spelling_follows_its_own_rules_for_odd_keys(spelling: Any, path: str) -> None:
    assert spell((3, "body", "properties", "a/b~c.d", 0), spelling) == path


def _index_in(path: str) -> int:
    match = re.search(r"\d+", path)
    assert match is not None
    return int(match[0])


@settings(deadline=None)  # a shared machine may pause
@given(st.data(), st.sampled_from(["brackets", "dots", "pointer", "jsonpath", "wrong"]))
def test_path_and_location_name_the_same_event(data: st.DataObject, spelling: Any) -> None:
    marks = data.draw(st.lists(st.booleans(), min_size=1, max_size=6))
    events = [
        {"user": data.draw(VALUES), "body": {"properties": {"x": data.draw(VALUES), "sandbox_refuse": mark}}}
        for mark in marks
    ]
    text = data.draw(_written(events))
    body = text.encode()
    options = SandboxOptions(validation="off", path=spelling)
    verdict = ContractCheck(options).verdict(body, 0.0)
    if not any(marks):
        assert not isinstance(verdict, Refusal)
        return
    assert isinstance(verdict, Refusal)
    answer: Any = answer_of(verdict, body, options)
    if spelling == "wrong" and all(marks):
        assert "path" not in answer["details"]
        assert "location" not in answer["details"]
        return
    index = _index_in(answer["details"]["path"])
    assert marks[index] is (spelling != "wrong")
    if spelling != "wrong":
        assert index == marks.index(True)
    location = answer["details"]["location"]
    lines = text.split("\n")
    offset = len("\n".join([*lines[: location["line"] - 1], lines[location["line"] - 1][: location["column"] - 1]]))
    starts = [len(body[: offset_of(body, (at,))].decode()) for at in range(len(events))]
    assert max(at for at, start in enumerate(starts) if start <= offset) == index
