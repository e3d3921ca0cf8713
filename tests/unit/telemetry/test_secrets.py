"""No secret among the settings is forgotten."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from connector.settings import Settings
from connector.telemetry.secrets import secrets_of

SETTINGS: dict[str, Any] = {
    "kafka": {
        "bootstrap_servers": "kafka:9092",
        "group_id": "shop",
        "properties": {"sasl.username": "shop", "sasl.password": "s-kafka", "ssl.key.password": "s-key"},
    },
    "schema_registry": {
        "url": "http://registry:8081",
        "password": "s-registry",
        "bearer_token": "s-registry-token",
        "oauth": {"token_url": "http://id", "client_id": "shop", "client_secret": "s-registry-oauth"},
    },
    "airship": {
        "app_key": "s-app-key-000000000000",
        "auth": {"bearer_token": "s-token", "oauth": {"client_id": "shop", "client_secret": "s-oauth"}},
    },
    "routes": [{"topics": ["orders"]}],
    "dead_letters": {"properties": {"sasl.oauthbearer.client.secret": "s-dead-letters"}},
}


def test_every_secret_of_the_settings_is_found():
    found = {secret.get_secret_value() for secret in secrets_of(Settings.model_validate(SETTINGS))}
    assert found == {text for text in texts(SETTINGS) if text.startswith("s-")}


def test_the_example_has_every_secret_that_there_is():
    asked = sum(1 for kind in kinds(Settings) if SecretStr in (kind, *get_args(kind)))
    assert asked == len([text for text in texts(SETTINGS) if text.startswith("s-")]) - 3, "three are Kafka's properties"


def texts(tree: object) -> list[str]:
    match tree:
        case dict():
            return [text for item in tree.values() for text in texts(item)]
        case list():
            return [text for item in tree for text in texts(item)]
        case _:
            return [str(tree)]


def kinds(model: type[BaseModel]) -> list[Any]:
    """The types of all settings, those of sections among them."""
    found: list[Any] = []
    for field in model.model_fields.values():
        found.append(field.annotation)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found += kinds(kind)
    return found
