"""What a letter's headers say, whoever wrote them; what is not as it should be is not told, and stops nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.core.records import Fault
from connector.dlq.facts import Origin, facts_of, own_headers
from connector.dlq.letter import Message
from connector.kafka import letter_format as names
from tests.unit.core.records import FakeRecord
from tests.unit.dlq.letters import foreign, written

NAMES = [
    *names.HEADERS,
    "kafka_dlt-original-topic",
    "kafka_dlt-original-partition",
    "kafka_dlt-original-offset",
    "kafka_dlt-original-timestamp",
    "kafka_dlt-exception-fqcn",
    "original_partition",
    "original_offset",
    "own",
]


def test_what_the_job_writes_is_read_back() -> None:
    own = (("own", b"\x00\xff"), ("own", None))
    letter = written(
        FakeRecord(7, b"k", b"v", "orders", 3, own),
        stage="deliver",
        reason="refused",
        faults=(Fault("body.name", "x", "y"), Fault("body.value", "z", "w")),
        error_class="c.E",
        http_status=400,
        answer='{"ok":false}',
        attempts=3,
        schema_id="id:42",
    )
    facts = letter.facts
    assert (facts.writer, facts.origin) == ("airship-connector", Origin("orders", 3, 7))
    assert (facts.stage, facts.reason, facts.field, facts.http_status) == ("deliver", "refused", "body.name", 400)
    assert facts.message == "body.name: found x, expected y; body.value: found z, expected w"
    assert (facts.answer, facts.attempts, facts.schema_id, facts.group) == ('{"ok":false}', 3, "id:42", "shop")
    assert (facts.format, letter.is_newer) == (names.VERSION, False)
    message = Message(letter)
    assert (message.topic(), message.partition(), message.offset()) == ("orders", 3, 7)
    assert (message.key(), message.value(), message.headers()) == (b"k", b"v", list(own))
    assert message.timestamp() == FakeRecord(7).timestamp()


def test_a_letter_of_a_newer_format_says_so() -> None:
    newer = foreign((names.REASON, b"refused"), (names.FORMAT, str(names.VERSION + 1).encode()))
    assert (newer.facts.writer, newer.is_newer) == ("airship-connector", True)
    for told in (None, b"", b"two"):
        assert not foreign((names.REASON, b"refused"), (names.FORMAT, told)).is_newer


def test_kafka_connects_tools_read_our_letters() -> None:
    """As `DeadLetterQueueReporter` writes them: these names, all of them text, numbers in decimal, once each."""
    letter = written(
        FakeRecord(7, b"k", b"v", "orders", 3, (("own", b"1"),)), error_class="connector.errors.InvalidEvent"
    )
    headers = letter.record.headers() or []
    connect = [
        (name.removeprefix("__connect.errors."), value) for name, value in headers if name.startswith("__connect.")
    ]
    told = {name: (value or b"").decode("utf-8") for name, value in connect}
    assert len(told) == len(connect)
    assert told == {
        "topic": "orders",
        "partition": "3",
        "offset": "7",
        "connector.name": "airship-connector",
        "stage": "validate",
        "exception.class.name": "connector.errors.InvalidEvent",
        "exception.message": "body.name: found a, expected b",
    }
    # And a reader that knows Connect's names alone loses nothing of them.
    known = [header for header in headers if not header[0].startswith(names.OWN)]
    facts = facts_of(FakeRecord(5, own_headers=tuple(known)))
    assert (facts.writer, facts.origin, facts.stage) == ("kafka-connect", Origin("orders", 3, 7), "validate")
    assert own_headers(letter.record, "kafka-connect") == [("own", b"1")]


def test_springs_numbers_are_big_endian() -> None:
    facts = foreign(
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", b"\x00\x00\x00\x31"),
        ("kafka_dlt-original-offset", b"\x00\x00\x00\x1c\xbe\x99\x1a\x14"),
        ("kafka_dlt-exception-fqcn", b"a.Outer"),
    ).facts
    assert (facts.writer, facts.origin) == ("spring", Origin("orders", 0x31, 123_456_789_012))
    assert facts.error_class == "a.Outer"


def test_numbers_that_stand_for_unknown_are_not_told() -> None:
    assert foreign(("__connect.errors.topic", b""), ("__connect.errors.offset", b"-1")).facts.origin.offset is None
    spring = foreign(("kafka_dlt-original-topic", b"t"), ("kafka_dlt-original-partition", b"\xff\xff\xff\xff"))
    assert spring.facts.origin == Origin("t", None, None)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=24))))
def test_whatever_the_headers_hold_a_letter_is_read(headers: list[tuple[str, bytes | None]]) -> None:
    letter = foreign(*headers)
    message = Message(letter)
    assert letter.failed_at is not None
    assert letter.replays >= 0
    assert [header for header in headers if header[0] == "own"] == [h for h in message.headers() or [] if h[0] == "own"]
