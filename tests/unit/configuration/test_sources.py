"""Where settings come from: environment over secrets over file, and where each fault is said to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.configuration import load
from connector.errors import SettingsError
from tests.unit.configuration.documents import APP_KEY, LEAST, changed, faults, loaded

EXPECTED_KEY = "expected 22 letters, digits, `_` or `-`"


def secrets(tmp_path: Path, **values: str | bytes) -> dict[str, str]:
    """A directory of secrets and the variable that names it."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    for name, value in values.items():
        (directory / name).write_bytes(value if isinstance(value, bytes) else value.encode())
    return {"CONNECTOR_SECRETS_DIR": str(directory)}


def test_a_file_alone_is_enough(tmp_path: Path) -> None:
    settings = loaded(LEAST, tmp_path)
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.airship.app_key.get_secret_value() == APP_KEY
    assert settings.routes[0].topics == ["orders"]
    assert settings.delivery.batch.events_max == 100


def test_the_environment_alone_is_enough() -> None:
    settings = load(
        None,
        {
            "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": "kafka:9092",
            "CONNECTOR__KAFKA__GROUP_ID": "orders",
            "CONNECTOR__AIRSHIP__APP_KEY": APP_KEY,
            "CONNECTOR__AIRSHIP__AUTH": '{"oauth": {"client_id": "id", "client_secret": "hidden"}}',
            "CONNECTOR__ROUTES": json.dumps([{"topics": ["orders"], "format": "json"}]),
            "CONNECTOR__DELIVERY__DRAIN_MS": "5000",
            "CONNECTOR__DELIVERY__BATCH__BYTES_MAX": "1MiB",
            "CONNECTOR__DELIVERY__RATE_LIMIT__EVENTS_PER_SECOND": "12.5",
            "CONNECTOR__DEAD_LETTERS__CREATE": "false",
        },
        try_clients=False,
    )
    assert settings.airship.auth.oauth is not None
    assert settings.routes[0].format == "json"
    assert settings.delivery.drain_ms == 5000
    assert settings.delivery.batch.bytes_max == 1 << 20
    assert settings.delivery.rate_limit.events_per_second == 12.5
    assert settings.dead_letters.create is False


def test_the_environment_wins_over_secrets_and_these_over_the_file(tmp_path: Path) -> None:
    environ = secrets(tmp_path, kafka__group_id="secret", airship__app_key="S" * 22)
    settings = loaded(changed(kafka__group_id="file"), tmp_path, environ)
    assert settings.kafka.group_id == "secret"
    assert settings.airship.app_key.get_secret_value() == "S" * 22
    settings = loaded(changed(kafka__group_id="file"), tmp_path, environ | {"CONNECTOR__KAFKA__GROUP_ID": "variable"})
    assert settings.kafka.group_id == "variable"


def test_sections_are_joined_and_lists_replaced(tmp_path: Path) -> None:
    settings = loaded(
        changed(delivery={"batch": {"events_max": 10, "linger_ms": 7}}, routes=[{"topics": ["a"]}, {"topics": ["b"]}]),
        tmp_path,
        {"CONNECTOR__DELIVERY__BATCH__EVENTS_MAX": "20", "CONNECTOR__ROUTES": '[{"topics": ["c"]}]'},
    )
    assert (settings.delivery.batch.events_max, settings.delivery.batch.linger_ms) == (20, 7)
    assert [route.topics for route in settings.routes] == [["c"]]


def test_the_more_exact_variable_wins() -> None:
    environ = {
        "CONNECTOR__KAFKA": '{"bootstrap_servers": "kafka:9092", "group_id": "whole"}',
        "CONNECTOR__KAFKA__GROUP_ID": "exact",
        "CONNECTOR__AIRSHIP": json.dumps(LEAST["airship"]),
        "CONNECTOR__ROUTES": json.dumps(LEAST["routes"]),
    }
    for order in (environ, dict(reversed(environ.items()))):
        assert load(None, order, try_clients=False).kafka.group_id == "exact"


def test_a_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    settings = loaded(
        LEAST, tmp_path, {"CONNECTOR__KAFKA__GROUP_ID": "007", "CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN": "true"}
    )
    assert settings.kafka.group_id == "007"
    assert settings.airship.auth.bearer_token is not None
    assert settings.airship.auth.bearer_token.get_secret_value() == "true"


def test_a_librdkafka_property_has_underscores_for_its_dots(tmp_path: Path) -> None:
    settings = loaded(
        LEAST,
        tmp_path,
        secrets(tmp_path, **{"kafka__properties__sasl.password": "hidden"})
        | {"CONNECTOR__KAFKA__PROPERTIES__SASL_USERNAME": "me"},
    )
    assert settings.kafka.properties == {"sasl.password": "hidden", "sasl.username": "me"}


def test_a_secret_ends_before_its_line_end(tmp_path: Path) -> None:
    settings = loaded(changed(airship__app_key=...), tmp_path, secrets(tmp_path, airship__app_key=f"{APP_KEY}\r\n"))
    assert settings.airship.app_key.get_secret_value() == APP_KEY


def test_a_mounted_secret_with_its_links_is_read(tmp_path: Path) -> None:
    """As a cluster mounts it: `..data` is a link to a hidden directory, and the names are links through it."""
    environ = secrets(tmp_path)
    directory = tmp_path / "secrets"
    (directory / "..2026").mkdir()
    (directory / "..2026" / "airship__app_key").write_text(APP_KEY)
    (directory / "..data").symlink_to("..2026")
    (directory / "airship__app_key").symlink_to("..data/airship__app_key")
    (directory / "notes.txt").write_text("somebody else's")
    assert loaded(changed(airship__app_key=...), tmp_path, environ).airship.app_key.get_secret_value() == APP_KEY


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "found bytes that are not UTF-8, expected text"),
        (b"x" * (64 * 1024 + 1), "found more than 65536 bytes, expected a secret"),
    ],
)
def test_a_secret_that_is_none_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    lines = faults(LEAST, tmp_path, secrets(tmp_path, airship__app_key=content))
    assert f"secrets/airship__app_key: {said}" in lines


def test_a_directory_that_is_none_is_told(tmp_path: Path) -> None:
    (line,) = faults(LEAST, tmp_path, {"CONNECTOR_SECRETS_DIR": str(tmp_path / "gone")})
    assert line == "CONNECTOR_SECRETS_DIR: gone cannot be read: No such file or directory; expected a directory"


def test_a_fault_names_the_source_of_its_value(tmp_path: Path) -> None:
    environ = secrets(tmp_path, airship__app_key="short") | {"CONNECTOR__DELIVERY__DRAIN_MS": "soon"}
    lines = faults(changed(airship__region="mars"), tmp_path, environ)
    assert lines == [
        'connector.yaml:1: airship.region: found "mars", expected us or eu',
        f"secrets/airship__app_key: airship.app_key: found a text of 5 characters, {EXPECTED_KEY}",
        'CONNECTOR__DELIVERY__DRAIN_MS: delivery.drain_ms: found "soon", expected a whole number, at least 0',
    ]


def test_a_section_with_nothing_in_it_has_its_defaults(tmp_path: Path) -> None:
    lines = [f"{name}: {json.dumps(section)}" for name, section in changed(kafka__properties=None).items()]
    settings = loaded("\n".join([*lines, "log:", "delivery:", "  batch:", ""]), tmp_path)
    assert settings.kafka.properties == {}
    assert settings.log.level == "info"
    assert settings.delivery.batch.events_max == 100


def test_a_fault_of_a_section_made_of_variables_names_one_of_them(tmp_path: Path) -> None:
    environ = {"CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN": "a", "CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN_FILE": "b"}
    (line,) = faults(changed(airship__auth=...), tmp_path, environ)
    assert line.startswith(
        "CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN: airship.auth: found bearer_token and bearer_token_file"
    )


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("CONNECTOR__ROUTES", "[{", "routes: found text that is not JSON, expected a list of sections, as JSON"),
        (
            "CONNECTOR__ROUTES__0__WHEN",
            "a",
            "routes: found an item of a list, expected the whole list as JSON in CONNECTOR__ROUTES",
        ),
        ("CONNECTOR__KAFKA__GROUPID", "a", "kafka.groupid: unknown key; did you mean kafka.group_id?"),
    ],
)
def test_a_variable_that_cannot_be_used_is_told(variable: str, text: str, said: str, tmp_path: Path) -> None:
    assert faults(LEAST, tmp_path, {variable: text}) == [f"{variable}: {said}"]


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    loaded(LEAST, tmp_path, {"CONNECTOR_VERSION": "1", "CONNECTOR_PORT_80_TCP": "tcp://10.0.0.1", "KAFKA__X": "y"})


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    loaded(LEAST, tmp_path)
    settings = load(None, {"CONNECTOR_CONFIG": str(tmp_path / "connector.yaml")}, try_clients=False)
    assert settings.kafka.group_id == "airship-connector"


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"- a\n", b"text", b"\xff", b"kafka: [", b"kafka: {}\nkafka: {}"]
)
def test_a_file_without_sections_is_told_once(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "connector.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load(file, {})
    if content != b"kafka: {}\nkafka: {}":
        assert len(raised.value.faults) == 1
    assert raised.value.faults[0].startswith(str(file))


def test_a_file_that_cannot_be_read_hides_no_fault_behind_others(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, {"CONNECTOR__KAFKA__GROUP_ID": ""})
    assert raised.value.faults == (f"{tmp_path}: cannot be read: Is a directory",)
