"""What a route is refused for when the settings are read: the start stops, not the stream."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import SettingsError
from connector.mapping.routes import compile_routes
from connector.settings import RouteSettings, ValidationSettings

LIMITS = ValidationSettings()
HERE = "tests.unit.mapping.test_route_events"


def faults_of_settings(**settings: Any) -> list[str]:
    settings.setdefault("topics", ["orders"])
    with pytest.raises(SettingsError) as refused:
        compile_routes([RouteSettings.model_validate(settings)], LIMITS)
    return list(refused.value.faults)


def event(**changes: Any) -> dict[str, Any]:
    return {"user": {"named_user_id": "u"}, "body": {"name": "n"}} | changes


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"topics": None}, ["routes[0]: found neither of topics and topics_pattern, expected one of them"]),
        ({"topics_pattern": "a"}, ["routes[0]: found both of topics and topics_pattern, expected one of them"]),
        (
            {"topics": None, "topics_pattern": "a("},
            [
                (
                    "routes[0].topics_pattern: found missing ), unterminated subpattern at position 1, "
                    "expected a regular expression"
                )
            ],
        ),
        ({"when": "a ="}, ["routes[0].when: found Unknown token '=' at column 3 in 'a =', expected JMESPath"]),
        (
            {"when": "${{ a }}${{ b }}"},
            ["routes[0].when: found more than one expression in '${{ a }}${{ b }}', expected one expression"],
        ),
        (
            {"for_each": "lines["},
            ["routes[0].for_each: found its end at column 7 in 'lines[', expected JMESPath"],
        ),
        (
            {"ordering_key": "lowr(a)"},
            [
                (
                    "routes[0].ordering_key: found the unknown function lowr() in 'lowr(a)', "
                    "expected a known function such as lower()"
                )
            ],
        ),
        (
            {"event": event(body={"name": "Purchased"})},
            [
                (
                    "routes[0].event.body.name: found an upper-case character at position 1, "
                    "expected no upper-case characters"
                )
            ],
        ),
        (
            {"event": event(body={"name": "Order_${{ kind }}"})},
            [
                (
                    "routes[0].event.body.name: found an upper-case character at position 1, "
                    "expected no upper-case characters"
                )
            ],
        ),
        (
            {"event": event(body={"name": "n", "value": "12"})},
            ["routes[0].event.body.value: found a string of 2 characters, expected a number"],
        ),
        (
            {"event": event(body={"name": "n", "value": "1${{ x }}"})},
            ["routes[0].event.body.value: found a string of 2 characters, expected a number"],
        ),
        (
            {"event": event(body={"name": "n", "transaction": 5})},
            ["routes[0].event.body.transaction: found a number, expected a string"],
        ),
        (
            {"event": event(body={"name": "n", "properties": {"a": "x" * 256}})},
            ["routes[0].event.body.properties.a: found a string of 256 characters, expected at most 255 characters"],
        ),
        (
            {"event": {"user": {}, "body": {}}},
            [
                (
                    "routes[0].event.user: found no identifier, expected exactly one of named_user_id, channel, "
                    "ios_channel, android_channel, amazon_channel, web_channel"
                ),
                "routes[0].event.body.name: found nothing, expected a string without upper-case characters",
            ],
        ),
        (
            {"event": event(user={"named_user_id": " u${{ x }}"})},
            [
                (
                    "routes[0].event.user.named_user_id: found white space at an end, "
                    "expected no leading or trailing white space"
                )
            ],
        ),
        (
            {"event": event(user={"named_user_id": "u", "channel": "c"})},
            [
                (
                    "routes[0].event.user: found 2 (named_user_id, channel), expected exactly one of named_user_id, "
                    "channel, ios_channel, android_channel, amazon_channel, web_channel"
                ),
                (
                    "routes[0].event.user.channel: found a string of 1 characters that is none, "
                    "expected a UUID, 8-4-4-4-12 hexadecimal digits"
                ),
            ],
        ),
        (
            {"event": event(body={"name": "n", "propertis": {}, "zzz": 1})},
            [
                "routes[0].event.body.propertis: found an unknown field, expected properties",
                (
                    "routes[0].event.body.zzz: found an unknown field, expected one of name, value, transaction, "
                    "interaction_id, interaction_type, session_id, unique_id, properties"
                ),
            ],
        ),
        (
            {"event": event(ocurred="x")},
            ["routes[0].event.ocurred: found an unknown field, expected occurred"],
        ),
        (
            {"event": event(body={"name": "n", "properties": {"${{ a }}": 1, 5: "x"}})},
            [
                (
                    "routes[0].event.body.properties.${{ a }}: found an expression in a name, "
                    "expected expressions in values alone"
                ),
                "routes[0].event.body.properties.5: found a name that is a number, expected a text: put it in quotes",
            ],
        ),
        (
            {"event": event(body={"name": "${{ a"})},
            ["routes[0].event.body.name: found ${{ without its end in '${{ a', expected }} behind the expression"],
        ),
        (
            {"event": event(body={"name": "${{ a. }}", "value": "${{ nope(a) }}"})},
            [
                "routes[0].event.body.name: found its end at column 3 in '${{ a. }}', expected JMESPath",
                (
                    "routes[0].event.body.value: found the unknown function nope() in '${{ nope(a) }}', "
                    "expected a known function"
                ),
            ],
        ),
        (
            {"event": event(occurred="2024-01-01T00:00:00+01:00")},
            [
                (
                    "routes[0].event.occurred: found a time with an offset, expected a UTC time in whole seconds, "
                    "as 2024-01-31T23:59:59 or 2024-01-31T23:59:59Z"
                )
            ],
        ),
        ({"transform": "nodots"}, ["routes[0].transform: found 'nodots', expected package.module:function"]),
        (
            {"transform": f"{HERE}:not_a_function"},
            [
                (
                    f"routes[0].transform: found {HERE}:not_a_function, which cannot be called, "
                    "expected a function of the value and the record"
                )
            ],
        ),
    ],
)
def test_a_wrong_route_stops_the_start(settings: dict[str, Any], lines: list[str]) -> None:
    assert faults_of_settings(**settings) == lines


def test_a_transform_that_cannot_be_imported() -> None:
    (line,) = faults_of_settings(transform="no_such_package.module:f")
    assert line.startswith("routes[0].transform: found ModuleNotFoundError: No module named 'no_such_package'")
    (line,) = faults_of_settings(transform=f"{HERE}:missing")
    assert "AttributeError" in line


@pytest.mark.parametrize(
    "template",
    [
        event(occurred="2000-01-01T00:00:00"),
        event(occurred="2999-01-01 00:00:00Z"),
        event(user={"channel": "${{ c }}"}),
        event(user={"channel": "${{ a }}-${{ b }}"}),
        event(user="${{ u }}", body="${{ b }}"),
        event(body={"name": "${{ n }}", "value": "${{ v }}", "properties": "${{ p }}"}),
        event(body={"name": "order_${{ kind }}"}),
    ],
)
def test_what_a_message_decides_is_left_to_the_message(template: dict[str, Any]) -> None:
    compile_routes([RouteSettings(topics=["t"], event=template)], LIMITS)


def test_limits_of_the_settings_hold_for_literals() -> None:
    settings = RouteSettings(topics=["t"], event=event(body={"name": "abcdef"}))
    with pytest.raises(SettingsError) as refused:
        compile_routes([settings], ValidationSettings(name_length_max=3))
    assert refused.value.faults == (
        "routes[0].event.body.name: found a string of 6 characters, expected at most 3 characters",
    )


def test_all_routes_are_read_before_the_start_is_refused() -> None:
    wrong = [
        RouteSettings(topics=["t"], when="a ="),
        RouteSettings(topics=["t"]),
        RouteSettings(topics=["t"], for_each=")"),
    ]
    with pytest.raises(SettingsError) as refused:
        compile_routes(wrong, LIMITS)
    assert [line.split(":")[0] for line in refused.value.faults] == ["routes[0].when", "routes[2].for_each"]


def test_a_route_is_known_by_its_name_or_its_place() -> None:
    routes = compile_routes([RouteSettings(topics=["t"], name="sales"), RouteSettings(topics=["t"])], LIMITS)
    assert [route.label for route in routes] == ["sales", "routes[1]"]
