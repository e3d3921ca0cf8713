"""A record on its route: which format, which schema, which fault."""

from __future__ import annotations

import zlib
from uuid import UUID

import pytest

from connector.decode.decoder import Decoded, Decoder
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import JsonSchema, SchemaUnknown, UnusableSchema
from connector.errors import DecodeError, SchemaPending
from tests.unit.decode.avro_bytes import long, text, usable
from tests.unit.decode.source_record import Record

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")
FINGERPRINT = bytes(range(8))
STRING = usable("string")


@pytest.fixture
def cache() -> SchemaCache:
    cache = SchemaCache()
    for schema in ("id:1", f"guid:{GUID}", f"glue:{GUID}", f"fingerprint:{FINGERPRINT.hex()}"):
        cache.found(schema, STRING)
    cache.found("id:2", JsonSchema())
    cache.found("id:3", UnusableSchema("a schema of the type PROTOBUF; Avro and JSON can be read"))
    return cache


def framed(number: int, payload: bytes) -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + payload


@pytest.mark.parametrize("route_format", ["auto", "avro"])
@pytest.mark.parametrize(
    ("record", "schema"),
    [
        (Record(framed(1, text("x"))), "id:1"),
        (Record(text("x"), [("__value_schema_id", b"\x01" + GUID.bytes)]), f"guid:{GUID}"),
        (Record(b"\x03\x00" + GUID.bytes + text("x")), f"glue:{GUID}"),
        (Record(b"\x03\x05" + GUID.bytes + zlib.compress(text("x"))), f"glue:{GUID}"),
        (Record(b"\xc3\x01" + FINGERPRINT + text("x")), f"fingerprint:{FINGERPRINT.hex()}"),
    ],
)
def test_avro_in_every_frame(cache, route_format, record, schema):
    decoder = Decoder(route_format, "confluent", cache)
    assert decoder.decode(record) == Decoded("x", schema)
    assert decoder.json_payload(record) is None


def test_apicurio_by_setting(cache):
    decoder = Decoder("auto", "apicurio-8-byte", cache)
    assert decoder.decode(Record(b"\x00" + (1).to_bytes(8, "big") + text("x"))) == Decoded("x", "id:1")


def test_the_payload_of_a_guid_may_begin_as_json_does(cache):
    payload = text("x" * 17)
    assert payload.startswith(b'"')
    record = Record(payload, [("__value_schema_id", b"\x01" + GUID.bytes)])
    assert Decoder("auto", "confluent", cache).decode(record).value == "x" * 17


@pytest.mark.parametrize("route_format", ["auto", "json"])
@pytest.mark.parametrize(
    "content", [b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}', framed(2, b'{"a": 1}'), framed(2, b'\xef\xbb\xbf{"a": 1}')]
)
def test_json_with_and_without_a_frame(cache, route_format, content):
    decoder = Decoder(route_format, "confluent", cache)
    decoded = decoder.decode(Record(content))
    assert decoded.value == {"a": 1}
    assert decoded.schema_id == ("id:2" if content[0] == 0 and route_format == "auto" else None)
    assert decoder.json_payload(Record(content)) == b'{"a": 1}'


def test_a_json_route_needs_no_registry():
    decoder = Decoder("json", "confluent", SchemaCache())
    assert decoder.decode(Record(framed(999, b"[1]"))) == Decoded([1], None)
    assert decoder.json_payload(Record(framed(999, b"[1]"))) == b"[1]"


@pytest.mark.parametrize("route_format", ["auto", "avro"])
def test_a_schema_not_known_yet_is_no_fault(route_format):
    cache = SchemaCache()
    decoder = Decoder(route_format, "confluent", cache)
    with pytest.raises(SchemaPending) as pending:
        decoder.decode(Record(framed(7, text("x"))))
    assert pending.value.wait.schema == "id:7"
    assert cache.wanted(0) == ["id:7"]
    if route_format == "auto":
        with pytest.raises(SchemaPending):
            decoder.json_payload(Record(framed(7, text("x"))))


def reject(decoder: Decoder, content: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as refused:
        decoder.decode(Record(content))
    return refused.value


def test_faults_carry_reason_and_schema(cache):
    auto = Decoder("auto", "confluent", cache)
    avro = Decoder("avro", "confluent", cache)
    cut = reject(avro, framed(1, long(5) + b"abc"))
    assert (cut.reason, cut.schema_id) == ("truncated", "id:1")
    more = reject(avro, framed(1, text("x") + b"!"))
    assert (more.reason, more.schema_id) == ("trailing_bytes", "id:1")
    protobuf = reject(auto, framed(3, b"\x00\x0a"))
    assert (protobuf.reason, protobuf.schema_id) == ("schema_not_usable", "id:3")
    assert "PROTOBUF" in str(protobuf)
    json_schema = reject(avro, framed(2, b"{}"))
    assert (json_schema.reason, json_schema.schema_id) == ("schema_not_usable", "id:2")
    not_json = reject(auto, framed(2, b"{"))
    assert (not_json.reason, not_json.schema_id) == ("not_json", "id:2")


def test_an_unknown_schema_names_who_was_asked(cache):
    decoder = Decoder("auto", "confluent", cache)
    with pytest.raises(SchemaPending):
        decoder.decode(Record(framed(9, b"")))
    cache.wanted(0)
    cache.answered("id:9", SchemaUnknown("the registry at http://registry:8081", final=True), 0)
    unknown = reject(decoder, framed(9, b""))
    assert (unknown.reason, unknown.schema_id) == ("unknown_schema", "id:9")
    assert "http://registry:8081" in str(unknown)


@pytest.mark.parametrize("content", [b'{"a": 1}', b" []", b"hello", b"\x01\x02", b""])
def test_an_avro_route_refuses_what_has_no_frame(cache, content):
    assert reject(Decoder("avro", "confluent", cache), content).reason == "wrong_framing"


@pytest.mark.parametrize("content", [b"hello", b"\x01\x02", b"", b"\xc3\x02"])
def test_an_auto_route_refuses_what_is_neither(cache, content):
    assert reject(Decoder("auto", "confluent", cache), content).reason == "wrong_framing"


@pytest.mark.parametrize("content", [b"hello", b"\x01\x02", b"", b"\xc3\x01" + bytes(9), framed(1, text("x"))])
def test_a_json_route_refuses_what_is_not_json(cache, content):
    assert reject(Decoder("json", "confluent", cache), content).reason == "not_json"
