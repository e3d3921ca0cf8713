"""Avro in files: containers give the bytes that are in them, JSON is written with the schema that stands beside it."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, writer

from connector.errors import SettingsError
from connector.preview.files import Given, file_records
from tests.unit.preview.written_files import NOW, Known, fault, read

RECURSIVE = {
    "type": "record", "name": "Order", "namespace": "shop", "fields": [
        {"name": "id", "type": "string"},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "nothing", "type": {"type": "array", "items": "null"}},
        {"name": "next", "type": ["null", "Order"]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_container_gives_each_record_as_it_was_written(codec: str, tmp_path: Path) -> None:
    inner = {"id": "z", "total": Decimal("-1.00"), "nothing": [], "next": None}
    orders = [
        {"id": f"o-{number}", "total": Decimal(number) / 100, "nothing": [None] * (number % 4), "next": inner}
        for number in range(3000)
    ]
    file = io.BytesIO()
    writer(file, parse_schema(RECURSIVE), orders, codec=codec, sync_interval=1000)
    known = Known()
    records = read(tmp_path, file.getvalue(), known=known)
    assert [known.value_of(record) for record in records] == orders
    assert records[2999].place == f"{tmp_path / 'm'}[2999]"
    assert records[2999].offset() == 2999


@pytest.mark.parametrize(
    ("schema", "items"), [("int", [1, -2]), (["null", "string"], [None, "x"]), ("null", [None, None])]
)
def test_a_container_of_something_else_than_records(schema: Any, items: list[Any], tmp_path: Path) -> None:
    file = io.BytesIO()
    writer(file, schema, items)
    known = Known()
    assert [known.value_of(record) for record in read(tmp_path, file.getvalue(), known=known)] == items


def test_a_container_that_ends_in_the_middle(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer(file, "string", [f"{number:0100}" for number in range(100)], sync_interval=1000)
    whole = file.getvalue()
    path = tmp_path / "m"
    path.write_bytes(whole[: len(whole) // 2])
    records = file_records(path, None, Given("t", NOW, Known().know))
    assert next(records).place == f"{path}[0]"
    with pytest.raises(SettingsError, match=r"m: the file is broken after [1-9]\d records"):
        list(records)


SCHEMA = {
    "type": "record", "name": "R", "fields": [
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "tax", "type": ["null",
            {"type": "fixed", "size": 8, "name": "D", "logicalType": "decimal", "precision": 10, "scale": 3}]},
        {"name": "other", "type": ["null", "D"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "seen", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "raw", "type": "bytes"},
        {"name": "note", "type": ["null", "bytes", "string"]},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
        {"name": "rate", "type": ["null", "double"]},
        {"name": "what", "type": ["null",
            {"type": "record", "name": "P", "fields": [
                {"name": "p", "type": ["null", "D"]}, {"name": "z", "type": ["null", "string"], "default": None}]},
            {"type": "record", "name": "Q", "fields": [{"name": "q", "type": "float"}]},
            {"type": "array", "items": "D"}]},
        {"name": "more", "type": {"type": "map", "values": "D"}, "default": {}},
    ],
}  # fmt: skip
VALUE = {
    "total": "12.50", "tax": 0.125, "at": "2024-06-01T11:00:00+02:00", "seen": 1_717_239_600_123_456,
    "day": "2024-06-01", "raw": "AP8=", "note": "a text", "kind": "B", "rate": 1.5, "what": {"q": 0.1},
    "more": {"a": "1.000"},
}  # fmt: skip


@pytest.mark.usefixtures("far_from_utc")
def test_json_is_written_with_the_schema_that_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "r.avsc").write_text(json.dumps(SCHEMA), encoding="utf-8")
    messages = [
        {"value": VALUE, "schema": "r.avsc"},
        {"value": VALUE | {"what": {"p": "2"}, "tax": None, "total": -3, "rate": None}, "schema": "r.avsc"},
        {"value": VALUE | {"what": ["1.5", 2], "at": 5, "seen": "2024-06-01T09:00:00"}, "schema": "r.avsc"},
        {"value": None, "schema": "r.avsc"},
    ]
    known = Known()
    records = read(tmp_path, "\n".join(map(json.dumps, messages)).encode(), known=known)
    first, second, third = (known.value_of(record) for record in records[:3])
    assert first == VALUE | {
        "total": Decimal("12.50"), "tax": Decimal("0.125"), "other": None, "at": "2024-06-01T09:00:00Z",
        "seen": "2024-06-01T11:00:00.123456Z", "what": {"q": 0.1}, "more": {"a": Decimal("1.000")},
    }  # fmt: skip
    assert (second["what"], second["tax"], second["total"]) == (
        {"p": Decimal("2.000"), "z": None},
        None,
        Decimal("-3.00"),
    )
    assert (third["what"], third["at"]) == ([Decimal("1.500"), Decimal("2.000")], "1970-01-01T00:00:00.005Z")
    assert third["seen"] == "2024-06-01T09:00:00Z"
    assert records[3].value() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"total": "x"},
        {"total": "1.234567"},
        {"kind": "C"},
        {"at": "soon"},
        {"raw": "?"},
        {"what": {"r": 1}},
        {"day": []},
        {"unknown": 1},
        {"total": None},
    ],
)
def test_a_value_that_does_not_fit_its_schema_has_its_line(wrong: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "r.avsc").write_text(json.dumps(SCHEMA), encoding="utf-8")
    message = {"value": VALUE | wrong, "schema": "r.avsc"}
    assert ":1: found a value that does not fit the schema (" in fault(tmp_path, json.dumps(message).encode())


def test_a_schema_that_cannot_be_used(tmp_path: Path) -> None:
    for content, said in ((b"{", "not JSON"), (b'"Absent"', "'Absent'"), (b"\xff", "not UTF-8")):
        (tmp_path / "r.avsc").write_bytes(content)
        line = fault(tmp_path, b'{"value": 1, "schema": "r.avsc"}')
        assert line.startswith(":1: ")
        assert said in line
