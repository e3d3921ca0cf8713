"""The look-up and the decoder against a real registry, with what a real serializer writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from connector.decode.decoder import Decoded, Decoder
from connector.decode.registry import RegistryLookup
from connector.decode.schema_cache import LookupLimits, SchemaCache
from connector.decode.schemas import AvroSchema, JsonSchema, SchemaUnknown, UnusableSchema, ask
from connector.errors import DecodeError, RegistryUnavailable, SchemaPending
from connector.settings import SchemaRegistrySettings
from tests.support.registry import Registry
from tests.unit.decode.source_record import Record


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def lookup(registry: Registry) -> Iterator[RegistryLookup]:
    opened = RegistryLookup(SchemaRegistrySettings(url=registry.url, timeout_ms=15_000))
    yield opened
    opened.close()


@pytest.fixture
def subject() -> str:
    return f"orders-{uuid4().hex}"


def record(name: str, *fields: tuple[str, Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": "shop",
        "fields": [{"name": field, "type": kind} for field, kind in fields],
    }


ORDER = record(
    "Order",
    ("id", "string"),
    ("total", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}),
    ("created", {"type": "long", "logicalType": "timestamp-millis"}),
    ("note", ["null", "string"]),
)
VALUE = {
    "id": "o-1",
    "total": Decimal("239.85"),
    "created": datetime(2024, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    "note": None,
}
DECODED = {"id": "o-1", "total": Decimal("239.85"), "created": "2024-01-02T03:04:05.678Z", "note": None}


def serialized(registry: Registry, schema: Any, value: Any, topic: str) -> bytes:
    """By Confluent's own serializer, which registers the schema."""
    with SchemaRegistryClient({"url": registry.url, "timeout": 15}) as client:
        framed = AvroSerializer(client, json.dumps(schema))(value, SerializationContext(topic, MessageField.VALUE))
    assert isinstance(framed, bytes)
    return framed


def decoded(content: bytes, lookup: RegistryLookup, **route: Any) -> Decoded:
    """As the loop does it: stop in front of the record, look the schema up, go on."""
    cache = SchemaCache(LookupLimits(recheck_seconds=1))
    decoder = Decoder(route.get("format", "auto"), route.get("framing", "confluent"), cache)
    for now in (0.0, 1.0):
        try:
            return decoder.decode(Record(content))
        except SchemaPending:
            for schema in cache.wanted(now):
                cache.answered(schema, ask(lookup, schema), now)
    return decoder.decode(Record(content))


@pytest.mark.parametrize("route_format", ["auto", "avro"])
def test_what_a_real_serializer_writes_is_read(registry, lookup, subject, route_format):
    content = serialized(registry, ORDER, VALUE, subject)
    value, schema = decoded(content, lookup, format=route_format)
    assert value == DECODED
    assert schema == f"id:{int.from_bytes(content[1:5], 'big')}"


def test_each_message_is_read_with_the_schema_that_wrote_it(registry, lookup, subject):
    later = record("Order", *((f["name"], f["type"]) for f in ORDER["fields"]))
    later["fields"].append({"name": "channel", "type": ["null", "string"], "default": None})
    old = serialized(registry, ORDER, VALUE, subject)
    new = serialized(registry, later, {**VALUE, "channel": "web"}, subject)
    assert old[:5] != new[:5]
    assert decoded(old, lookup).value == DECODED
    assert decoded(new, lookup).value == {**DECODED, "channel": "web"}


def test_references_of_references(registry, lookup, subject):
    registry.register(f"{subject}-zip", {"type": "fixed", "name": "Zip", "namespace": "geo", "size": 2})
    zip_reference = {"name": "geo.Zip", "subject": f"{subject}-zip", "version": 1}
    registry.register(f"{subject}-customer", record("Customer", ("zip", "geo.Zip")), [zip_reference])
    customer_reference = {"name": "shop.Customer", "subject": f"{subject}-customer", "version": 1}
    number = registry.register(subject, record("Order", ("buyer", "Customer")), [customer_reference])
    assert decoded(b"\x00" + number.to_bytes(4, "big") + b"ab", lookup).value == {"buyer": {"zip": "YWI="}}


def test_json_schema_framing(registry, lookup, subject):
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "title": subject}
    number = registry.register(subject, schema, schema_type="JSON")
    assert lookup.fetch(f"id:{number}") == JsonSchema()
    assert decoded(b"\x00" + number.to_bytes(4, "big") + b'{"a": 1}', lookup) == Decoded({"a": 1}, f"id:{number}")


def test_apicurios_own_framing(registry, lookup, subject):
    content = serialized(registry, ORDER, VALUE, subject)
    legacy = b"\x00" + bytes(4) + content[1:]
    assert decoded(legacy, lookup, framing="apicurio-8-byte").value == DECODED


def test_protobuf_is_refused_with_a_reason(registry, lookup, subject):
    number = registry.register(subject, 'syntax = "proto3"; message Order { string id = 1; }', schema_type="PROTOBUF")
    assert isinstance(lookup.fetch(f"id:{number}"), UnusableSchema)
    with pytest.raises(DecodeError) as refused:
        decoded(b"\x00" + number.to_bytes(4, "big") + b"\x00\x0a\x01x", lookup)
    assert refused.value.reason == "schema_not_usable"
    assert "PROTOBUF" in str(refused.value)


def test_an_id_that_does_not_exist_is_a_reject_after_the_recheck(lookup):
    with pytest.raises(DecodeError) as refused:
        decoded(b"\x00\x7f\xff\xff\xff\x00", lookup)
    assert refused.value.reason == "unknown_schema"
    assert refused.value.schema_id == "id:2147483647"


def test_a_schema_that_is_registered_before_the_recheck_is_found(registry, lookup, subject):
    cache = SchemaCache(LookupLimits(recheck_seconds=1))
    decoder = Decoder("auto", "confluent", cache)
    content = serialized(registry, ORDER, VALUE, subject)
    known = int.from_bytes(content[1:5], "big")
    cache_name = f"id:{known}"
    with pytest.raises(SchemaPending):
        decoder.decode(Record(content))
    assert cache.wanted(0) == [cache_name]
    cache.answered(cache_name, SchemaUnknown("a follower that lags"), 0)
    with pytest.raises(SchemaPending):
        decoder.decode(Record(content))
    (again,) = cache.wanted(1)
    cache.answered(again, ask(lookup, again), 1)
    assert decoder.decode(Record(content)).value == DECODED


def test_the_probe_and_a_wrong_path(registry, lookup):
    assert lookup.probe() == f"the registry at {registry.url} answers"
    wrong = RegistryLookup(SchemaRegistrySettings(url=registry.url.removesuffix("/apis/ccompat/v7")))
    try:
        with pytest.raises(RegistryUnavailable, match="check the path"):
            wrong.probe()
    finally:
        wrong.close()


def test_a_registry_without_look_up_by_guid_says_so(lookup):
    with pytest.raises(RegistryUnavailable, match="GUID"):
        lookup.fetch(f"guid:{uuid4()}")


def test_a_registry_that_hangs_is_systemic_and_heals(registry, lookup, subject):
    number = registry.register(subject, ORDER)
    hasty = RegistryLookup(SchemaRegistrySettings(url=registry.url, timeout_ms=500))
    try:
        registry.process.freeze()
        try:
            assert isinstance(ask(hasty, f"id:{number}"), RegistryUnavailable)
        finally:
            registry.process.thaw()
        assert isinstance(lookup.fetch(f"id:{number}"), AvroSchema)
    finally:
        hasty.close()
