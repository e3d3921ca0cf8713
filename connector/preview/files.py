"""Messages from a file: finds out how they are written, and gives them as records.

    messages   JSON objects with topic, key, headers, timestamp and value (message_objects.py)
    values     JSON texts, each the value of a message
    items      one JSON array; each item is a message or a value
    avro       an Avro object container; each record is the value of a message
    bytes      the whole file is the value of one message

What a file does not say is: partition 0, offsets from 0, no key, no headers, a timestamp of now.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias, get_args

from connector.decode.schemas import Schema
from connector.errors import SettingsError
from connector.preview.avro_messages import CONTAINER_START, Container, UnreadableAvro, Writing, avro_of, writing_of
from connector.preview.message_objects import NotAMessage, looks_like_a_message, message_object
from connector.preview.records import FileRecord
from connector.preview.texts import MESSAGE_BYTES_MAX, Text, UnreadableFile, texts

Form: TypeAlias = Literal["messages", "values", "items", "avro", "bytes"]
FORMS: tuple[Form, ...] = get_args(Form)

_STDIN = Path("-")
_BINARY_STARTS = (b"\x00", b"\x03", b"\xc3\x01")
"""Of framed values, see connector/decode/framing.py."""
_TEXT_CONTROLS = frozenset(b"\t\n\r\x0c\x1b")
_MARK = b"\xef\xbb\xbf"
_PEEK_BYTES = 4096


class Given(NamedTuple):
    """What the caller says of messages that do not say it themselves."""

    topic: str | None
    now_seconds: float
    know: Callable[[str, Schema], None]
    """Told of each schema that the file brings along, before the first record that was written with it."""


def file_records(path: Path, form: Form | None, given: Given) -> Iterator[FileRecord]:
    """The messages of a file, `-` for standard input, one after the other; None: the form is found out.

    Raises SettingsError for a file that cannot be read as that, with the place.
    """
    name = "standard input" if path == _STDIN else str(path)
    with ExitStack() as opened:
        try:
            stream = sys.stdin.buffer if path == _STDIN else opened.enter_context(path.open("rb"))
            yield from _Reader(name, path, given).records(stream, form)
        except (UnreadableFile, UnreadableAvro) as fault:
            place = str(fault) if str(fault).startswith((":", "[")) else f": {fault}"
            raise SettingsError([f"{name}{place}"]) from None
        except OSError as error:
            raise SettingsError([f"{name}: cannot be read: {error.strerror or error}"]) from None


class _Reader:
    def __init__(self, name: str, path: Path, given: Given) -> None:
        self._name = name
        self._folder = path.parent
        self._given = given
        self._schemas: dict[str, Writing] = {}
        self._offset = 0

    def records(self, stream: BinaryIO, form: Form | None) -> Iterator[FileRecord]:
        start = stream.peek(_PEEK_BYTES) if isinstance(stream, BufferedReader) else b""
        if form is None and start.startswith(CONTAINER_START):
            form = "avro"
        elif form is None and _is_binary(start):
            form = "bytes"
        match form:
            case "avro":
                return self._of_container(stream)
            case "bytes":
                return self._of_bytes(stream)
            case "messages":
                return map(self._message, texts(stream, split_arrays=None))
            case "values":
                return map(self._value, texts(stream, split_arrays=False))
            case "items" | None:
                return self._found_out(texts(stream, split_arrays=True if form == "items" else None))

    def _found_out(self, found: Iterable[Text]) -> Iterator[FileRecord]:
        """By the first one: a message with its metadata, or a value alone."""
        rest = iter(found)
        first = next(rest, None)
        if first is None:
            return iter(())
        read = self._message if looks_like_a_message(first.text) else self._value
        return map(read, chain([first], rest))

    def _message(self, written: Text) -> FileRecord:
        try:
            found = message_object(written.text)
            value = found.value
            if found.schema is not None and value is not None:
                value = avro_of(value, self._schema(found.schema))
        except (NotAMessage, UnreadableAvro) as fault:
            raise UnreadableFile(f"{written.place}: {fault}") from None
        offset = self._next_offset() if found.offset is None else found.offset
        timestamp_ms = self._now_ms if found.timestamp_ms is None else found.timestamp_ms
        topic = self._topic(found.topic, written.place)
        place = self._name + written.place
        return FileRecord(place, topic, found.partition, offset, found.key, value, found.headers, timestamp_ms)

    def _value(self, written: Text) -> FileRecord:
        return self._bare(written.place, written.text)

    def _of_container(self, stream: BinaryIO) -> Iterator[FileRecord]:
        container = Container(stream)
        self._given.know(container.writing.identity, container.writing.schema)
        for number, payload in enumerate(container.payloads()):
            yield self._bare(f"[{number}]", container.writing.framed(payload))

    def _of_bytes(self, stream: BinaryIO) -> Iterator[FileRecord]:
        value = stream.read(MESSAGE_BYTES_MAX + 1)
        if len(value) > MESSAGE_BYTES_MAX:
            raise UnreadableFile(f": found more than {MESSAGE_BYTES_MAX} bytes, expected one message")
        yield self._bare("", value)

    def _bare(self, place: str, value: bytes) -> FileRecord:
        topic = self._topic(None, place)
        return FileRecord(self._name + place, topic, 0, self._next_offset(), None, value, None, self._now_ms)

    @property
    def _now_ms(self) -> int:
        return int(self._given.now_seconds * 1000)

    def _topic(self, named: str | None, place: str) -> str:
        """What a message says of itself counts."""
        topic = named or self._given.topic
        if topic is None:
            raise UnreadableFile(
                f"{place}: found a message without a topic, expected --topic or a topic in the message"
            )
        return topic

    def _next_offset(self) -> int:
        self._offset += 1
        return self._offset - 1

    def _schema(self, name: str) -> Writing:
        if name not in self._schemas:
            schema = self._schemas[name] = writing_of(self._folder / name)
            self._given.know(schema.identity, schema.schema)
        return self._schemas[name]


def _is_binary(start: bytes) -> bool:
    """A framed value, or something else that is no text."""
    if start.startswith(_BINARY_STARTS):
        return True
    if start.removeprefix(_MARK).lstrip()[:1] in (b"{", b"["):
        return False
    return any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in start)
