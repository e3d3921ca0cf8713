"""The short way against the long way: where it gives an event, it is the same event."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.decode.json_values import json_value
from connector.errors import MappingError, SettingsError
from connector.event_plan import FILTERED
from connector.mapping.contract import faults_of
from connector.mapping.json_text import json_bytes
from connector.mapping.routes import Route, compile_routes
from connector.mapping.straight import NOT_STRAIGHT
from connector.settings import RouteSettings, ValidationSettings
from tests.unit.mapping.records import StoredRecord
from tests.unit.mapping.test_contract import NOW
from tests.unit.mapping.test_expressions import DOCUMENTS, EXPRESSIONS

RECORD = StoredRecord(b"{}", key=b"k", headers=[("h", b"x")])
Outcome = tuple[str, Any]


def compiled(**route: Any) -> Route:
    (made,) = compile_routes([RouteSettings.model_validate({"topics": ["t"], **route})], ValidationSettings())
    made.message.record = RECORD
    return made


def long_way(route: Route, text: bytes) -> Outcome:
    value = json_value(text)
    route.message.value = value
    try:
        if not route.applies(value):
            return "filtered", None
        (event,) = route.events_of(value, RECORD)
    except MappingError as error:
        return "rejected", error.reason
    return "event", json.loads(json_bytes(event), parse_float=Decimal)


def short_way(route: Route, text: bytes) -> Outcome:
    assert route.straight is not None
    try:
        (event,) = route.straight.write([text], [RECORD])
    except NOT_STRAIGHT:
        return "not straight", None
    return ("event", json.loads(event, parse_float=Decimal)) if event != FILTERED else ("filtered", None)


def check(route: Route, text: bytes) -> str:
    if route.straight is None:
        return "no short way"
    short, expected = short_way(route, text), long_way(route, text)
    if short == expected or short[0] == "not straight":
        return short[0]
    assert expected == ("rejected", "required_missing"), (short, expected)
    assert faults_of(short[1], NOW), "what is missing is noticed all the same"
    return "refused"


OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c", "a b", "ü"]), DOCUMENTS, max_size=5)
TEXTS = EXPRESSIONS.map("${{{{ {} }}}}".format) | EXPRESSIONS.map("x-${{{{ {} }}}}".format)
PATHS = st.sampled_from(
    ["a", "b", "a.b", "a.c", "b.a", "a.b.c", "a[].b", "a.b[].c", "b[].a", "a[0]", "a[*].b", "length(a)", "a | b"]
)
PARTS = st.one_of(TEXTS, PATHS.map("${{{{ {} }}}}".format), st.sampled_from(["text", 1, True, None]))
PROPERTIES = st.recursive(
    st.dictionaries(st.sampled_from(["p", "q", "r s", 's"t', "t"]), PARTS, max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["u", "v"]), inner | st.lists(PARTS, max_size=2), max_size=2),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(
    st.none() | st.none() | st.just("!a || a") | EXPRESSIONS,
    st.sampled_from(["u", "u", "${{ a }}", "${{ a.b }}", "x${{ b }}"]),
    st.sampled_from(["name", "name", "${{ c }}", "n-${{ a.c }}"]),
    PROPERTIES,
    st.lists(OBJECTS, min_size=1, max_size=5),
)
def test_the_short_way_gives_what_the_long_way_gives(
    when: str | None, user: str, name: str, properties: dict[str, Any], documents: list[Any]
) -> None:
    event = {"user": {"named_user_id": user}, "body": {"name": name, "properties": properties}}
    try:
        route = compiled(when=when, event=event)
    except SettingsError:
        return
    for document in documents:
        seen(check(route, json.dumps(document).encode()))


VALUES: list[Any] = [None, True, 0, 1.5, "x", [], {}, [1], [None], [[{"b": 1}]], [{"b": 1}, {"b": None}, {}], {"b": 2}]
VALUES += [{"b": {"c": 3}}, {"b": [{"c": 4}, {"c": 5}]}, {"b": None}, [{"b": 1}, 2], [{"b": [1]}, {"b": {}}]]
USES = [
    ["a"], ["a.b"], ["a.b.c"], ["a[].b"], ["a.b[].c"], ["a", "a.b"], ["a.b", "a[].b"], ["a[].b", "a[].c"],
    ["a[].b", "length(a)"], ["a.b", "a.b.c"],
    ["a.b[].c", "a.b.c"], ["a.b", "a.c", "a.d"], ["a[0].b"], ["a[?b].b"], ["a.*"], ["[a, a.b]"],
    ["{x: a.b, y: a}"], ["a && a.b"], ["length(a)[].b"], ["(a || b)[].b"], ["(a | b)[].c"],
    ["a == 'x'"], ["a.b > `1`"], ["!a"], ["a | b"], ["(a || b).b"],
    ["[a][0].b"], ["'x'"],
]  # fmt: skip


@pytest.mark.parametrize("uses", USES, ids=str)
def test_each_use_of_a_field_over_each_kind_of_value(uses: list[str]) -> None:
    properties = {f"p{number}": f"${{{{ {use} }}}}" for number, use in enumerate(uses)}
    route = compiled(event={"user": {"named_user_id": "u"}, "body": {"name": "n", "properties": properties}})
    assert route.straight is not None
    outcomes = {check(route, json.dumps({"a": value, "b": 7}).encode()) for value in VALUES}
    outcomes |= {
        check(route, text)
        for text in (b"{}", b"[]", b"null", b'{"a": 1, "a": {"b": 2}}', b'{"a": {"b": 2}, "a": null}')
    }
    assert "event" in outcomes
    assert outcomes <= {"event", "not straight"}


@pytest.mark.parametrize(
    "expression",
    ["@", "@.a", "[0]", "[]", "[*].a", "*", "[?a]", "message().a", "sort_by(a, &b)", "a[?b == message().c]", "keys(@)"],
)
def test_what_needs_the_whole_message_has_no_short_way(expression: str) -> None:
    template = {"user": {"named_user_id": "u"}, "body": {"name": "n", "properties": {"p": f"${{{{ {expression} }}}}"}}}
    assert compiled(event=template).straight is None
    assert compiled(event={"user": {"named_user_id": "u"}, "body": {"name": "n"}}, when=expression).straight is None


@pytest.mark.parametrize("more", [{"for_each": "a"}, {"ordering_key": "a"}, {"transform": "json:dumps"}])
def test_nor_has_what_is_not_one_event_by_expressions_alone(more: dict[str, Any]) -> None:
    template = {"user": {"named_user_id": "u"}, "body": {"name": "n"}}
    assert compiled(event=template).straight is not None
    assert compiled(event=template, **more).straight is None


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "line\nfeed"])
def test_names_that_a_typed_object_cannot_have(name: str) -> None:
    template = {"user": {"named_user_id": "u"}, "body": {"name": "n", "properties": {name: "${{ a }}"}}}
    route = compiled(event=template)
    if route.straight is not None:
        assert check(route, b'{"a": 1}') == "event"
    quoted = json.dumps(name)
    template = {"user": {"named_user_id": "u"}, "body": {"name": "n", "value": f"${{{{ {quoted} }}}}"}}
    route = compiled(event=template)
    if route.straight is not None:
        assert check(route, json.dumps({name: 1}).encode()) == "event"


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """The value as JSON that another program may have written: blanks, escapes, names that stand twice."""
    blank = draw(st.sampled_from(["", "", " ", "\n\t"]))
    match value:
        case dict():
            pairs = [
                f"{blank}{draw(spelled(name))}:{blank}{draw(spelled(inner))}"
                for name, inner in value.items()
                for inner in draw(st.sampled_from([[inner], [inner], [None, inner], [{"b": 1}, inner]]))
            ]
            return f"{{{','.join(pairs)}{blank}}}"
        case list():
            return f"[{','.join(blank + draw(spelled(item)) for item in value)}{blank}]"
        case str() if draw(st.booleans()):
            units = value.encode("utf-16-be")
            return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'
        case int() if not isinstance(value, bool):
            return draw(st.sampled_from([str(value), f"{value}.0", f"{value}E-0"]))
        case float():
            return draw(st.sampled_from([repr(value), f"{value:.30e}"]))
        case _:
            return json.dumps(value, ensure_ascii=False)


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=4) | st.sampled_from(["null", 'a"b', "\\", "\x7f", "ü"])
ODD = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.data(), PROPERTIES, st.dictionaries(st.sampled_from(["a", "b", "c"]), ODD, max_size=3))
def test_however_a_message_is_spelled(
    data: st.DataObject, properties: dict[str, Any], document: dict[str, Any]
) -> None:
    """Numbers that are only copied keep their digits: the same as doubles."""
    try:
        route = compiled(event={"user": {"named_user_id": "u"}, "body": {"name": "n", "properties": properties}})
    except SettingsError:
        return
    if route.straight is None:
        return
    text = data.draw(spelled(document)).encode()
    short, expected = short_way(route, text), long_way(route, text)
    seen(short[0])
    assert short[0] == "not straight" or json.loads(json.dumps(short, default=float), parse_int=float) == json.loads(
        json.dumps(expected, default=float), parse_int=float
    )


def test_the_message_s_metadata_is_within_reach() -> None:
    template = {"user": {"named_user_id": "${{ key() }}"}, "body": {"name": "${{ header('h') }}", "value": "${{ v }}"}}
    route = compiled(event=template)
    assert short_way(route, b'{"v": 1}') == (
        "event",
        {"user": {"named_user_id": "k"}, "body": {"name": "x", "value": 1}},
    )


def test_ready_events_behind_a_condition() -> None:
    route = compiled(when="a.b == 'x'")
    outcomes = [check(route, text) for text in (b'{"a": {"b": "x"}, "c": 1}', b'{"a": {"b": "y"}}', b'{"a": 1}', b"{}")]
    assert outcomes == ["event", "filtered", "not straight", "filtered"]
    assert compiled().straight is None, "nothing is looked at: they go without being read"


def test_a_route_that_looks_at_nothing() -> None:
    route = compiled(event={"user": {"named_user_id": "u"}, "body": {"name": "n"}})
    assert check(route, b'{"a": 1}') == "event"
    assert short_way(route, b"{") == ("not straight", None)
