"""One value that is wrong: what is said about it, and that nothing secret is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.configuration.catalogue import catalogue
from connector.configuration.faults import nearest
from connector.errors import SettingsError
from tests.unit.configuration.documents import LEAST, changed, faults, loaded

SECRET = "s3cr3t-VALUE-never-shown"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"kafka__bootstrap_servers": ..., "kafka__bootstrap_server": "kafka:9092"},
            "kafka.bootstrap_server: unknown key; did you mean kafka.bootstrap_servers?",
        ),
        ({"kafka__sasl.mechanism": "PLAIN"}, "kafka.sasl.mechanism: unknown key; did you mean "),
        ({"kafka__groupId": "a"}, "kafka.groupId: unknown key; did you mean kafka.group_id?"),
        ({"deliver": {}}, "deliver: unknown key; did you mean delivery?"),
        ({"linger_ms": 5}, "linger_ms: unknown key; did you mean delivery.batch.linger_ms?"),
        ({"routes__0__topic": "a"}, "routes[0].topic: unknown key; did you mean routes[0].topics?"),
        ({"log__qqqq": 1}, "log.qqqq: unknown key; expected one of format, level"),
        ({"airship__region": "uk"}, 'airship.region: found "uk", expected us or eu'),
        ({"delivery__requests_max": 0}, "delivery.requests_max: found 0, expected a whole number from 1 to 1000"),
        (
            {"delivery__requests_max": "many"},
            'delivery.requests_max: found "many", expected a whole number from 1 to 1000',
        ),
        (
            {"delivery__batch": {"events_max": 101}},
            "delivery.batch.events_max: found 101, expected a whole number from 1",
        ),
        (
            {"delivery__batch": {"bytes_max": "6MiB"}},
            'delivery.batch.bytes_max: found "6MiB", expected a size such as 4MiB from 1KiB to 5MiB',
        ),
        ({"delivery__batch": 5}, "delivery.batch: found a single value, expected a section of settings"),
        ({"dead_letters__rejects_share_max": 0}, "dead_letters.rejects_share_max: found 0, expected a number above 0"),
        ({"kafka__group_id": ""}, 'kafka.group_id: found "", expected text that is not empty'),
        ({"routes": {}}, "routes: found a mapping, expected a list of sections"),
        ({"routes__0__topics": "orders"}, "routes[0].topics: found a text of 6 characters, expected a list of texts"),
        ({"kafka__properties": {"a": [1]}}, "kafka.properties.a: found a list of one item, expected a text, a number"),
        ({"dead_letters__create": "perhaps"}, 'dead_letters.create: found "perhaps", expected true or false'),
        ({"kafka__group_id": ...}, "kafka.group_id: missing; expected text that is not empty (the consumer group"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    (line,) = faults(changed(**values), tmp_path)
    place, _, text = line.partition(": ")
    assert place in {"connector.yaml", "connector.yaml:1"}
    assert text.startswith(said)


def test_every_fault_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "kafka:\n"
        "  bootstrap_server: kafka:9092\n"
        "  group_id: ''\n"
        "airship:\n"
        "  region: uk\n"
        "  app_key: short\n"
        "  auth: {bearer_token: a, bearer_token_file: b}\n"
        "routes:\n"
        "  - topics: [orders]\n"
        "    format: avro\n"
        "delivery:\n"
        "  retry: {initial_ms: 500, max_ms: 100}\n"
    )
    places = [line.split(": ")[:2] for line in faults(text, tmp_path)]
    assert places == [
        ["connector.yaml:2", "kafka.bootstrap_server"],
        ["connector.yaml:3", "kafka.group_id"],
        ["connector.yaml:5", "airship.region"],
        ["connector.yaml:6", "airship.app_key"],
        ["connector.yaml:7", "airship.auth"],
        ["connector.yaml:10", "routes[0].format"],
        ["connector.yaml:12", "delivery.retry.initial_ms"],
    ]


@pytest.mark.parametrize("setting", [setting for setting in catalogue().values() if "[]" not in setting.path])
def test_every_setting_is_found_by_a_name_that_is_nearly_its_own(setting: Any) -> None:
    name = setting.path[-1]
    if len(name) > 4:
        assert nearest(setting.path[:-1], name[:2] + name[3:]) == setting.name


wrong = st.one_of(
    st.just(SECRET),
    st.just([SECRET]),
    st.just({"a": SECRET}),
    st.just({"client_secret": [SECRET]}),
)
closed = {"section", "sections", "list", "properties", "template", "secret"}
places = st.sampled_from([setting.path for setting in catalogue().values() if setting.kind in closed])


@given(path=places, value=wrong, by=st.sampled_from(["file", "variable"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_a_secret_is_not_quoted_wherever_it_stands(path: tuple[str, ...], value: Any, by: str, tmp_path: Path) -> None:
    """In its own place, in the place of a section or a list, with the wrong type."""
    document: Any = json.loads(json.dumps(LEAST))
    environ = {}
    if by == "variable":
        text = value if isinstance(value, str) else json.dumps(value)
        environ = {"CONNECTOR__" + "__".join(path).upper().replace("[]", "0"): text}
    else:
        node: Any = document
        for step in path[:-1]:
            node = node[0] if step == "[]" else node.setdefault(step, {})
        node[path[-1]] = value
    told = ""
    try:
        loaded(document, tmp_path, environ)
    except SettingsError as error:
        told = str(error)
    assert SECRET not in told


@pytest.mark.parametrize(
    "values",
    [
        {"airship__app_key": SECRET},
        {"airship__app_key": [SECRET]},
        {"airship__auth": SECRET},
        {"airship__auth": {"bearer_token": {"x": SECRET}}},
        {"airship__auth": {"oauth": SECRET}},
        {"airship__auth": {"bearer_token": SECRET + " " + SECRET}},
        {"airship__proxy": f"http://me:{SECRET}@"},
        {"kafka__properties": {"sasl.password": [SECRET]}},
        {"kafka__properties": {"sasl.pasword": SECRET}},
        {"schema_registry": {"url": f"http://me:{SECRET}@registry"}},
        {"schema_registry": {"url": "http://registry", "username": "me", "password": SECRET, "bearer_token": SECRET}},
    ],
)
def test_a_known_place_of_a_secret_shows_nothing_of_it(values: dict[str, Any], tmp_path: Path) -> None:
    told = faults(changed(**values), tmp_path, try_clients=True)
    assert SECRET not in "\n".join(told)


def test_the_settings_can_be_shown(tmp_path: Path) -> None:
    shown = loaded(changed(airship__auth={"bearer_token": SECRET}), tmp_path)
    assert SECRET not in repr(shown)
    assert SECRET not in shown.model_dump_json()
