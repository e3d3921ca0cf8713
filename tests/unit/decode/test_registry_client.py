"""What each answer of a registry, and each missing one, is taken for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connector.decode.avro_values import avro_value
from connector.decode.registry import REFERENCES_MAX, RegistryLookup
from connector.decode.schemas import AvroSchema, JsonSchema, SchemaUnknown, UnusableSchema
from connector.errors import RegistryUnavailable, SettingsError
from connector.settings import SchemaRegistrySettings
from tests.support.registry_stub import Fault, RegistryStub, basic, registry_stub
from tests.unit.decode.avro_bytes import long, text
from tests.unit.decode.certificates import Authority, server_context

GUID = "89791762-2336-4186-9674-299b90a802e2"
STRING = {"schema": '"string"'}


@contextmanager
def lookup(url: str, **settings: Any) -> Iterator[RegistryLookup]:
    registry = RegistryLookup(SchemaRegistrySettings(url=url, **{"timeout_ms": 5_000, **settings}))
    try:
        yield registry
    finally:
        registry.close()


@pytest.fixture
def stub() -> Iterator[RegistryStub]:
    with registry_stub() as running:
        yield running


def refused(registry: RegistryLookup, schema: str = "id:1") -> str:
    with pytest.raises(RegistryUnavailable) as unavailable:
        registry.fetch(schema)
    return str(unavailable.value)


def test_schemas_by_id_and_by_guid(stub):
    stub.schemas = {"1": STRING, "2": {"schema": "{}", "schemaType": "JSON"}, GUID: {"schema": '"int"', "guid": GUID}}
    with lookup(stub.url + "/") as registry:
        by_id = registry.fetch("id:1")
        assert isinstance(by_id, AvroSchema)
        assert avro_value(by_id, text("x")) == "x"
        assert registry.fetch("id:2") == JsonSchema()
        by_guid = registry.fetch(f"guid:{GUID}")
        assert isinstance(by_guid, AvroSchema)
        assert avro_value(by_guid, long(3)) == 3


def test_what_cannot_be_read_with_says_why(stub):
    stub.schemas = {
        "1": {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"},
        "2": {"schema": '{"type": "record"}'},
    }
    with lookup(stub.url) as registry:
        protobuf = registry.fetch("id:1")
        assert isinstance(protobuf, UnusableSchema)
        assert "PROTOBUF" in protobuf.why
        assert isinstance(registry.fetch("id:2"), UnusableSchema)


def test_only_a_registrys_own_code_says_that_a_schema_does_not_exist(stub):
    with lookup(stub.url) as registry:
        unknown = registry.fetch("id:1")
        assert unknown == SchemaUnknown(f"the registry at {stub.url}")
        stub.schemas["1"] = STRING
        assert isinstance(registry.fetch("id:1"), AvroSchema), "a miss is not remembered"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"<html>no such page</html>", "check the path"),
        (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}', "check the path"),
        (404, b"", "check the path"),
        (401, b'{"error_code": 401, "message": "Unauthorized"}', "refuses the credentials"),
        (403, b"", "refuses the credentials"),
        (301, b"", "301"),
        (429, b"", "429"),
        (500, b'{"error_code": 50001, "message": "store"}', "500: store"),
        (503, b"x" * 100_000, "503"),
        (200, b"<html>hello</html>", "something else than a schema"),
        (200, b"[]", "something else than a schema"),
        (200, b"{}", "something else than a schema"),
        (200, b'{"schema": 3}', "something else than a schema"),
        (200, b'{"schema": "\\"int\\"", "references": 3}', "something else than a schema"),
        (204, b"", "something else than a schema"),
    ],
)
def test_every_other_answer_is_systemic(stub, status, body, said):
    stub.fault = Fault(status, body)
    with lookup(stub.url) as registry:
        text_of_it = refused(registry)
        assert said in text_of_it
        assert stub.url in text_of_it
        assert len(text_of_it) < 500
        assert len(stub.requests) == 1, "the back-off is the cache's, not the client's"


def test_a_registry_without_guids_is_named_as_such(stub):
    stub.fault = Fault(404, b"")
    with lookup(stub.url) as registry:
        assert "GUID" in refused(registry, f"guid:{GUID}")


def test_a_registry_that_does_not_answer_in_time(stub):
    stub.fault = Fault(hang=True)
    with lookup(stub.url, timeout_ms=200) as registry:
        started = time.monotonic()
        assert "does not answer" in refused(registry)
        assert time.monotonic() - started < 3


def test_a_registry_that_is_down_and_comes_back():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with lookup(f"http://127.0.0.1:{port}") as registry:
        assert "does not answer: ConnectError" in refused(registry)


def test_the_next_address_is_asked_where_one_is_down(stub):
    stub.schemas["1"] = STRING
    with socket.create_server(("127.0.0.1", 0)) as held:
        down = f"http://127.0.0.1:{held.getsockname()[1]}"
    with lookup(f"{down}, {stub.url}") as registry:
        assert isinstance(registry.fetch("id:1"), AvroSchema)


def test_references_are_fetched_with_theirs(stub):
    stub.schemas["1"] = {
        "schema": json.dumps(
            {"type": "record", "name": "a.A", "fields": [{"name": "b", "type": "b.B"}, {"name": "c", "type": "c.C"}]}
        ),
        "references": [{"name": "b.B", "subject": "b", "version": 1}, {"name": "c.C", "subject": "c/x", "version": 2}],
    }
    stub.versions["b", 1] = {
        "schema": json.dumps({"type": "record", "name": "b.B", "fields": [{"name": "c", "type": "c.C"}]}),
        "references": [{"name": "c.C", "subject": "c/x", "version": 2}],
    }
    stub.versions["c%2Fx", 2] = {"schema": json.dumps({"type": "enum", "name": "c.C", "symbols": ["X", "Y"]})}
    with lookup(stub.url) as registry:
        schema = registry.fetch("id:1")
    assert isinstance(schema, AvroSchema), schema
    assert avro_value(schema, long(1) + long(0)) == {"b": {"c": "Y"}, "c": "X"}
    assert len(stub.requests) == 3, "each reference once"


def test_a_missing_reference_is_an_unknown_schema(stub):
    stub.schemas["1"] = {"schema": '"x.Y"', "references": [{"name": "x.Y", "subject": "gone", "version": 1}]}
    with lookup(stub.url) as registry:
        assert isinstance(registry.fetch("id:1"), SchemaUnknown)


def test_references_in_a_circle_and_without_end_are_bounded(stub):
    circle = {"schema": '"string"', "references": [{"name": "x", "subject": "circle", "version": 1}]}
    stub.schemas["1"] = stub.versions["circle", 1] = circle
    for number in range(REFERENCES_MAX + 2):
        endless = {"schema": '"string"', "references": [{"name": "x", "subject": "endless", "version": number + 1}]}
        stub.versions["endless", number] = stub.schemas["2"] = endless
    stub.schemas["2"] = stub.versions["endless", 0]
    with lookup(stub.url) as registry:
        assert isinstance(registry.fetch("id:1"), AvroSchema)
        assert "references" in refused(registry, "id:2")


def test_basic_credentials(stub):
    stub.schemas["1"] = STRING
    stub.authorization = basic("hugh", "pass:word")
    with lookup(stub.url, username="hugh", password="pass:word") as registry:
        assert isinstance(registry.fetch("id:1"), AvroSchema)
    with lookup(stub.url, username="hugh", password="wrong") as registry:
        said = refused(registry)
        assert "refuses the credentials (401)" in said
        assert "wrong" not in said
    with lookup(stub.url.replace("http://", "http://hugh:pass%3Aword@")) as registry:
        assert isinstance(registry.fetch("id:1"), AvroSchema)
        stub.fault = Fault(500, b"")
        assert "pass" not in refused(registry)


def test_bearer_token_and_confluent_clouds_headers(stub):
    stub.schemas["1"] = STRING
    stub.authorization = "Bearer t0ken"
    with lookup(stub.url, bearer_token="t0ken") as registry:
        assert isinstance(registry.fetch("id:1"), AvroSchema)
    with lookup(stub.url, bearer_token="t0ken", logical_cluster="lsrc-1", identity_pool="pool-1") as registry:
        registry.fetch("id:1")
    headers = stub.requests[-1][1]
    assert headers["target-sr-cluster"] == "lsrc-1"
    assert headers["confluent-identity-pool-id"] == "pool-1"


def oauth(url: str) -> dict[str, Any]:
    return {"oauth": {"token_url": f"{url}/token", "client_id": "me", "client_secret": "s3cret", "scope": "read"}}


def test_oauth_fetches_a_token_once_and_a_new_one_after_a_401(stub):
    stub.schemas["1"] = STRING
    stub.tokens = ["one", "two"]
    stub.authorization = "Bearer one"
    with lookup(stub.url, **oauth(stub.url)) as registry:
        registry.fetch("id:1")
        registry.fetch("id:1")
        assert len(stub.token_requests) == 1
        assert stub.token_requests[0]["grant_type"] == ["client_credentials"]
        assert stub.token_requests[0]["scope"] == ["read"]
        stub.authorization = "Bearer two"
        assert "401" in refused(registry)
        assert isinstance(registry.fetch("id:1"), AvroSchema)
        assert len(stub.token_requests) == 2


def test_oauth_without_a_token_is_systemic_and_keeps_the_secret(stub):
    with lookup(stub.url, **oauth(stub.url)) as registry:
        said = refused(registry)
    assert "no token" in said
    assert "s3cret" not in said


def test_tls_is_verified_with_the_own_authority(tmp_path):
    authority = Authority(tmp_path)
    with registry_stub(server_context(authority.pair("server")), schemas={"1": STRING}) as stub:
        with lookup(stub.url, ca_file=str(authority.file)) as registry:
            assert isinstance(registry.fetch("id:1"), AvroSchema)
        with lookup(stub.url) as registry:
            assert "CERTIFICATE_VERIFY_FAILED" in refused(registry)


def test_mutual_tls(tmp_path):
    authority = Authority(tmp_path)
    client = authority.pair("client")
    context = server_context(authority.pair("server"), authority.file)
    files = {"ca_file": str(authority.file), "certificate_file": str(client.certificate), "key_file": str(client.key)}
    with registry_stub(context, schemas={"1": STRING}) as stub:
        with lookup(stub.url, **files) as registry:
            assert isinstance(registry.fetch("id:1"), AvroSchema)
        with lookup(stub.url, ca_file=str(authority.file)) as registry:
            assert "does not answer" in refused(registry)


def test_probe_says_what_answers(stub):
    with lookup(stub.url) as registry:
        assert registry.probe() == f"the registry at {stub.url} answers"
        stub.fault = Fault(404, b"")
        with pytest.raises(RegistryUnavailable):
            registry.probe()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "registry:8081"}, "expected http:// or https://"),
        ({"url": "mock://x"}, "expected http:// or https://"),
        ({"url": "http://a, "}, "expected http:// or https://"),
        ({"url": "http://a", "ca_file": "/no/such/file"}, "ca_file: found no file /no/such/file"),
        ({"url": "http://a", "key_file": __file__}, "without certificate_file"),
        ({"url": "http://a", "certificate_file": __file__}, "is not what it should be"),
        ({"url": "http://a", "ca_file": __file__}, "is not what it should be"),
        ({"url": "http://a", "username": "u", "bearer_token": "t"}, "one way to authenticate"),
        ({"url": "http://u:p@a", "username": "u", "password": "s3cret"}, "schema_registry: "),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(SettingsError) as faulty:
        RegistryLookup(SchemaRegistrySettings(**settings))
    assert said in str(faulty.value)
    assert "s3cret" not in str(faulty.value)
