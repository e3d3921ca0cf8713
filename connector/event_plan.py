"""How the text of an event is put together: what of it is literal, and what stands in which field of a message.

A route's settings become a plan (`mapping.straight`); whoever reads a format writes code that carries it out
(`mapping.json_texts`, `decode.avro_texts`), and `Composer` writes the half of that code that is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from connector.core.records import SourceRecord

Write: TypeAlias = Callable[[Sequence[bytes], Sequence[SourceRecord]], list[bytes]]
"""The values of messages, and their records, to the texts of their events; FILTERED where `when` is false."""

FILTERED = b""

MARKS = bytes([*range(32), *b'"\\'])
"""What cannot stand in a text of JSON as it is."""


class Slot(NamedTuple):
    """A field in a view of a message: the attributes on the way to it; with `item`, that one of each item there."""

    attributes: tuple[str, ...]
    item: str | None = None


class Text(NamedTuple):
    """The JSON text of what stands there; null leaves the member out."""

    slot: Slot


class Moment(NamedTuple):
    """The same as a time: UTC in whole seconds."""

    slot: Slot


class Equals(NamedTuple):
    """Whether this text stands there."""

    slot: Slot
    text: str


class Evaluated(NamedTuple):
    """What an expression makes of the view; null leaves the member out."""

    evaluate: Callable[[Any], Any]


class Members(NamedTuple):
    """An object of JSON."""

    members: Sequence[tuple[bytes, Content]]
    """Each with its name as JSON text."""


Content: TypeAlias = "bytes | Text | Moment | Evaluated | Members"
"""Bytes are a literal, as JSON text."""


class HasRecord(Protocol):
    record: SourceRecord | None


class Conversions(NamedTuple):
    """From values to texts, as mapping says it."""

    encode: Callable[[Any], bytes]
    """The JSON text of any value."""
    moment: Callable[[Any], bytes | None]
    """A time without its quotation marks; null stays null."""
    moment_of_seconds: Mapping[int, bytes]
    """The same of seconds since 1970; has all that are in the calendar."""


class EventPlan(NamedTuple):
    view: type[Any]
    """A msgspec struct. Fields that a Text names are of the type msgspec.Raw, others Any, or structs, or lists of them.

    Structs and lists may be None, and so may everything that is missing in the message.
    """
    event: Content | None
    """None: the message is the event itself."""
    when: Equals | Evaluated | None
    conversions: Conversions
    message: HasRecord | None = None
    """Where the expressions look for the record that they are about; None: they do not."""

    def contents(self) -> Iterator[Content | Equals]:
        """All that is not an object itself."""
        if self.when is not None:
            yield self.when
        yield from _contents(self.event)

    @property
    def evaluates(self) -> bool:
        return any(isinstance(content, Evaluated) for content in self.contents())


def _contents(content: Content | None) -> Iterator[Content]:
    if isinstance(content, Members):
        for _, inner in content.members:
            yield from _contents(inner)
    elif content is not None:
        yield content


class Piece(NamedTuple):
    """What a member's text is called in the code, and what stands around it."""

    code: str
    """An expression of the type bytes; the name of a variable where it is optional."""
    before: bytes = b""
    after: bytes = b""
    optional: bool = False
    """It may be None."""


class Composer:
    """Writes code that joins the text of an event: `statements` first, then `code` is an expression of it.

    `marks`: how many bytes of MARKS are in what is written here; of a member that is optional the code adds them to the
    variable `q`, if `counts`.
    """

    def __init__(self, piece_of: Callable[[Content], Piece | None], *, counts: bool) -> None:
        self._piece_of = piece_of
        self._counts = counts
        self._parts: list[bytes | str] = []
        self._names = 0
        self.statements: list[str] = []
        self.marks = 0

    @property
    def code(self) -> str:
        parts = ", ".join(part if isinstance(part, str) else repr(part) for part in self._parts)
        return f"join(({parts},))"

    def add(self, content: Content | Piece) -> None:
        match content:
            case bytes():
                self._literal(content)
            case Members():
                self._add_members(content)
            case Piece():
                self._literal(content.before)
                self._parts.append(content.code)
                self._literal(content.after)
            case _:
                piece = self._piece_of(content)
                assert piece is not None, "an event of one member alone that no message has"
                self.add(piece)

    def _add_members(self, members: Members) -> None:
        parts: list[tuple[bytes, Content | Piece]] = []
        for name, content in members.members:
            part: Content | Piece | None = content
            if not isinstance(content, bytes | Members):
                part = self._piece_of(content)
            if part is not None:
                parts.append((name, part))
        optional = [isinstance(part, Piece) and part.optional for _, part in parts]
        # The first that is always there parts those that bring a comma behind them from those with one in front.
        first = optional.index(False) if False in optional else len(parts)
        self._literal(b"{")
        if parts and first == len(parts):
            variables = [self._optional(name, part, comma_first=True) for name, part in parts]
            self._parts.append(f"({' + '.join(variables)})[1:]")
        else:
            for place, (name, part) in enumerate(parts):
                if optional[place]:
                    self._parts.append(self._optional(name, part, comma_first=place > first))
                    continue
                self._literal((b"," if place > first else b"") + name + b":")
                self.add(part)
        self._literal(b"}")

    def _optional(self, name: bytes, part: Content | Piece, *, comma_first: bool) -> str:
        """A variable with the whole member in it, or nothing."""
        assert isinstance(part, Piece)
        self._names += 1
        variable = f"o{self._names}"
        before = (b"," if comma_first else b"") + name + b":" + part.before
        after = part.after + (b"" if comma_first else b",")
        joined = " + ".join([repr(before), part.code, *([repr(after)] if after else [])])
        self.statements += [f"if {part.code} is None:", f"    {variable} = b''", "else:", f"    {variable} = {joined}"]
        if self._counts:
            self.statements.append(f"    q += {marks_in(before + after)}")
        return variable

    def _literal(self, text: bytes) -> None:
        self.marks += marks_in(text)
        last = self._parts[-1] if self._parts else None
        if isinstance(last, bytes):
            self._parts[-1] = last + text
        elif text:
            self._parts.append(text)


def marks_in(text: bytes) -> int:
    return len(text) - len(text.translate(None, MARKS))
