"""Messages come out of a file as they were meant, whatever its form, and what is wrong with it has its line."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import SettingsError
from connector.preview.files import Form, Given, file_records
from tests.unit.preview.written_files import NOW, Known, fault, read

NOW_MS = 1_717_243_200_500
MARK = b"\xef\xbb\xbf"
GOOD = b'{"topic": "a", "value": 1}\n'


def values(folder: Path, content: bytes, form: Form | None = None) -> list[tuple[str, bytes | None]]:
    prefix = str(folder / "m")
    return [(record.place.removeprefix(prefix), record.value_bytes) for record in read(folder, content, form)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # one value a line, whatever it is, to the byte
        (b'{"a": 1.10}\n[1, 2]\n"x"\nnull', [":1", b'{"a": 1.10}', ":2", b"[1, 2]", ":3", b'"x"', ":4", b"null"]),
        (MARK + b' {"a":1} \r\n\r\n  \n{"a":2}\r\n', [":1", b' {"a":1} ', ":4", b'{"a":2}']),
        # a line that is broken is its message's own fault, the first one, too
        (b'{"a": NaN}\n{"a"\n', [":1", b'{"a": NaN}', ":2", b'{"a"']),
        (b'{"a": 1\n{"a": 2}\n', [":1", b'{"a": 1', ":2", b'{"a": 2}']),
        (b'{"a": 1', [":1", b'{"a": 1']),
        (b"no json\nat all", [":1", b"no json", ":2", b"at all"]),
        (b'{"a": "\xff"}\n', [":1", b'{"a": "\xff"}']),
        # documents over several lines
        (b'{\n "a": 1.10\n}\n', [":1", b'{\n "a": 1.10\n}']),
        (b'{\n "a": 1\n}\n\n{\n "a": 2}\n', [":1", b'{\n "a": 1\n}', ":5", b'{\n "a": 2}']),
        # an array over several lines is its items; on one line it is a message, which may be an array
        (b'[\n {"a": 1.10},\n [2]\n]\n', ["[0]", b'{"a": 1.10}', "[1]", b"[2]"]),
        (b'[{"a": 1}, {"a": 2}]', [":1", b'[{"a": 1}, {"a": 2}]']),
        # what may be a value is none of a message's metadata
        (b'{"value": 1}', [":1", b'{"value": 1}']),
        (b'{"schema": {}, "payload": {}}', [":1", b'{"schema": {}, "payload": {}}']),
        (b'{"key": 1, "value": 2}', [":1", b'{"key": 1, "value": 2}']),
        # framed values and other bytes
        (b"\x00\x00\x00\x00\x07{}\n", ["", b"\x00\x00\x00\x00\x07{}\n"]),
        (b"\xc3\x01abcdefgh", ["", b"\xc3\x01abcdefgh"]),
        (b"a\x00b\n", ["", b"a\x00b\n"]),
        (b'{"a": "\x01"}\n{"a": 2}', [":1", b'{"a": "\x01"}', ":2", b'{"a": 2}']),
        (b"", []),
        (b"\n \r\n", []),
    ],
)  # fmt: skip
def test_the_form_is_found_out(content: bytes, expected: list[Any], tmp_path: Path) -> None:
    found = [part for record in values(tmp_path, content) for part in record]
    assert found == expected


@pytest.mark.parametrize(
    ("form", "content", "expected"),
    [
        ("values", b'{"topic": "o", "value": 1}\n', [(":1", b'{"topic": "o", "value": 1}')]),
        ("values", b"[\n1,\n2]", [(":1", b"[\n1,\n2]")]),
        ("messages", b'{"value": 1}\n{"value": null}\n', [(":1", b"1"), (":2", None)]),
        ("items", b"[1, 2.50]\n", [("[0]", b"1"), ("[1]", b"2.50")]),
        ("items", b"[1]\n[2]", [("[0]", b"1"), ("[1]", b"2")]),
        ("bytes", b"[1]\n", [("", b"[1]\n")]),
        ("bytes", b"", [("", b"")]),
    ],
)
def test_the_form_can_be_said(
    form: Form, content: bytes, expected: list[tuple[str, bytes | None]], tmp_path: Path
) -> None:
    assert values(tmp_path, content, form) == expected


def test_a_message_says_of_itself_what_it_wants(tmp_path: Path) -> None:
    messages = [
        {"topic": "a", "partition": 3, "offset": 77, "key": "k", "headers": {"h": "é", "n": None}, "timestamp": 5,
         "value": {"x": [1]}},
        {"key": None, "text": "{broken"},
        {"value": None, "headers": {}},
        {"base64": base64.b64encode(b"\x00\xff").decode()},
    ]  # fmt: skip
    full, text, tombstone, raw = read(tmp_path, "\n".join(map(json.dumps, messages)).encode())
    assert (full.topic(), full.partition(), full.offset(), full.key()) == ("a", 3, 77, b"k")
    assert (full.headers(), full.timestamp()) == ([("h", "é".encode()), ("n", None)], (1, 5))
    assert json.loads(full.value() or b"") == {"x": [1]}
    assert (text.topic(), text.partition(), text.offset(), text.key()) == ("t", 0, 0, None)
    assert (text.headers(), text.timestamp(), text.value()) == (None, (1, NOW_MS), b"{broken")
    assert (tombstone.value(), tombstone.headers(), tombstone.offset()) == (None, None, 1)
    assert raw.value() == b"\x00\xff"


@given(
    st.lists(st.recursive(st.integers() | st.text() | st.none() | st.booleans(), st.lists, max_leaves=5), min_size=1)
)
def test_values_keep_their_bytes_in_every_form(tmp_path_factory: pytest.TempPathFactory, written: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("f")
    texts = [json.dumps(value).encode() for value in written]
    as_messages = b"\n".join(b'{"topic": "t", "value":  ' + text + b" }" for text in texts)
    as_items = b"[\n" + b",\n".join(texts) + b"\n]"
    expected = [None if text == b"null" else text for text in texts]
    assert [value for _, value in values(folder, b"\n".join(texts), "values")] == texts
    assert [value for _, value in values(folder, as_messages)] == expected
    assert [value for _, value in values(folder, as_items, "items")] == texts


@pytest.mark.parametrize(
    ("content", "form", "said"),
    [
        (GOOD + b'\n{"topic": "a", "val": 1}', None, ":3: found no message (Object contains unknown"),
        (GOOD + b'{"topic": "a", "value": 1', None, ":2: found no message (Input data was truncated)"),
        (GOOD + b'{"topic": "a"}', None, ":2: found none of them, expected one of value, text, base64"),
        (GOOD + b'{"topic": "a", "value": 1, "text": ""}', None, ":2: found value and text, expected one of"),
        (b'{"value": 1, "key": 5}', "messages", ":1: found no message (Expected `str | null`, got `int` - at `$.key`)"),
        (b'{"base64": "?"}', "messages", ":1: found no message ("),
        (b'{"text": "a", "schema": "s.avsc"}', "messages", ":1: found schema beside text"),
        (b'{"value": 1, "schema": "absent.avsc"}', "messages", ":1: the schema "),
        (b'{\n "a": 1,\n "b": [1 2]\n}', None, ":3: found no JSON (Expecting ',' delimiter, column 10)"),
        (b'{"a": 1}', "items", ":1: found no array of JSON texts"),
        (b"[\n1,\nNaN]", None, ":1: found no array of JSON texts"),
        (b"Obj\x01", None, ": found no readable head of an Avro file"),
        (b"{}", "avro", ": found no readable head of an Avro file"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_has_its_place(content: bytes, form: Form | None, said: str, tmp_path: Path) -> None:
    assert said in fault(tmp_path, content, form)


def test_what_stands_before_a_fault_is_given(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(GOOD + b'{"topic": "a", "value": 2}\nbroken\n')
    records = file_records(tmp_path / "m", None, Given(None, NOW, Known().know))
    assert [next(records).value(), next(records).value()] == [b"1", b"2"]
    with pytest.raises(SettingsError, match="m:3: found no message"):
        next(records)


def test_a_message_needs_a_topic_from_somewhere(tmp_path: Path) -> None:
    assert [record.topic() for record in read(tmp_path, b'{"topic": "a", "value": 1}', topic=None)] == ["a"]
    assert "expected --topic or a topic in the message" in fault(tmp_path, b"{}", topic=None)
    assert [record.topic() for record in read(tmp_path, b'{"topic": "a", "value": 1}', topic="b")] == ["a"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "absent", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsError, match=f"cannot be read: {said}"):
            list(file_records(path, None, Given("t", NOW, Known().know)))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"a": 1}\n'))))  # type: ignore[arg-type]
    (record,) = file_records(Path("-"), None, Given("t", NOW, Known().know))
    assert (record.place, record.value()) == ("standard input:1", b'{"a": 1}')


def test_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.preview.texts.MESSAGE_BYTES_MAX", 20)
    monkeypatch.setattr("connector.preview.files.MESSAGE_BYTES_MAX", 20)
    assert ":2: found a line of more than 20 bytes" in fault(tmp_path, b'{"a": 1}\n"' + b"x" * 30 + b'"\n')
    assert ": found more than 20 bytes" in fault(tmp_path, b"{\n" * 20)
    assert ": found more than 20 bytes" in fault(tmp_path, b"\x00" * 21)
    assert len(read(tmp_path, b"{}\n" * 100)) == 100
