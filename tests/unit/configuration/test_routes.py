"""A fault in an expression or a template is told with its line, when the settings are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.configuration import load
from connector.errors import SettingsError
from tests.unit.configuration.documents import LEAST, changed, faults, loaded

HEAD = """\
kafka: {bootstrap_servers: "kafka:9092", group_id: orders}
airship: {app_key: AAAAAAAAAAAAAAAAAAAAAA, auth: {bearer_token: token}}
"""
ROUTES = """\
routes:
  - topics: [orders]
    when: "status =="
    event:
      user: {named_user_id: "${{ id }}"}
      body:
        name: purchased
        properties:
          a_b: "${{ no_such_function(x) }}"
          list:
            - ok
            - "${{ [ }}"
  - topics: [returns]
    transform: no_such_module:function
"""


def test_each_has_its_line(tmp_path: Path) -> None:
    told = [line.split(": ")[:2] for line in faults(HEAD + ROUTES, tmp_path)]
    assert told == [
        ["connector.yaml:5", "routes[0].when"],
        ["connector.yaml:11", "routes[0].event.body.properties.a_b"],
        ["connector.yaml:14", "routes[0].event.body.properties.list[1]"],
        ["connector.yaml:16", "routes[1].transform"],
    ]


def test_other_sections_do_not_hide_it_and_it_does_not_hide_them(tmp_path: Path) -> None:
    lines = faults(changed(routes__0__when="a ==", airship__region="uk"), tmp_path)
    assert sorted(line.split(": ")[1] for line in lines) == ["airship.region", "routes[0].when"]


def test_a_route_that_is_wrong_otherwise_is_told_first(tmp_path: Path) -> None:
    (line,) = faults(changed(routes__0__when="a ==", routes__0__format="xml"), tmp_path)
    assert line.startswith("connector.yaml:1: routes[0].format: ")


def test_a_fault_from_a_variable_names_the_variable() -> None:
    environ = {f"CONNECTOR__{name.upper()}": json.dumps(section) for name, section in LEAST.items()}
    environ["CONNECTOR__ROUTES"] = json.dumps([{"topics": ["a"], "when": "a =="}])
    with pytest.raises(SettingsError) as raised:
        load(None, environ, try_clients=False)
    (line,) = raised.value.faults
    assert line.startswith("CONNECTOR__ROUTES: routes[0].when: found ")


def test_a_route_that_is_right_is_taken(tmp_path: Path) -> None:
    event = {"user": {"named_user_id": "${{ id }}"}, "body": {"name": "purchased", "value": "${{ total }}"}}
    settings = loaded(changed(routes__0__when="status == 'paid'", routes__0__event=event), tmp_path)
    assert settings.routes[0].event == event
