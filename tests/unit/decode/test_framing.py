"""Every row of the framing table, and what is no row of it."""

from __future__ import annotations

import tracemalloc
import zlib
from uuid import UUID

import pytest
from confluent_kafka.schema_registry.serde import SchemaId

from connector.decode.framing import UNPACKED_BYTES_MAX, unframe, unframe_json
from connector.errors import DecodeError

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")
CONFLUENT = 4
APICURIO = 8


@pytest.mark.parametrize(
    ("value", "headers", "id_size", "framed"),
    [
        (b"\x00\x00\x00\x00\x2apayload", None, CONFLUENT, ("id:42", b"payload")),
        (b"\x00\xff\xff\xff\xffx", None, CONFLUENT, ("id:4294967295", b"x")),
        (b"\x00\x00\x00\x00\x01", [], CONFLUENT, ("id:1", b"")),
        (b"\x00\x00\x00\x00\x00\x00\x00\x00\x2apayload", None, APICURIO, ("id:42", b"payload")),
        (b"payload", [("__value_schema_id", b"\x01" + GUID.bytes)], CONFLUENT, (f"guid:{GUID}", b"payload")),
        (b"{}", [("__value_schema_id", b"\x01" + GUID.bytes)], CONFLUENT, (f"guid:{GUID}", b"{}")),
        (
            b"\x00abc",
            [("a", b"b"), ("__value_schema_id", b"\x00\x00\x00\x00\x07")],
            CONFLUENT,
            ("id:7", b"\x00abc"),
        ),
        (b"\x03\x00" + GUID.bytes + b"payload", None, CONFLUENT, (f"glue:{GUID}", b"payload")),
        (b"\x03\x05" + GUID.bytes + zlib.compress(b"payload"), None, CONFLUENT, (f"glue:{GUID}", b"payload")),
        (b"\xc3\x01\x01\x23\x45\x67\x89\xab\xcd\xefx", None, CONFLUENT, ("fingerprint:0123456789abcdef", b"x")),
        (b'{"a": 1}', [("__key_schema_id", b"?")], CONFLUENT, (None, b'{"a": 1}')),
        (b"[]", None, CONFLUENT, (None, b"[]")),
        (b" \r\n\t{}", None, CONFLUENT, (None, b" \r\n\t{}")),
        (b'"text"', None, CONFLUENT, (None, b'"text"')),
        (b"-1", None, CONFLUENT, (None, b"-1")),
        (b"null", None, CONFLUENT, (None, b"null")),
        (b"\xef\xbb\xbf{}", None, CONFLUENT, (None, b"{}")),
    ],
)
def test_frame_is_told_by_headers_and_first_bytes(value, headers, id_size, framed):
    assert unframe(value, headers, id_size) == framed


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"", None, "wrong_framing"),
        (b"\x01\x00\x00\x00\x2apayload", None, "wrong_framing"),
        (b"hello", None, "wrong_framing"),
        (b"\xc3\x02\x00", None, "wrong_framing"),
        (b"\xff\xfe{\x00}\x00", None, "wrong_framing"),
        (b"\x00\x00\x00\x2a", None, "truncated"),
        (b"\x00", None, "truncated"),
        (b"\x03", None, "truncated"),
        (b"\x03\x00" + GUID.bytes[:15], None, "truncated"),
        (b"\xc3\x01\x01\x23", None, "truncated"),
        (b"\x03\x07" + GUID.bytes + b"payload", None, "wrong_framing"),
        (b"\x03\x05" + GUID.bytes + b"not zlib", None, "wrong_framing"),
        (b"\x03\x05" + GUID.bytes + zlib.compress(b"payload")[:-2], None, "truncated"),
        (b"\x03\x05" + GUID.bytes + zlib.compress(b"payload") + b"more", None, "trailing_bytes"),
        (b"payload", [("__value_schema_id", None)], "wrong_framing"),
        (b"payload", [("__value_schema_id", b"\x01" + GUID.bytes[1:])], "wrong_framing"),
        (b"payload", [("__value_schema_id", b"\x02" + GUID.bytes)], "wrong_framing"),
    ],
)
def test_what_is_no_frame_has_a_reason_of_its_own(value, headers, reason):
    with pytest.raises(DecodeError) as refused:
        unframe(value, headers, CONFLUENT)
    assert refused.value.reason == reason
    assert refused.value.faults[0].expected


def test_apicurio_needs_eight_bytes_of_id():
    with pytest.raises(DecodeError) as refused:
        unframe(b"\x00\x00\x00\x00\x2apay", None, APICURIO)
    assert refused.value.reason == "truncated"


def test_unpacking_is_bounded_in_memory():
    """One MiB of zlib can hold a gigabyte."""
    packer = zlib.compressobj()
    packed = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(300)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError) as refused:
            unframe(b"\x03\x05" + GUID.bytes + packed, None, CONFLUENT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.reason == "too_large"
    assert peak < 3 * UNPACKED_BYTES_MAX


def test_largest_allowed_payload_unpacks():
    packed = zlib.compress(bytes(UNPACKED_BYTES_MAX))
    assert len(unframe(b"\x03\x05" + GUID.bytes + packed, None, CONFLUENT)[1]) == UNPACKED_BYTES_MAX


@pytest.mark.parametrize(
    "value",
    [
        b'{"a": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        b'\x00\x00\x00\x00\x2a{"a": 1}',
        b'\x00\x00\x00\x00\x2a\xef\xbb\xbf{"a": 1}',
        b"\x03\x00" + GUID.bytes + b'{"a": 1}',
        b"\x03\x05" + GUID.bytes + zlib.compress(b'{"a": 1}'),
    ],
)
def test_a_json_route_takes_the_frame_off(value):
    assert unframe_json(value, CONFLUENT) == b'{"a": 1}'


def test_a_fault_does_not_quote_the_payload():
    with pytest.raises(DecodeError) as refused:
        unframe(b"secret-token-of-hugh", None, CONFLUENT)
    assert "secret" not in str(refused.value)
    assert "73" in str(refused.value)


def test_confluents_own_code_writes_what_is_read_here():
    by_guid = SchemaId("AVRO", guid=str(GUID)).guid_to_bytes()
    assert unframe(b"payload", [("__value_schema_id", by_guid)], CONFLUENT) == (f"guid:{GUID}", b"payload")
    by_number = SchemaId("AVRO", schema_id=42).id_to_bytes()
    assert unframe(by_number + b"payload", None, CONFLUENT) == ("id:42", b"payload")
    assert unframe(b"payload", [("__value_schema_id", by_number)], CONFLUENT) == ("id:42", b"payload")
