"""Routes: what they refuse when the settings are read, and what they make of a value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.core.records import Fault, SourceRecord
from connector.errors import MappingError
from connector.mapping.routes import EVENTS_MAX, Route, compile_routes
from connector.settings import RouteSettings, ValidationSettings
from tests.unit.mapping.records import StoredRecord
from tests.unit.mapping.test_contract import CHANNEL

LIMITS = ValidationSettings()
RECORD = StoredRecord(b"{}", key=b"k", headers=[("type", b"sale")])
MINIMAL = {"user": {"named_user_id": "${{ u }}"}, "body": {"name": "sale"}}


def compiled(**settings: Any) -> Route:
    settings.setdefault("topics", ["orders"])
    (route,) = compile_routes([RouteSettings.model_validate(settings)], LIMITS)
    route.message.record = RECORD
    return route


def built(body: dict[str, Any], value: Any, **event: Any) -> Any:
    template = {"user": {"named_user_id": "u"}, "body": {"name": "sale", **body}, **event}
    (made,) = compiled(event=template).events_of(value, RECORD)
    return made


def refusal(route: Route, value: Any) -> tuple[str, list[Fault]]:
    with pytest.raises(MappingError) as refused:
        route.events_of(value, RECORD)
    return refused.value.reason, list(refused.value.faults)


# -- what a template makes


def test_literals_expressions_and_texts() -> None:
    event = built(
        {
            "value": "${{ total }}",
            "interaction_id": "shop/${{ id }}",
            "properties": {
                "literal": 1,
                "flag": True,
                "skus": "${{ lines[].sku }}",
                "nested": {"all": ["${{ id }}", "x"]},
            },
        },
        {"total": Decimal("1.50"), "id": 7, "lines": [{"sku": "a"}, {"sku": "b"}]},
    )
    assert event == {
        "user": {"named_user_id": "u"},
        "body": {
            "name": "sale",
            "value": Decimal("1.50"),
            "interaction_id": "shop/7",
            "properties": {"literal": 1, "flag": True, "skus": ["a", "b"], "nested": {"all": [7, "x"]}},
        },
    }


@pytest.mark.parametrize(
    "value",
    [1, 1.5, Decimal("0.10"), True, False, "text", "", [], {}, [1, [2]], {"a": {"b": None}}, 0],
)
def test_one_expression_keeps_the_type_of_its_result(value: Any) -> None:
    event = built({"properties": {"x": "${{ a }}"}}, {"a": value})
    found = event["body"]["properties"]["x"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "n-1"), (1.5, "n-1.5"), (Decimal("0.10"), "n-0.10"), (True, "n-true"), ("x", "n-x"), ([1, "a"], 'n-[1,"a"]')],
)
def test_in_a_text_values_stand_as_json_has_them(value: Any, text: str) -> None:
    assert built({"unique_id": "n-${{ a }}"}, {"a": value})["body"]["unique_id"] == text


def test_null_is_left_out_wherever_it_stands() -> None:
    event = built(
        {
            "value": "${{ a }}",
            "transaction": "t-${{ a }}",
            "session_id": None,
            "properties": {"gone": "${{ a }}", "list": ["${{ a }}", None, "x"], "inner": {"gone": "${{ a }}"}},
        },
        {},
        occurred="${{ a }}",
    )
    assert event == {
        "user": {"named_user_id": "u"},
        "body": {"name": "sale", "properties": {"list": ["x"], "inner": {}}},
    }


def test_null_inside_a_value_is_the_value_s_own() -> None:
    assert built({"properties": "${{ @ }}"}, {"a": None})["body"]["properties"] == {"a": None}


def test_a_whole_part_can_be_one_expression() -> None:
    template = {"user": "${{ who }}", "body": {"name": "${{ n }}", "properties": "${{ p }}"}}
    (event,) = compiled(event=template).events_of({"who": {"channel": CHANNEL}, "n": "x", "p": {"a": 1}}, RECORD)
    assert event == {"user": {"channel": CHANNEL}, "body": {"name": "x", "properties": {"a": 1}}}


def test_of_two_identifiers_the_one_that_is_there() -> None:
    route = compiled(event={"user": {"named_user_id": "${{ u }}", "channel": "${{ c }}"}, "body": {"name": "n"}})
    assert route.events_of({"c": CHANNEL}, RECORD)[0]["user"] == {"channel": CHANNEL}
    assert route.events_of({"u": "x"}, RECORD)[0]["user"] == {"named_user_id": "x"}


@pytest.mark.parametrize(
    ("expression", "value", "occurred"),
    [
        ("${{ t }}", "2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05"),
        ("${{ t }}", "2024-01-02T03:04:05+01:00", "2024-01-02T02:04:05"),
        ("${{ t }}", 1_700_000_000_123, "2023-11-14T22:13:20"),
        ("${{ timestamp(t) }}", 1_700_000_000, "2023-11-14T22:13:20"),
        ("${{ timestamp(t) || 'x' }}", 1_700_000_000, "2023-11-14T22:13:20"),
        ("${{ t }}", "soon", "soon"),
        ("${{ d }}T00:00:00", None, None),
    ],
)
def test_occurred_comes_out_as_whole_seconds_of_utc(expression: str, value: Any, occurred: str | None) -> None:
    assert built({}, {"t": value}, occurred=expression).get("occurred") == occurred


def test_events_do_not_share_what_can_change() -> None:
    route = compiled(event={**MINIMAL, "body": {"name": "sale", "value": "${{ v }}", "properties": {"a": "${{ v }}"}}})
    first, second = route.events_of({"u": "x", "v": 1}, RECORD) + route.events_of({"u": "x", "v": 2}, RECORD)
    assert (first["body"]["value"], second["body"]["value"]) == (1, 2)
    assert first["body"] is not second["body"]


# -- required fields and failures


def test_a_required_field_that_is_null_names_its_expression() -> None:
    route = compiled(event={"user": {"named_user_id": "${{ u }}", "channel": "${{ c }}"}, "body": {"name": "${{ n }}"}})
    reason, faults = refusal(route, {})
    assert reason == "required_missing"
    assert [(fault.field, fault.found) for fault in faults] == [
        ("user", "null from ${{ u }} and ${{ c }}"),
        ("body.name", "null from ${{ n }}"),
    ]
    assert faults[0].expected.startswith("one of named_user_id, channel")
    assert [fault.field for fault in refusal(route, {"u": "x"})[1]] == ["body.name"]
    assert [fault.field for fault in refusal(route, {"n": "x"})[1]] == ["user"]


def test_a_required_text_is_null_when_a_piece_of_it_is() -> None:
    route = compiled(event={"user": {"named_user_id": "u"}, "body": {"name": "sale-${{ kind }}"}})
    assert refusal(route, {})[1][0].found == "null from sale-${{ kind }}"


def test_a_body_or_user_that_is_one_expression_and_null() -> None:
    route = compiled(event={"user": "${{ u }}", "body": "${{ b }}"})
    assert [(f.field, f.found) for f in refusal(route, {})[1]] == [
        ("user", "null from ${{ u }}"),
        ("body", "null from ${{ b }}"),
    ]


def test_all_expressions_that_fail_are_named_and_no_value_quoted() -> None:
    route = compiled(
        event={
            "occurred": "${{ timestamp(t) }}",
            "user": {"named_user_id": "${{ u }}"},
            "body": {"name": "n", "value": "${{ abs(v) }}", "properties": {"a": ["x-${{ sum(l) }}"]}},
        }
    )
    reason, faults = refusal(route, {"u": "x", "t": "secret", "v": "secret", "l": ["secret"]})
    assert reason == "expression_failed"
    assert [str(fault) for fault in faults] == [
        (
            "occurred: found a string of 6 characters that is no time in ${{ timestamp(t) }}, "
            "expected an ISO 8601 time or a number since 1970"
        ),
        "body.value: found string in abs() in ${{ abs(v) }}, expected number",
        "body.properties.a[0]: found string in sum() in x-${{ sum(l) }}, expected array-number",
    ]


def test_all_faults_of_an_event_are_told_in_one_pass_whatever_their_kind() -> None:
    route = compiled(
        event={
            "occurred": "${{ at }}",
            "user": {"channel": "${{ c }}"},
            "body": {
                "name": "${{ n }}",
                "value": "${{ abs(v) }}",
                "session_id": "${{ s }}",
                "properties": {"ok": "${{ text }}", "bad": "${{ lower(v2) }}"},
            },
        }
    )
    value = {"at": "soon", "n": None, "c": "no-uuid", "v": "x", "v2": 2, "s": 5, "text": "x" * 256}
    reason, faults = refusal(route, value)
    assert reason == "expression_failed"
    assert [fault.field for fault in faults] == [
        "body.value",
        "body.properties.bad",
        "body.name",
        "occurred",
        "user.channel",
        "body.session_id",
        "body.properties.ok",
    ]
    reason, faults = refusal(route, {"n": "Upper", "v": 1, "v2": "X"})
    assert reason == "required_missing"
    assert [(fault.field, fault.found) for fault in faults] == [
        ("user", "null from ${{ c }}"),
        ("body.name", "an upper-case character at position 1"),
    ]


def test_an_expression_that_fails_in_user_is_not_told_as_a_missing_user_too() -> None:
    route = compiled(event={"user": {"named_user_id": "${{ u }}", "channel": "${{ lower(c) }}"}, "body": {"name": "n"}})
    assert [fault.field for fault in refusal(route, {"c": 5})[1]] == ["user.channel"]


def test_the_faults_of_all_items_are_told_of_those_that_could_be_mapped_too() -> None:
    body = {"name": "${{ n }}", "value": "${{ abs(v) }}"}
    route = compiled(for_each="items", event={"user": {"named_user_id": "u"}, "body": body})
    reason, faults = refusal(route, {"items": [{"n": "a"}, {"n": "b", "v": "x"}, {"n": "C", "v": 1}, {"v": 1}]})
    assert reason == "expression_failed"
    assert [fault.field for fault in faults] == [
        "[0].body.value",
        "[1].body.value",
        "[2].body.name",
        "[3].body.name",
    ]


def test_what_python_says_to_odd_values_is_a_fault_too() -> None:
    route = compiled(event={**MINIMAL, "body": {"name": "n", "value": "${{ ceil(v) }}"}})
    reason, (fault,) = refusal(route, {"u": "x", "v": float("inf")})
    assert (reason, fault.field) == ("expression_failed", "body.value")
    assert fault.found == "OverflowError in ${{ ceil(v) }}"


# -- when, for_each, transform, ordering_key


@pytest.mark.parametrize(
    ("when", "value", "applies"),
    [
        ("status == 'paid'", {"status": "paid"}, True),
        ("status == 'paid'", {"status": "open"}, False),
        ("status == 'paid'", {}, False),
        ("status == 'paid'", None, False),
        ("${{ status == 'paid' }}", {"status": "paid"}, True),
        ("status", {"status": "x"}, True),
        ("status", {"status": ""}, False),
        ("status", {"status": []}, False),
        ("status", {"status": None}, False),
        ("status", {"status": 0}, True),
        ("total > `10`", {"total": Decimal("10.01")}, True),
        ("header('type') == 'sale'", {}, True),
        ("header('none')", {}, False),
    ],
)
def test_when(when: str, value: Any, applies: bool) -> None:
    assert compiled(when=when, event=MINIMAL).applies(value) is applies


def test_a_when_that_fails_is_the_message_s_fault() -> None:
    with pytest.raises(MappingError) as refused:
        compiled(when="abs(x) > `1`", event=MINIMAL).applies({"x": "secret"})
    assert refused.value.faults == (Fault("when", "string in abs() in abs(x) > `1`", "number"),)


def test_for_each_makes_one_event_of_each_item() -> None:
    route = compiled(
        for_each="lines[]",
        event={
            "user": {"named_user_id": "${{ message().customer }}"},
            "body": {"name": "bought", "value": "${{ price }}", "unique_id": "${{ message().id }}-${{ index() }}"},
        },
    )
    value = {"customer": "hugh", "id": "o1", "lines": [{"price": 1}, {"price": 2}]}
    route.message.value = value
    events = route.events_of(value, RECORD)
    assert [(e["body"]["value"], e["body"]["unique_id"], e["user"]) for e in events] == [
        (1, "o1-0", {"named_user_id": "hugh"}),
        (2, "o1-1", {"named_user_id": "hugh"}),
    ]


@pytest.mark.parametrize("value", [{}, {"lines": []}, {"lines": None}])
def test_for_each_over_nothing_makes_nothing(value: Any) -> None:
    assert compiled(for_each="lines", event=MINIMAL).events_of(value, RECORD) == []


def test_for_each_wants_an_array() -> None:
    reason, faults = refusal(compiled(for_each="lines", event=MINIMAL), {"lines": {"a": 1}})
    assert (reason, faults) == (
        "expression_failed",
        [Fault("for_each", "an object of 1 fields from lines", "an array")],
    )


def test_the_faults_of_all_items_come_together() -> None:
    route = compiled(for_each="@", event={**MINIMAL, "body": {"name": "n", "value": "${{ abs(v) }}"}})
    reason, faults = refusal(route, [{"u": "x", "v": 1}, {"v": 1}, {"u": "x", "v": "?"}])
    assert reason == "required_missing"
    assert [fault.field for fault in faults] == ["[1].user", "[2].body.value"]


def test_one_message_makes_a_bounded_number_of_events() -> None:
    route = compiled(for_each="@", event=MINIMAL)
    assert len(route.events_of([{"u": "x"}] * EVENTS_MAX, RECORD)) == EVENTS_MAX
    reason, faults = refusal(route, [{"u": "x"}] * (EVENTS_MAX + 1))
    assert (reason, faults[0].found) == ("expression_failed", f"{EVENTS_MAX + 1} items")


def test_items_can_be_events_themselves() -> None:
    assert compiled(for_each="events").events_of({"events": [1, 2]}, RECORD) == [1, 2]


def double(value: Any, record: SourceRecord) -> Any:
    return {"u": value["u"] * 2, "topic": record.topic()}


def several(value: Any, record: SourceRecord) -> Any:
    return [value] * int(value["n"])


def nothing(value: Any, record: SourceRecord) -> Any:
    return None


def broken(value: Any, record: SourceRecord) -> Any:
    raise LookupError(f"no {value}")


not_a_function = 1
HERE = __name__


def test_a_transform_comes_before_the_template() -> None:
    (event,) = compiled(transform=f"{HERE}:double", event=MINIMAL).events_of({"u": "ab"}, RECORD)
    assert event["user"] == {"named_user_id": "abab"}


def test_a_transform_without_a_template_makes_the_events() -> None:
    assert compiled(transform=f"{HERE}:several").events_of({"n": 2}, RECORD) == [{"n": 2}, {"n": 2}]
    assert compiled(transform=f"{HERE}:double").events_of({"u": "x"}, RECORD) == [{"u": "xx", "topic": "orders"}]
    assert compiled(transform=f"{HERE}:nothing").events_of({"n": 2}, RECORD) == []
    assert compiled(transform=f"{HERE}:nothing", event=MINIMAL).events_of({"n": 2}, RECORD) == []
    assert refusal(compiled(transform=f"{HERE}:several"), {"n": EVENTS_MAX + 1})[0] == "transform_failed"


def test_a_transform_that_raises_is_the_message_s_fault_and_quotes_nothing() -> None:
    reason, (fault,) = refusal(compiled(transform=f"{HERE}:broken"), {"secret": 1})
    assert (reason, fault.field) == ("transform_failed", "transform")
    assert fault.found.startswith("LookupError at line ")
    assert fault.found.endswith(" of broken()")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("abc", b"abc"),
        ("ü", "ü".encode()),
        (7, b"7"),
        (Decimal("1.0"), b"1.0"),
        (None, None),
        ("", b""),
        (True, b"true"),
    ],
)
def test_the_ordering_key_is_bytes(value: Any, key: bytes | None) -> None:
    assert compiled(ordering_key="k", event=MINIMAL).key_of({"k": value}) == key


def test_an_ordering_key_that_has_no_text() -> None:
    with pytest.raises(MappingError) as refused:
        compiled(ordering_key="k").key_of({"k": float("nan")})
    assert refused.value.faults[0].field == "ordering_key"


# -- which topics


def test_topics_by_name_or_by_a_pattern_of_the_whole_name() -> None:
    assert compiled(topics=["a", "b"]).takes("b")
    assert not compiled(topics=["a", "b"]).takes("ab")
    route = compiled(topics=None, topics_pattern=r"shop\.[a-z]+")
    assert route.takes("shop.orders")
    assert not route.takes("shop.orders.dlq")
    assert not route.takes("my.shop.orders")
