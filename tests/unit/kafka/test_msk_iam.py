"""Amazon MSK with IAM: what the clients are told, and the tokens that they get."""

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from confluent_kafka import Consumer, KafkaError

from connector.configuration.checks import cross_faults
from connector.kafka.msk_iam import tokens_for
from connector.kafka.properties import connection_properties, consumer_properties, producer_properties
from connector.settings import Settings


def settings_of(**kafka: Any) -> Settings:
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "b:9098", "group_id": "g", "msk_iam_region": "eu-west-1", **kafka},
            "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
            "routes": [{"topics": ["t"]}],
        }
    )


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-example")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.mark.usefixtures("credentials")
def test_a_token_is_a_signed_address_of_the_region_with_its_end_in_seconds() -> None:
    token, ends = tokens_for("eu-west-1")("")
    address = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert address.hostname == "kafka.eu-west-1.amazonaws.com"
    assert parse_qs(address.query)["Action"] == ["kafka-cluster:Connect"]
    assert time.time() + 600 < ends < time.time() + 1000


@pytest.mark.parametrize("properties_of", [consumer_properties, producer_properties, connection_properties])
def test_every_client_gets_tokens_over_tls(properties_of: Any) -> None:
    properties = properties_of(settings_of())
    assert properties["security.protocol"] == "SASL_SSL"
    assert properties["sasl.mechanism"] == "OAUTHBEARER"
    assert callable(properties["oauth_cb"])
    assert "oauth_cb" not in properties_of(settings_of(msk_iam_region=None))


@pytest.mark.usefixtures("credentials")
def test_the_client_takes_such_a_token() -> None:
    told: list[KafkaError] = []
    properties = consumer_properties(settings_of())
    asked: list[str] = []
    token = properties["oauth_cb"]

    def counted(configuration: str) -> Any:
        asked.append(configuration)
        return token(configuration)

    consumer = Consumer(
        {**properties, "bootstrap.servers": "127.0.0.1:1", "oauth_cb": counted, "error_cb": told.append}
    )
    try:
        deadline = time.monotonic() + 10
        while not asked and time.monotonic() < deadline:
            consumer.poll(0.1)
        consumer.poll(0.1)
    finally:
        consumer.close()
    assert asked
    assert not [error for error in told if error.code() == KafkaError._AUTHENTICATION]


def test_a_second_way_to_authenticate_beside_it_is_refused() -> None:
    settings = settings_of(properties={"sasl.mechanism": "PLAIN", "ssl.ca.location": "/x"})
    assert [path for path, _ in cross_faults(settings, set())] == [("kafka", "properties", "sasl.mechanism")]
