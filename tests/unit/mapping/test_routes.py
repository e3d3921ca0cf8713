"""Routes: what is refused when the settings are read, and what becomes of a value."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connector.errors import MappingError, SettingsError
from connector.mapping.routes import EVENTS_MAX, Route, compile_routes
from connector.settings import RouteSettings, ValidationSettings
from tests.unit.decode.source_record import Record

USER = {"named_user_id": "${{ id }}"}
EVENT: dict[str, Any] = {"user": USER, "body": {"name": "purchased"}}
RECORD = Record(b"{}", [("kind", b"paid"), ("empty", None), ("kind", b"refund"), ("odd", b"\xff")])
PRIVATE = "private-7"
PLAIN = ValidationSettings()


def compiled(*routes: dict[str, Any], limits: ValidationSettings = PLAIN) -> list[Route]:
    return compile_routes([RouteSettings.model_validate({"topics": ["orders"]} | route) for route in routes], limits)


def route(**settings: Any) -> Route:
    (only,) = compiled(settings)
    only.message.record = RECORD
    return only


def refusals(*routes: dict[str, Any], limits: ValidationSettings = PLAIN) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        compiled(*routes, limits=limits)
    return raised.value.faults


def with_body(**body: Any) -> dict[str, Any]:
    return {"user": USER, "body": {"name": "a"} | body}


def event_of(event: dict[str, Any], value: Any) -> Any:
    (only,) = route(event=event).events_of(value, RECORD)
    return only


def properties_of(properties: Any, value: Any) -> Any:
    return event_of({"user": {"named_user_id": "u"}, "body": {"name": "a", "properties": properties}}, value)["body"][
        "properties"
    ]


def fault_of(made: Route, value: Any) -> MappingError:
    with pytest.raises(MappingError) as raised:
        made.events_of(value, RECORD)
    assert PRIVATE not in str(raised.value)
    return raised.value


class TestWhatIsRefusedAtTheStart:
    @pytest.mark.parametrize(
        ("event", "line"),
        [
            (with_body(name="Paid"), "body.name: found "),
            (with_body(name="Paid ${{ x }}"), "body.name: found "),
            ({"body": {}, "user": USER}, "body.name: found "),
            ({"user": USER}, "body: found "),
            ({"body": {"name": "a"}}, "user: found "),
            ({"body": {"name": "a"}, "user": {}}, "user: found "),
            ({"body": {"name": "a"}, "user": {"channel": "no-uuid"}}, "user.channel: found "),
            ({"body": {"name": "a"}, "user": {"user_id": "b"}}, "user.user_id: found an unknown field"),
            (with_body(value="12"), "body.value: found "),
            (with_body(properties={"x": "y" * 256}), "body.properties.x: found "),
            (with_body(properties=["${{ a }}"]), "body.properties: found "),
            (with_body(nmae="b"), "body.nmae: found an unknown field, expected name"),
            (EVENT | {"occured": "x"}, "occured: found an unknown field, expected occurred"),
            (EVENT | {"occurred": "yesterday"}, "occurred: found "),
            (with_body(properties={"${{ a }}": 1}), "body.properties.${{ a }}: found an expression in a name"),
            (with_body(properties={1: 1}), "body.properties.1: found a name that is"),
            (with_body(value="${{ total"), "body.value: found ${{ without its end"),
            (with_body(value="${{ 'a }}"), "body.value: found a ' without its end"),
            (with_body(value="${{ }}"), "body.value: found an empty expression"),
            (with_body(value="${{ a. }}"), "body.value: found "),
            (with_body(value="${{ lowr(a) }}"), "body.value: found the unknown function lowr()"),
            (with_body(value="${{ lower() }}"), "body.value: found lower() with 0 arguments"),
            (with_body(value="${{ a[::0] }}"), "body.value: found a slice with step 0"),
        ],
    )
    def test_a_wrong_template_has_its_place(self, event: dict[str, Any], line: str) -> None:
        (fault,) = refusals({}, {"event": event})
        assert fault.startswith(f"routes[1].event.{line}")
        assert ", expected " in fault

    @pytest.mark.parametrize(
        ("settings", "line"),
        [
            ({"when": "a =="}, "routes[0].when: found its end at column 5 in 'a ==', expected JMESPath"),
            ({"when": "a = b"}, "routes[0].when: found "),
            ({"when": "${{ a }} and ${{ b }}"}, "routes[0].when: found more than one expression"),
            ({"for_each": "lines[", "event": EVENT}, "routes[0].for_each: found "),
            ({"ordering_key": "nokey(a)"}, "routes[0].ordering_key: found the unknown function nokey()"),
            ({"topics": None}, "routes[0]: found neither of topics and topics_pattern, expected one of them"),
            ({"topics_pattern": "a"}, "routes[0]: found both of topics and topics_pattern, expected one of them"),
            ({"topics": None, "topics_pattern": "a("}, "routes[0].topics_pattern: found "),
            ({"transform": "json"}, "routes[0].transform: found 'json', expected package.module:function"),
            ({"transform": "json:no_such"}, "routes[0].transform: found AttributeError"),
            ({"transform": "no_such_module:f"}, "routes[0].transform: found ModuleNotFoundError"),
            ({"transform": "json:__name__"}, "routes[0].transform: found json:__name__, which cannot be called"),
        ],
    )
    def test_so_has_everything_else(self, settings: dict[str, Any], line: str) -> None:
        (fault,) = refusals(settings)
        assert fault.startswith(line)

    def test_all_faults_of_all_routes_come_at_once(self) -> None:
        event = {"user": {"channel": "${{ ( }}"}, "body": {"name": "${{ lowr(a) }}", "propertys": {}}}
        told = [line.split(": ")[0] for line in refusals({"when": "a ==", "event": event}, {}, {"when": "["})]
        in_event = [f"routes[0].event.{field}" for field in ("body.name", "body.propertys", "user.channel")]
        assert told[0] == "routes[0].when"
        assert sorted(told[1:-1]) == in_event
        assert told[-1] == "routes[2].when"

    def test_limits_of_the_settings_hold_for_literals(self) -> None:
        (fault,) = refusals({"event": with_body(name="abcdef")}, limits=ValidationSettings(name_length_max=5))
        assert fault.startswith("routes[0].event.body.name: found a string of 6 characters")

    @pytest.mark.parametrize("when", ["a == b", "${{ a == b }}", "  ${{ a == b }} "])
    def test_the_marks_of_a_template_around_a_condition_do_no_harm(self, when: str) -> None:
        assert route(when=when).applies({"a": 1, "b": 1})
        assert not route(when=when).applies({"a": 1, "b": 2})

    def test_a_literal_time_is_judged_by_its_form_alone(self) -> None:
        assert event_of(EVENT | {"occurred": "2001-02-03T04:05:06"}, {"id": "u"})["occurred"] == "2001-02-03T04:05:06"


class TestTheTemplate:
    VALUE: ClassVar[dict[str, Any]] = {
        "id": "u",
        "n": 7,
        "f": 1.5,
        "d": Decimal("1E+3"),
        "yes": True,
        "none": None,
        "list": [1, None, "x"],
        "object": {"a": None},
        "text": "t",
    }

    @pytest.mark.parametrize("name", ["n", "f", "d", "yes", "list", "object", "text"])
    def test_one_expression_alone_keeps_its_type(self, name: str) -> None:
        found = properties_of({"x": f"${{{{ {name} }}}}"}, self.VALUE)["x"]
        assert found == self.VALUE[name]
        assert type(found) is type(self.VALUE[name])

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a ${{ text }} b", "a t b"),
            ("${{ n }}${{ text }}", "7t"),
            ("${{ n }}/${{ f }}/${{ d }}/${{ yes }}", "7/1.5/1000/true"),
            ("${{ list }}!", '[1,null,"x"]!'),
            ("$${{ n }} and ${{ n }}", "${{ n }} and 7"),
            ("$${{ n }}", "${{ n }}"),
            ("${ n }} {{ n }} $", "${ n }} {{ n }} $"),
            ("${{ '}}' }}", "}}"),
            ("${{ {a: {b: n}}.a.b }}", 7),
            ("${{ join('', [text, '${{']) }}", "t${{"),
            ("${{n}}", 7),
            ("", ""),
        ],
    )
    def test_a_text_is_put_together(self, text: str, expected: object) -> None:
        assert properties_of({"x": text, "n": "${{ n }}"}, self.VALUE)["x"] == expected

    @pytest.mark.parametrize("text", ["${{ none }}", "${{ missing.far.away }}", "a ${{ none }} b", "${{ n.x }}"])
    def test_what_is_null_is_left_out_wherever_it_stands(self, text: str) -> None:
        assert properties_of({"x": text, "y": 1}, self.VALUE) == {"y": 1}
        assert properties_of({"y": [text, "${{ n }}", {"z": text}]}, self.VALUE) == {"y": [7, {}]}

    @pytest.mark.parametrize("literal", [1, 1.5, True, [1, {"a": [False]}], {"a": {"b": "c"}}, "text"])
    def test_literals_stay_as_they_are(self, literal: object) -> None:
        assert properties_of({"x": literal, "y": "${{ n }}"}, self.VALUE) == {"x": literal, "y": 7}

    def test_a_null_in_the_settings_is_left_out_too(self) -> None:
        assert properties_of({"x": None, "y": "${{ n }}"}, self.VALUE) == {"y": 7}
        assert properties_of({"y": [1, None, 2]}, self.VALUE) == {"y": [1, 2]}

    def test_of_several_identifiers_the_one_that_is_there_counts(self) -> None:
        event = EVENT | {"user": {"named_user_id": "${{ id }}", "channel": "${{ channel }}"}}
        assert event_of(event, {"id": "u"})["user"] == {"named_user_id": "u"}
        assert event_of(event, {"channel": "c"})["user"] == {"channel": "c"}

    def test_events_of_two_messages_share_nothing(self) -> None:
        made = route(event=with_body(properties={"x": "${{ n }}", "fix": 1}))
        ((first,), (second,)) = (made.events_of({"id": "a", "n": n}, RECORD) for n in (1, 2))
        assert first["body"]["properties"] == {"x": 1, "fix": 1}
        assert second["body"]["properties"] == {"x": 2, "fix": 1}

    @pytest.mark.parametrize(
        ("created", "occurred"),
        [
            ("2024-06-01T12:00:00.250+02:00", "2024-06-01T10:00:00"),
            (1717236000, "2024-06-01T10:00:00"),
            (1717236000999, "2024-06-01T10:00:00"),
            ("2024-06-01 10:00:00Z", "2024-06-01T10:00:00"),
        ],
    )
    def test_occurred_comes_out_in_the_contracts_form(self, created: object, occurred: str) -> None:
        assert event_of(EVENT | {"occurred": "${{ at }}"}, {"id": "u", "at": created})["occurred"] == occurred


class TestWhatAMessageIsToBlameFor:
    def test_a_required_field_that_is_null_names_its_expression(self) -> None:
        error = fault_of(route(event=with_body(name="${{ kind }}")), {"other": PRIVATE})
        assert error.reason == "required_missing"
        told = {fault.field: fault.found for fault in error.faults}
        assert told == {"user": "null from ${{ id }}", "body.name": "null from ${{ kind }}"}
        assert all(fault.expected for fault in error.faults)

    @pytest.mark.parametrize("part", ["user", "body"])
    def test_so_does_a_part_that_is_one_expression(self, part: str) -> None:
        error = fault_of(route(event=EVENT | {part: "${{ whole }}"}), {"id": "u"})
        assert error.reason == "required_missing"
        assert [fault[:2] for fault in error.faults] == [(part, "null from ${{ whole }}")]

    def test_all_expressions_that_fail_are_told_at_once(self) -> None:
        properties = {"a": "${{ lower(n) }}", "b": "${{ timestamp(text) }}", "c": "${{ length(n) }}", "ok": "${{ n }}"}
        error = fault_of(route(event=with_body(properties=properties)), {"n": 1, "text": PRIVATE, "id": "c"})
        assert error.reason == "expression_failed"
        assert [fault.field for fault in error.faults] == [f"body.properties.{name}" for name in "abc"]
        assert error.faults[0].found.endswith("in ${{ lower(n) }}")

    @pytest.mark.parametrize("condition", ["lower(n) == 'a'", "sum(n) > `1`", "header(n) == 'a'"])
    def test_a_condition_that_fails_is_the_messages_fault(self, condition: str) -> None:
        with pytest.raises(MappingError) as raised:
            route(when=condition).applies({"n": 1})
        assert (raised.value.reason, raised.value.faults[0].field) == ("expression_failed", "when")

    @pytest.mark.parametrize("value", [None, 1, "text", [], [1], True])
    def test_a_value_that_is_no_object_has_no_fields(self, value: object) -> None:
        assert fault_of(route(event=EVENT), value).reason == "required_missing"


class TestConditions:
    @pytest.mark.parametrize("found", [None, False, "", [], {}])
    def test_what_jmespath_takes_for_false_does_not_apply(self, found: object) -> None:
        assert not route(when="a").applies({"a": found})

    @pytest.mark.parametrize("found", [True, 0, 1, "x", [0], {"a": None}, Decimal(0)])
    def test_everything_else_applies(self, found: object) -> None:
        assert route(when="a").applies({"a": found})

    def test_without_a_condition_it_applies(self) -> None:
        assert route().applies({})

    @pytest.mark.parametrize(
        ("when", "holds"),
        [
            ("header('kind') == 'refund'", True),
            ("header('kind') == 'paid'", False),
            ("header('empty') == null", True),
            ("header('none')", False),
            ("key() == 'key'", True),
            ("topic() == 'orders' && partition() == `0` && offset() == `7`", True),
            ("record_timestamp() == `1700000000000`", True),
        ],
    )
    def test_the_record_can_be_asked(self, when: str, holds: bool) -> None:
        made = route(when=when)
        assert made.reads_message
        assert made.applies({}) is holds

    def test_a_header_that_is_no_text_is_the_messages_fault(self) -> None:
        with pytest.raises(MappingError):
            route(when="header('odd')").applies({})


class TestSeveralEvents:
    EACH: ClassVar[dict[str, Any]] = {
        "user": {"named_user_id": "${{ message().id }}"},
        "body": {"name": "${{ sku }}", "properties": {"i": "${{ index() }}"}},
    }

    def made(self, **settings: Any) -> Route:
        return route(event=self.EACH, for_each="lines", **settings)

    def events(self, value: Any) -> list[Any]:
        made = self.made()
        made.message.value = value
        return made.events_of(value, RECORD)

    def test_each_item_gives_one_in_their_order(self) -> None:
        events = self.events({"id": "u", "lines": [{"sku": "a"}, {"sku": "b"}]})
        assert [event["body"] for event in events] == [
            {"name": "a", "properties": {"i": 0}},
            {"name": "b", "properties": {"i": 1}},
        ]
        assert {event["user"]["named_user_id"] for event in events} == {"u"}

    @pytest.mark.parametrize("lines", [[{"sku": "a"}] * 3, [{}] * 3])
    def test_a_message_does_not_depend_on_the_one_before_it(self, lines: list[dict[str, str]]) -> None:
        """`index()` is 0 outside of `for_each`, also after a message with many items, good or bad."""
        made = self.made(ordering_key="index()")
        made.message.value = {"id": "u"}
        with suppress(MappingError):
            made.events_of({"lines": lines}, RECORD)
        assert made.key_of({}) == b"0"

    def test_faults_name_the_item(self) -> None:
        with pytest.raises(MappingError) as raised:
            self.events({"id": "u", "lines": [{"sku": "a"}, {}, {"sku": None}]})
        assert [fault.field for fault in raised.value.faults] == ["[1].body.name", "[2].body.name"]

    @pytest.mark.parametrize("lines", [None, []])
    def test_none_or_no_items_give_no_event(self, lines: object) -> None:
        assert self.events({"lines": lines}) == []

    @pytest.mark.parametrize("lines", [PRIVATE, {"a": 1}, 1, True])
    def test_anything_but_an_array_is_a_fault(self, lines: object) -> None:
        error = fault_of(self.made(), {"lines": lines})
        assert error.reason == "expression_failed"
        assert [(fault.field, fault.expected) for fault in error.faults] == [("for_each", "an array")]

    def test_there_is_a_limit(self) -> None:
        assert len(self.events({"id": "u", "lines": [{"sku": "a"}] * EVENTS_MAX})) == EVENTS_MAX
        error = fault_of(self.made(), {"id": "u", "lines": [{"sku": "a"}] * (EVENTS_MAX + 1)})
        assert error.faults[0].field == "for_each"

    def test_without_a_template_the_items_are_the_events(self) -> None:
        assert route(for_each="events").events_of({"events": [{"a": 1}, {"b": 2}]}, RECORD) == [{"a": 1}, {"b": 2}]


class TestTransforms:
    @pytest.fixture(autouse=True)
    def _hooks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "order_hooks.py").write_text(
            "def same(value, record):\n    return value\n"
            "def renamed(value, record):\n    return {'id': value['user'], 'topic': record.topic()}\n"
            f"def broken(value, record):\n    raise KeyError('{PRIVATE}')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)

    def test_the_template_works_on_what_it_gives(self) -> None:
        made = route(transform="order_hooks:renamed", event=with_body(name="${{ topic }}"))
        assert made.events_of({"user": "u"}, RECORD) == [{"user": {"named_user_id": "u"}, "body": {"name": "orders"}}]

    @pytest.mark.parametrize(("value", "count"), [({"a": 1}, 1), ([{}, {}], 2), (None, 0), ([], 0)])
    def test_without_a_template_it_gives_one_event_several_or_none(self, value: object, count: int) -> None:
        assert len(route(transform="order_hooks:same").events_of(value, RECORD)) == count

    def test_none_is_no_event_with_a_template_too(self) -> None:
        assert route(transform="order_hooks:same", event=EVENT).events_of(None, RECORD) == []

    def test_what_it_raises_rejects_the_message_and_says_where(self) -> None:
        error = fault_of(route(transform="order_hooks:broken"), {})
        assert error.reason == "transform_failed"
        assert error.faults[0].found == "KeyError at line 6 of broken()"

    def test_it_has_the_same_limit(self) -> None:
        made = route(transform="order_hooks:same")
        assert fault_of(made, [{}] * (EVENTS_MAX + 1)).reason == "transform_failed"


class TestOrderingKeys:
    @pytest.mark.parametrize(
        ("value", "key"), [("ü", "ü".encode()), (7, b"7"), (True, b"true"), (None, None), ([1], b"[1]"), ("", b"")]
    )
    def test_the_text_of_the_value_is_the_key(self, value: object, key: bytes | None) -> None:
        assert route(ordering_key="k").key_of({"k": value}) == key

    def test_what_has_no_text_is_the_messages_fault(self) -> None:
        with pytest.raises(MappingError) as raised:
            route(ordering_key="k").key_of({"k": float("nan")})
        assert raised.value.faults[0].field == "ordering_key"


def test_topics_are_taken_by_name_or_by_a_pattern_for_the_whole_name() -> None:
    assert [route(topics=["a", "b"]).takes(topic) for topic in ("a", "b", "c", "ab")] == [True, True, False, False]
    by_pattern = route(topics=None, topics_pattern="a|b.*")
    assert [by_pattern.takes(topic) for topic in ("a", "ab", "bx", "xb")] == [True, False, True, False]
