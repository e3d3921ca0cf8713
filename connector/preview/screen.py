"""Judgements for people: an event as it would be sent, a reject with its faults, and the sums in the end.

On a terminal with colours and lines that end at its edge; elsewhere plain, one fault a line, to be searched and
compared. Whatever a message holds cannot move the cursor: control characters are escaped.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple, TextIO

import msgspec
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.padding import Padding
from rich.text import Text

from connector.core.records import SourceRecord
from connector.decode.decoder import Decoded
from connector.errors import DecodeError
from connector.mapping.json_text import json_bytes
from connector.preview.judge import Judgement, Outcome
from connector.preview.records import FileRecord
from connector.preview.tally import Tally

_STYLES: dict[Outcome, str] = {"event": "bold green", "skip": "bold yellow", "reject": "bold red"}
_MESSAGE_CHARACTERS_MAX = 240
_HEX_BYTES_MAX = 32
_FIELDS_SHOWN_MAX = 20
_INDENT = 2
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what steers a terminal or hides: controls, bidirectional marks, line separators."""


class Screen:
    def __init__(
        self,
        stream: TextIO,
        decoded: Callable[[str, SourceRecord], Decoded | None],
        rejects_share_max: float,
        *,
        show_message: bool,
    ) -> None:
        """`decoded` gives what a route reads in a record. `show_message`: that of events, too."""
        self._stream = stream
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._json = JSONHighlighter()
        self._decoded = decoded
        self._rejects_share_max = rejects_share_max
        self._show_message = show_message
        self._shown = False

    def message(self, record: SourceRecord, judged: Judgement) -> None:
        if self._console.is_terminal and self._shown:
            self._line(Text())
        self._shown = True
        head = Text().append(f"{judged.outcome:<6}", _STYLES[judged.outcome])
        head.append(f"  {safe(_place(record))}", "bold").append(f"  {safe(_why(judged))}")
        self._line(head, 0)
        if self._show_message:
            self._metadata(record, judged)
        if self._show_message or judged.outcome != "event":
            self._fact("message", self._message_text(record))
        for fault in judged.faults:
            told = Text(safe(str(fault)))
            told.stylize("bold", 0, len(safe(fault.field or "event")))
            self._line(told)
        for number, event in enumerate(judged.events, 1):
            if len(judged.events) > 1:
                self._line(Text(f"event {number} of {len(judged.events)}", "dim"))
            self._event(event)

    def end(self, tally: Tally) -> None:
        """The sums, where there is something to sum up."""
        if not tally.messages:
            return
        if self._shown:
            self._line(Text())
        self._line(Text(_counted(tally.messages, "message"), "bold"), 0)
        for row in _rows(tally):
            share = f"{row.messages / tally.messages:8.1%}"
            line = Text(f"{row.messages:>8,} {share}  {'  ' * row.level}").append(safe(row.text), row.style)
            self._line(line, 0)
        if tally.rejects > self._rejects_share_max * tally.messages:
            limit = f"{self._rejects_share_max:.1%}".replace(".0%", "%")
            note = f"More than {limit} rejected (dead_letters.rejects_share_max): with so many the job stops and waits."
            self._line(Text(note, "yellow"), 0)

    def _metadata(self, record: SourceRecord, judged: Judgement) -> None:
        if (key := record.key()) is not None:
            self._fact("key", message_text(key, None))
        for name, content in record.headers() or ():
            self._fact(f"header {safe(name)}", "null" if content is None else message_text(content, None))
        if judged.ordering_key and judged.ordering_key != key:
            self._fact("ordering key", message_text(judged.ordering_key, None))

    def _fact(self, name: str, text: str) -> None:
        self._line(Text().append(f"{name}: ", "dim").append(text))

    def _message_text(self, record: SourceRecord) -> str:
        try:
            decoded = self._decoded(record.topic(), record) if record.value() is not None else None
        except DecodeError:
            decoded = None
        # with blanks between the tokens, where a line can end
        text = None if decoded is None else msgspec.json.format(json_bytes(decoded.value), indent=0)
        return message_text(record.value(), text)

    def _event(self, event: bytes) -> None:
        lines = [safe(line) for line in msgspec.json.format(event, indent=2).decode().split("\n")]
        if not self._console.is_terminal:
            self._stream.writelines(f"{' ' * _INDENT}{line}\n" for line in lines)
            return
        for line in lines:
            text = line.lstrip(" ")
            self._line(self._json(text), _INDENT + len(line) - len(text))

    def _line(self, text: Text, indent: int = _INDENT) -> None:
        if not text:
            self._console.line()
        elif self._console.is_terminal:
            self._console.print(Padding(text, (0, 0, 0, indent), expand=False))
        else:
            self._stream.write(f"{' ' * indent}{text.plain}\n")


class _Row(NamedTuple):
    level: int
    messages: int
    text: str
    style: str = ""


def _rows(tally: Tally) -> Iterator[_Row]:
    yield _Row(0, tally.sent, f"sent, as {_counted(tally.events, 'event')}", "green" if tally.sent else "")
    if len(tally.by_route) > 1:
        yield from (_Row(1, count, f"by {route}") for route, count in tally.by_route.most_common())
    yield _Row(0, tally.skipped.total(), "skipped", "yellow" if tally.skipped else "")
    yield from (_Row(1, count, reason) for reason, count in tally.skipped.most_common())
    yield _Row(0, tally.rejects, "rejected", "red" if tally.rejects else "")
    for kind, count in tally.rejected.most_common():
        yield _Row(1, count, f"{kind.stage}, {kind.reason}")
        fields = tally.fields[kind].most_common()
        yield from (_Row(2, times, field) for field, times in fields[:_FIELDS_SHOWN_MAX])
        if len(fields) > _FIELDS_SHOWN_MAX:
            left = fields[_FIELDS_SHOWN_MAX:]
            yield _Row(2, sum(times for _, times in left), f"in {len(left)} more fields")


def message_text(value: bytes | None, decoded: bytes | None) -> str:
    """The beginning of a message: its value as JSON where it can be read, else as text, else as bytes."""
    if value is None:
        return "no value (a tombstone)"
    if not value:
        return "no bytes at all"
    shown = decoded if decoded is not None else value
    size = f" ... ({len(value):,} bytes)"
    start = shown[: 4 * _MESSAGE_CHARACTERS_MAX]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start, final=len(start) == len(shown))
    except UnicodeDecodeError:
        text = ""
    if text[:1].isprintable() and text:
        text = " ".join(text.split())
        cut = len(text) > _MESSAGE_CHARACTERS_MAX or len(start) < len(shown)
        return safe(text[:_MESSAGE_CHARACTERS_MAX]) + (size if cut else "")
    return value[:_HEX_BYTES_MAX].hex(" ").upper() + (size if len(value) > _HEX_BYTES_MAX else "")


def safe(text: str) -> str:
    """Without what steers a terminal; in JSON the escapes mean the same."""
    if text.isprintable():
        return text
    return "".join(_escaped(letter) if unicodedata.category(letter) in _UNSAFE else letter for letter in text)


def _escaped(letter: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in memoryview(letter.encode("utf-16-le", "surrogatepass")).cast("H"))


def _place(record: SourceRecord) -> str:
    if isinstance(record, FileRecord):
        return f"{record.place}  {record.topic()}"
    return f"{record.topic()}[{record.partition()}] offset {record.offset()}"


def _why(judged: Judgement) -> str:
    match judged.outcome:
        case "event":
            return f"by {judged.route}"
        case "skip":
            if judged.skipped == "tombstone":
                return "tombstone: it has no value"
            return f"filtered: {f'{judged.route} made no event of it' if judged.route else 'no route took it'}"
        case "reject":
            assert judged.reject is not None
            by = f"by {judged.route}: " if judged.route else ""
            return f"{by}{judged.reject.stage}, {judged.reject.reason}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
