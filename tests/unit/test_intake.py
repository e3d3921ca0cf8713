"""The intake of a run: every record ends in exactly one place, and what is sent is what the contract wants."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.records import PreparedRun, Reject, SchemaWait
from connector.decode.avro_schema import avro_schema
from connector.decode.schema_cache import SchemaCache
from connector.intake import Intake
from connector.mapping.contract import faults_of
from connector.settings import Settings

NOW = datetime(2024, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()
READY = b'{ "occurred":"2024-06-01T11:00:00","user":{"named_user_id":"u1"}, "body":{"name":"paid"} }'
TEMPLATE: dict[str, Any] = {
    "occurred": "${{ timestamp(created_at) }}",
    "user": {"named_user_id": "${{ customer.id }}"},
    "body": {
        "name": "purchased",
        "value": "${{ total }}",
        "interaction_id": "shop/${{ order_id }}",
        "properties": {"state": "${{ customer.state }}"},
    },
}
ORDER: dict[str, Any] = {
    "created_at": 1717239600,
    "customer": {"id": "c-7", "state": "CO"},
    "total": 12.5,
    "order_id": 31,
    "status": "paid",
    "lines": [{"sku": "a"}, {"sku": "b"}],
}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}},
        {"name": "ratio", "type": "double"},
    ],
}
AVRO_EVENT: dict[str, Any] = {
    "user": {"named_user_id": "${{ id }}"},
    "body": {"name": "paid", "value": "${{ total }}", "properties": {"ratio": "${{ ratio }}"}},
}


@dataclass(frozen=True)
class Record:
    at: int
    content: bytes | None
    key_bytes: bytes | None = b"k"
    sent_headers: tuple[tuple[str, bytes | None], ...] = ()
    in_topic: str = "orders"

    def topic(self) -> str:
        return self.in_topic

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return list(self.sent_headers) or None

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_717_239_600_000)


def intake(
    *routes: Mapping[str, Any], schemas: SchemaCache | None = None, delivery: Mapping[str, Any] | None = None
) -> Intake:
    document = {
        "kafka": {"bootstrap_servers": "kafka:9092", "group_id": "g"},
        "airship": {"app_key": "A" * 22, "auth": {"bearer_token": "t"}},
        "routes": [{"topics": ["orders"], **route} for route in routes],
        "delivery": delivery or {},
    }
    return Intake(Settings.model_validate(document), schemas or SchemaCache())


def prepared(of: Intake, *contents: object, topic: str = "orders") -> PreparedRun:
    records = [Record(at, content_of(content), in_topic=topic) for at, content in enumerate(contents, 10)]
    run = of.prepare(topic, records, NOW)
    assert_each_in_one_place(records, run)
    return run


def content_of(content: object) -> bytes | None:
    return content if content is None or isinstance(content, bytes) else json.dumps(content).encode()


def assert_each_in_one_place(records: Sequence[Record], run: PreparedRun) -> None:
    with_entries = dict.fromkeys(entry[0] for entry in run.entries)
    places = [*with_entries, *(at for at, _ in run.skipped), *(reject.record.offset() for reject in run.rejects)]
    places += [record.offset() for record in run.rest]
    assert sorted(places) == [record.at for record in records]
    assert [entry[0] for entry in run.entries] == sorted(entry[0] for entry in run.entries)


def events_of(run: PreparedRun) -> list[Any]:
    return [json.loads(entry[2], parse_float=Decimal) for entry in run.entries]


def only_reject(run: PreparedRun) -> Reject:
    assert run.entries == []
    assert run.skipped == []
    (reject,) = run.rejects
    return reject


def framed(value: Mapping[str, Any], schema_id: int = 42) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), value)
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


def knowing(schema_id: int = 42) -> SchemaCache:
    cache = SchemaCache()
    cache.found(f"id:{schema_id}", avro_schema(json.dumps(SCHEMA)))
    return cache


class TestReadyEvents:
    def test_a_valid_one_is_sent_as_the_bytes_that_came(self) -> None:
        run = prepared(intake({}), READY)
        ((offset, key, body, record, weight),) = run.entries
        assert body is record.value()
        assert (offset, key, weight) == (10, b"k", len(READY))

    def test_good_ones_around_a_bad_one_are_sent(self) -> None:
        run = prepared(intake({}), READY, READY.replace(b"paid", b"Paid"), READY, None)
        assert [entry[0] for entry in run.entries] == [10, 12]
        assert [reject.record.offset() for reject in run.rejects] == [11]
        assert run.skipped == [(13, "tombstone")]

    def test_all_faults_are_told_with_their_fields(self) -> None:
        reject = only_reject(
            prepared(intake({}), {"user": {}, "body": {"name": "Paid", "properties": {"x": "y" * 256}}})
        )
        assert (reject.stage, reject.reason) == ("validate", "invalid_event")
        assert reject.error_class == "connector.errors.InvalidEvent"
        assert [fault.field for fault in reject.faults] == ["user", "body.name", "body.properties.x"]
        assert "y" * 10 not in reject.message

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"plain text", READY + b"x", READY[:-3]])
    def test_what_is_not_json_is_rejected(self, content: bytes) -> None:
        reject = only_reject(prepared(intake({"format": "json"}), content))
        assert (reject.stage, reject.reason) == ("decode", "not_json")

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
    def test_a_number_that_json_does_not_have_is_rejected(self, value: str) -> None:
        content = READY.replace(b'"name"', f'"value":{value},"name"'.encode())
        assert only_reject(prepared(intake({}), content)).reason == "not_json"

    def test_null_in_an_optional_field_is_left_out(self) -> None:
        content = {
            "occurred": None,
            "user": {"named_user_id": "u", "channel": None},
            "body": {"name": "a", "value": None},
        }
        assert events_of(prepared(intake({}), content)) == [{"user": {"named_user_id": "u"}, "body": {"name": "a"}}]

    def test_the_window_of_time_is_that_of_the_call(self) -> None:
        of = intake({})
        record = Record(1, READY)
        assert len(of.prepare("orders", [record], NOW).entries) == 1
        assert len(of.prepare("orders", [record], NOW + 91 * 86_400).rejects) == 1
        assert len(of.prepare("orders", [record], NOW - 7_200).rejects) == 1
        assert len(of.prepare("orders", [record], NOW).entries) == 1

    def test_too_large_for_a_request_is_rejected_and_the_limit_itself_is_not(self) -> None:
        of = intake({}, delivery={"batch": {"bytes_max": 1024}})
        fits = READY + b" " * (1022 - len(READY))
        reject = prepared(of, fits, fits + b" ").rejects[0]
        assert (reject.stage, reject.reason, reject.record.offset()) == ("validate", "too_large", 11)
        assert "1023 bytes" in reject.message

    def test_an_avro_event_becomes_the_same_event_in_json(self) -> None:
        user = {"type": "record", "name": "U", "fields": [{"name": "named_user_id", "type": "string"}]}
        body = {"type": "record", "name": "B", "fields": [{"name": "name", "type": "string"}]}
        moment = {"type": "long", "logicalType": "timestamp-millis"}
        parts = [("occurred", moment), ("user", user), ("body", body)]
        schema = {"type": "record", "name": "E", "fields": [{"name": name, "type": kind} for name, kind in parts]}
        cache = SchemaCache()
        cache.found("id:1", avro_schema(json.dumps(schema)))
        out = io.BytesIO()
        occurred = datetime.fromtimestamp(NOW - 60, UTC).replace(microsecond=250_000)
        value = {"occurred": occurred, "user": {"named_user_id": "u"}, "body": {"name": "paid"}}
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
        run = prepared(intake({}, schemas=cache), b"\0\0\0\0\1" + out.getvalue())
        (event,) = events_of(run)
        assert event == {"occurred": "2024-06-01T11:59:00", "user": {"named_user_id": "u"}, "body": {"name": "paid"}}

    @pytest.mark.parametrize("ratio", [float("nan"), float("inf")])
    def test_a_number_in_it_that_is_none_is_refused_not_sent_as_null(self, ratio: float) -> None:
        def record(title: str, /, **fields: Any) -> dict[str, Any]:
            return {
                "type": "record",
                "name": title,
                "fields": [{"name": key, "type": of} for key, of in fields.items()],
            }

        user = record("User", named_user_id="string")
        body = record("Body", name="string", properties={"type": "map", "values": "double"})
        schema = record("Event", user=user, body=body)
        cache = SchemaCache()
        cache.found("id:1", avro_schema(json.dumps(schema)))
        out = io.BytesIO()
        value = {"user": {"named_user_id": "u"}, "body": {"name": "paid", "properties": {"ratio": ratio}}}
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
        reject = only_reject(prepared(intake({}, schemas=cache), b"\0\0\0\0\1" + out.getvalue()))
        assert [fault.field for fault in reject.faults] == ["body.properties.ratio"]


class TestMappedEvents:
    def test_the_template_is_filled(self) -> None:
        run = prepared(intake({"event": TEMPLATE}), ORDER)
        assert events_of(run) == [
            {
                "occurred": "2024-06-01T11:00:00",
                "user": {"named_user_id": "c-7"},
                "body": {
                    "name": "purchased",
                    "value": Decimal("12.5"),
                    "interaction_id": "shop/31",
                    "properties": {"state": "CO"},
                },
            }
        ]
        ((_, _, body, record, weight),) = run.entries
        assert weight == len(body) + len(record.value() or b"")

    def test_the_short_way_and_the_long_way_agree(self) -> None:
        """Two routes make every record go one by one; one straight route does not."""
        contents = [ORDER, None, ORDER | {"status": "open"}, ORDER | {"customer": {}}, ORDER | {"total": "x"}, b"{", []]
        route = {"event": TEMPLATE, "when": "status == 'paid'"}
        straight = prepared(intake(route), *contents)
        one_by_one = prepared(intake(route, {"topics_pattern": "orders", "topics": None, "when": "`false`"}), *contents)
        assert [entry[:3] for entry in straight.entries] == [entry[:3] for entry in one_by_one.entries]
        assert straight.skipped == one_by_one.skipped == [(11, "tombstone"), (12, "filtered"), (16, "filtered")]
        told = [
            [(r.record.offset(), r.stage, r.reason, r.faults) for r in run.rejects] for run in (straight, one_by_one)
        ]
        assert told[0] == told[1]
        assert [reason for _, _, reason, _ in told[0]] == ["required_missing", "invalid_event", "not_json"]

    def test_a_missing_required_field_names_its_expression(self) -> None:
        reject = only_reject(prepared(intake({"event": TEMPLATE}), ORDER | {"customer": {"state": "CO"}}))
        assert (reject.stage, reject.reason) == ("map", "required_missing")
        assert reject.faults[0].field == "user"
        assert "${{ customer.id }}" in reject.faults[0].found

    def test_an_expression_that_fails_does_not_quote_the_message(self) -> None:
        reject = only_reject(prepared(intake({"event": TEMPLATE}), ORDER | {"created_at": "private"}))
        assert (reject.stage, reject.reason) == ("map", "expression_failed")
        assert reject.faults[0].field == "occurred"
        assert "private" not in reject.message

    def test_what_a_message_gives_is_held_to_the_contract(self) -> None:
        reject = only_reject(
            prepared(intake({"event": TEMPLATE}), ORDER | {"customer": {"id": " u", "state": "y" * 256}})
        )
        assert (reject.stage, reject.reason) == ("validate", "invalid_event")
        assert [fault.field for fault in reject.faults] == ["user.named_user_id", "body.properties.state"]

    def test_the_record_itself_can_be_asked(self) -> None:
        body = {
            "name": "a",
            "properties": {"where": "${{ topic() }}/${{ partition() }}/${{ offset() }}", "h": "${{ header('h') }}"},
        }
        of = intake({"event": {"user": {"named_user_id": "${{ key() }}"}, "body": body}})
        record = Record(8, b"{}", b"user-8", (("h", b"one"), ("h", b"two")))
        (event,) = events_of(of.prepare("orders", [record, Record(9, b"{}")], NOW))[:1]
        assert event["user"] == {"named_user_id": "user-8"}
        assert event["body"]["properties"] == {"where": "orders/3/8", "h": "two"}

    def test_several_events_of_one_message_settle_together(self) -> None:
        event = {
            "user": {"named_user_id": "${{ message().customer.id }}"},
            "body": {"name": "l", "properties": {"sku": "${{ sku }}"}},
        }
        run = prepared(intake({"event": event, "for_each": "lines"}), ORDER)
        assert [made["body"]["properties"]["sku"] for made in events_of(run)] == ["a", "b"]
        assert [entry[0] for entry in run.entries] == [10, 10]
        held = len(json.dumps(ORDER).encode()) + sum(len(entry[2]) for entry in run.entries)
        assert sum(entry[4] for entry in run.entries) == held

    def test_one_bad_event_of_several_rejects_the_message_as_a_whole(self) -> None:
        event = {"user": {"named_user_id": "u"}, "body": {"name": "${{ sku }}"}}
        assert only_reject(
            prepared(intake({"event": event, "for_each": "lines"}), {"lines": [{"sku": "a"}, {"sku": "B"}]})
        )

    @pytest.mark.parametrize("lines", [[], None])
    def test_a_message_that_gives_no_event_is_skipped(self, lines: object) -> None:
        event = {"user": {"named_user_id": "u"}, "body": {"name": "a"}}
        assert prepared(intake({"event": event, "for_each": "lines"}), {"lines": lines}).skipped == [(10, "filtered")]

    def test_decimals_keep_every_digit(self) -> None:
        total = Decimal("12345678901234567890123456.70")
        run = prepared(
            intake({"event": AVRO_EVENT}, schemas=knowing()), framed({"id": "u", "total": total, "ratio": 0.5})
        )
        assert b'"value":12345678901234567890123456.70' in run.entries[0][2]

    @pytest.mark.parametrize("ratio", [float("nan"), float("inf"), float("-inf")])
    def test_a_number_that_is_none_is_refused_not_sent_as_null(self, ratio: float) -> None:
        content = framed({"id": "u", "total": Decimal(1), "ratio": ratio})
        reject = only_reject(prepared(intake({"event": AVRO_EVENT}, schemas=knowing()), content))
        assert (reject.stage, reject.reason, reject.schema_id) == ("validate", "invalid_event", "id:42")
        assert reject.faults[0].field == "body.properties.ratio"


class TestRouting:
    def test_the_first_route_whose_condition_holds_takes_the_message(self) -> None:
        def named(name: str, when: str | None) -> dict[str, Any]:
            return {"event": {"user": {"named_user_id": "u"}, "body": {"name": name}}, "when": when}

        of = intake(named("first", "a"), named("second", "b"), named("last", "c"))
        run = prepared(of, {"a": 1, "b": 1}, {"b": 1, "c": 1}, {"c": 1}, {"a": None, "b": [], "c": False})
        assert [event["body"]["name"] for event in events_of(run)] == ["first", "second", "last"]
        assert run.skipped == [(13, "filtered")]

    def test_each_condition_sees_its_own_record(self) -> None:
        of = intake({"when": "header('take') == 'yes'"}, {"event": TEMPLATE, "when": "key() == 'none'"})
        records = [
            Record(1, READY, b"k", (("take", b"yes"),)),
            Record(2, READY),
            Record(3, READY, b"k", (("take", b"yes"),)),
        ]
        run = of.prepare("orders", records, NOW)
        assert [entry[0] for entry in run.entries] == [1, 3]
        assert run.skipped == [(2, "filtered")]

    def test_a_topic_without_a_route_is_a_reject(self) -> None:
        reject = only_reject(prepared(intake({}), READY, topic="other"))
        assert (reject.stage, reject.reason) == ("map", "no_route")

    def test_a_pattern_takes_whole_names(self) -> None:
        of = intake({"topics": None, "topics_pattern": "orders-.*"})
        assert len(prepared(of, READY, topic="orders-eu").entries) == 1
        assert len(prepared(of, READY, topic="my-orders-eu").rejects) == 1

    @pytest.mark.parametrize("route", [{}, {"event": TEMPLATE}])
    def test_tombstones_are_skipped_or_rejected_as_the_route_says(self, route: dict[str, Any]) -> None:
        assert prepared(intake(route), None).skipped == [(10, "tombstone")]
        reject = only_reject(prepared(intake(route | {"tombstones": "reject"}), None))
        assert (reject.stage, reject.reason) == ("decode", "tombstone")

    def test_people_are_told_which_route_took_a_message(self) -> None:
        of = intake({"name": "paid", "when": "user"}, {"event": TEMPLATE, "when": "order_id"})
        assert of.explain("orders", Record(1, READY), NOW).route == "paid"
        assert of.explain("orders", Record(1, json.dumps(ORDER).encode()), NOW).route == "routes[1]"
        assert of.explain("orders", Record(1, b"{"), NOW).route is None
        assert intake({}).explain("orders", Record(1, None), NOW).route is None


class TestOrdering:
    @pytest.mark.parametrize("route", [{}, {"event": TEMPLATE}, {"when": "user || customer"}])
    @pytest.mark.parametrize(("ordering", "key"), [("key", b"k"), ("partition", b""), ("none", None)])
    def test_the_key_is_that_of_the_setting(self, route: dict[str, Any], ordering: str, key: bytes | None) -> None:
        content = ORDER if "event" in route else READY
        assert prepared(intake(route, delivery={"ordering": ordering}), content).entries[0][1] == key

    @pytest.mark.parametrize("route", [{}, {"event": TEMPLATE}, {"when": "user || customer"}])
    def test_a_record_without_a_key_waits_for_nothing(self, route: dict[str, Any]) -> None:
        content = content_of(ORDER if "event" in route else READY)
        assert intake(route).prepare("orders", [Record(1, content, None)], NOW).entries[0][1] is None

    @pytest.mark.parametrize(("expression", "key"), [("user.named_user_id", b"u1"), ("missing", None)])
    def test_a_route_can_name_another_key(self, expression: str, key: bytes | None) -> None:
        assert prepared(intake({"ordering_key": expression}), READY).entries[0][1] == key

    def test_the_routes_key_does_not_rule_where_the_order_is_the_partitions(self) -> None:
        of = intake({"ordering_key": "user.named_user_id"}, delivery={"ordering": "partition"})
        assert prepared(of, READY).entries[0][1] == b""


class TestSchemas:
    GOOD = framed({"id": "u", "total": Decimal(1), "ratio": 0.5})

    @pytest.mark.parametrize("route", [{"event": AVRO_EVENT}, {"event": AVRO_EVENT, "for_each": "[@]"}, {}])
    def test_the_run_stops_in_front_of_an_unknown_schema(self, route: dict[str, Any]) -> None:
        records = [Record(1, None), Record(2, self.GOOD), Record(3, None), Record(4, self.GOOD)]
        cache = SchemaCache()
        of = intake(route, schemas=cache)
        run = of.prepare("orders", records, NOW)
        assert run.wait == SchemaWait("id:42")
        assert list(run.rest) == records[1:]
        assert run.skipped == [(1, "tombstone")]
        assert (run.entries, run.rejects) == ([], [])
        cache.found("id:42", avro_schema(json.dumps(SCHEMA)))
        after = of.prepare("orders", run.rest, NOW)
        assert after.wait is None
        assert_each_in_one_place(records[1:], after)
        assert len(after.skipped) == 1

    def test_what_went_before_is_kept(self) -> None:
        records = [Record(1, READY), Record(2, b"{"), Record(3, self.GOOD), Record(4, READY)]
        run = intake({}).prepare("orders", records, NOW)
        assert [entry[0] for entry in run.entries] == [1]
        assert [reject.record.offset() for reject in run.rejects] == [2]
        assert list(run.rest) == records[2:]

    def test_a_broken_avro_value_names_its_schema(self) -> None:
        of = intake({"event": AVRO_EVENT}, schemas=knowing())
        truncated, longer = prepared(of, self.GOOD[:-1], self.GOOD + b"x").rejects
        assert (truncated.stage, truncated.reason, truncated.schema_id) == ("decode", "truncated", "id:42")
        assert (longer.stage, longer.reason, longer.schema_id) == ("decode", "trailing_bytes", "id:42")


CONTENTS = st.lists(
    st.sampled_from([READY, READY.replace(b"paid", b"PAID"), None, b"{", b"", content_of(ORDER), TestSchemas.GOOD])
    | st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER, "id", "sku"]), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
    max_size=6,
)
ROUTES: list[dict[str, Any]] = [
    {},
    {"format": "json"},
    {"format": "avro"},
    {"when": "user"},
    {"ordering_key": "customer.id"},
    {"event": TEMPLATE},
    {"event": TEMPLATE, "when": "status != 'open'", "format": "json"},
    {"event": TEMPLATE, "for_each": "[@]"},
    {"for_each": "lines"},
    {"event": AVRO_EVENT},
]


@given(st.lists(st.sampled_from(ROUTES), min_size=1, max_size=3), CONTENTS)
def test_whatever_comes_is_in_one_place_and_valid_where_it_is_sent(
    routes: list[dict[str, Any]], contents: list[bytes | None]
) -> None:
    records = [Record(at, content) for at, content in enumerate(contents)]
    run = intake(*routes, schemas=knowing()).prepare("orders", records, NOW)
    assert_each_in_one_place(records, run)
    assert (run.wait is None) == (not run.rest)
    for entry in run.entries:
        assert faults_of(json.loads(entry[2]), NOW) == ()
