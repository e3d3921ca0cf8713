"""A schema and a plan as code: one function from Avro messages to the texts of their events.

Nothing is made of a field that is only copied: its bytes are cut out and put between quotation marks. Whether all of
them can stand in a text of JSON as they are is looked up once for each event; where not, they are written anew. Their
UTF-8 is left to whoever accepts the event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, get_args, get_origin

import msgspec

from connector.core.records import SourceRecord
from connector.decode.avro_code import NOTHING, WHOLE, CodeWriter, NotWritten
from connector.decode.avro_logical import PREFIX, SYMBOLS, TIMESTAMPS
from connector.event_plan import (
    FILTERED,
    MARKS,
    Composer,
    Content,
    Equals,
    Evaluated,
    EventPlan,
    Moment,
    Piece,
    Slot,
    Text,
    marks_in,
)

TextCode: TypeAlias = Callable[[Sequence[bytes], Sequence[SourceRecord], int], list[bytes | None]]
"""(values, their records, where the payload starts in each) to events, or FILTERED; None where a number may be none,
which JSON cannot say. Raises avro_code.UNUSUAL and what the plan's expressions raise."""


def text_code(reading: dict[str, Any], plan: EventPlan) -> TextCode | None:
    """For the reading schema of avro_schema, before fastavro parses it. None: the events are made another way."""
    assert plan.event is not None, "a message in Avro is no event itself"
    writer = _TextWriter(plan)
    try:
        view = writer.value(reading, _Part(plan.view, ()), 0)
        return writer.finished(view, plan.event)
    except NotWritten:
        return None


class _Part(NamedTuple):
    """What is wanted of a value: a view of it, or what stands at one slot."""

    type: Any
    """As the fields of the view have it, without None."""
    attributes: tuple[str, ...]
    of_items: bool = False

    @property
    def slot(self) -> Slot:
        return Slot(self.attributes[:-1], self.attributes[-1]) if self.of_items else Slot(self.attributes)


class _TextWriter(CodeWriter):
    """The texts of slots are in variables of their own; `value` gives the view, where expressions look at one.

    `q` counts the bytes of MARKS that the event may have.
    """

    def __init__(self, plan: EventPlan) -> None:
        super().__init__(indent=2)
        self._plan = plan
        self._copied: dict[Slot, Text | Moment | Equals] = {}
        for content in plan.contents():
            if isinstance(content, Text | Moment | Equals):
                self._copied[content.slot] = content
        self._pieces: dict[Slot, Piece | None] = {}
        """None: the schema does not have the field."""
        self._texts: list[str] = []
        self._lists: list[tuple[str, str, bool]] = []
        """Variables of the texts of items and of all of them together; and whether they are in quotation marks."""
        self._evaluated: list[str] = []
        self._may_be_infinite = False
        self.names |= {
            "FILTERED": FILTERED,
            "MARKS": MARKS,
            "join": b"".join,
            "marks_in": marks_in,
            "encode": plan.conversions.encode,
            "moment": plan.conversions.moment,
            "seconds": plan.conversions.moment_of_seconds,
            "escaped": self._escaped,
            "message": plan.message,
        }

    def finished(self, view: str, event: Content) -> TextCode:
        composer = Composer(self._piece_of, counts=True)
        composer.add(event)
        self.names["allowed"] = composer.marks
        each = ["    for b in values:"]
        if self._plan.message is not None:
            each = ["    for b, record in zip(values, records):", "        message.record = record"]
        put_together = [*self._joined_items(), *composer.statements, f"t = {composer.code}"]
        escapes = [f"{name} = escaped({name})" for name in self._texts]
        escapes += [f"{items} = {items} and list(map(escaped, {items}))" for items, _, quoted in self._lists if quoted]
        body = [
            "if i != z:",
            "    raise Unusual",
            *([f"w = {view}"] if self._plan.evaluates else []),
            *self._decision(),
            *self._evaluated,
            *put_together,
        ]
        body += ["if len(t) - len(t.translate(None, MARKS)) != q:"]
        body += [f"    {line}" for line in (*escapes, *put_together)]
        code: TextCode = self.made(
            [
                "def write(values, records, start):",
                "    out = []",
                "    add = out.append",
                *each,
                "        z = len(b)",
                "        q = allowed",
                *(["        finite = True"] if self._may_be_infinite else []),
                "        i = start",
                *self.lines,
                *(
                    f"        {line}"
                    for line in (*body, "add(t if finite else None)" if self._may_be_infinite else "add(t)")
                ),
                "    return out",
            ],
            "write",
        )
        return code

    def _decision(self) -> list[str]:
        match self._plan.when:
            case None:
                return []
            case Equals(slot, text):
                self.names["equals"] = text.encode()
                piece = self._pieces[slot]
                name = "None" if piece is None else piece.code
                # What is no text equals none, but is to be told.
                check = [f"    if {name} is not None:", f"        {name}.decode()"] if piece is not None else []
                return [f"if {name} != equals:", *check, "    add(FILTERED)", "    continue"]
            case Evaluated(evaluate):
                return [f"if not {self.constant(evaluate)}(w):", "    add(FILTERED)", "    continue"]

    def _joined_items(self) -> list[str]:
        lines = []
        for items, all_items, quoted in self._lists:
            whole = f"b'[\"' + b'\",\"'.join({items}) + b'\"]'" if quoted else f"b'[' + b','.join({items}) + b']'"
            lines += [f"if {items}:", f"    {all_items} = {whole}"]
            lines += [f"    q += 2 * len({items})"] if quoted else []
            lines += ["else:", f"    {all_items} = {items} if {items} is None else b'[]'"]
        return lines

    def _piece_of(self, content: Content) -> Piece | None:
        match content:
            case Text(slot) | Moment(slot):
                return self._pieces[slot]
            case Evaluated(evaluate):
                name = self.name("e")
                self._evaluated += [f"{name} = {self.constant(evaluate)}(w)", f"if {name} is not None:"]
                self._evaluated += [f"    {line}" for line in self._encoding(name)]
                return Piece(name, optional=True)
            case _:
                raise AssertionError(content)

    def _encoding(self, name: str) -> list[str]:
        """A value's text instead of it. A null in that is one, or a number that is none."""
        self._may_be_infinite = True
        return [f"{name} = encode({name})", f"q += marks_in({name})", f"finite = finite and b'null' not in {name}"]

    def _escaped(self, text: bytes | None) -> bytes | None:
        return None if text is None else self._plan.conversions.encode(text.decode())[1:-1]

    def value(self, schema: Any, view: Any, loops: int) -> str:
        if not isinstance(view, _Part):
            return super().value(schema, view, loops)
        schema = self.resolved(schema)
        if isinstance(schema, list):
            return self._part_of_union(schema, view, loops)
        content = self._copied.get(view.slot) if view.attributes else None
        if content is not None:
            if schema == "null":
                self._is_null(content.slot, view)
            else:
                self._read(content, schema, loops)
            return self._nothing
        if view.type is Any:
            return super().value(schema, WHOLE, loops)
        if get_origin(view.type) is list and isinstance(schema, dict) and schema["type"] == "array":
            return self._part_of_array(schema["items"], view, loops)
        if get_origin(view.type) is not list and isinstance(schema, dict) and schema["type"] == "record":
            return self._part_of_record(schema, view, loops)
        for slot in self._below(view):
            self._is_null(slot, view)
        if schema != "null":
            self.line("raise Unusual")  # an object or an array is looked for, and this is none
        return self._nothing

    @property
    def _nothing(self) -> str:
        """In place of a value in the view, if there is a view."""
        return "None" if self._plan.evaluates else ""

    def _below(self, part: _Part) -> list[Slot]:
        def leads(slot: Slot) -> bool:
            way = slot.attributes if slot.item is None else (*slot.attributes, slot.item)
            return way[: len(part.attributes)] == part.attributes

        return list(filter(leads, self._copied))

    def _part_of_union(self, branches: list[Any], part: _Part, loops: int) -> str:
        below = self._below(part)
        if below and sum(branch != "null" for branch in branches) > 1:
            if not isinstance(self._copied.get(part.slot), Text):
                raise NotWritten
            name = super().value(branches, WHOLE, loops)
            text = self._variable(part.slot)
            self.line(f"{text} = {name}", f"if {text} is not None:")
            self.line(*(f"    {line}" for line in self._encoding(text)))
            self._pieces[part.slot] = Piece(text, optional=True)
            return self._nothing
        name = self._union(branches, part, loops)
        for slot in below:
            piece = self._pieces[slot]
            self._pieces[slot] = piece and piece._replace(optional=True)
        return name

    def _part_of_record(self, schema: dict[str, Any], part: _Part, loops: int) -> str:
        wanted = {
            field.encode_name: _Part(_without_none(field.type), (*part.attributes, field.name), part.of_items)
            for field in msgspec.structs.fields(part.type)
        }
        found = {
            field["name"]: self.value(field["type"], wanted.get(field["name"], NOTHING), loops)
            for field in schema["fields"]
        }
        for name, missing in wanted.items():
            if name not in found:
                for slot in self._below(missing):
                    self._pieces[slot] = None
        if not self._plan.evaluates:
            return ""
        return self.set(f"{self.constant(part.type)}({', '.join(found.get(name, 'None') for name in wanted)})")

    def _part_of_array(self, items: Any, part: _Part, loops: int) -> str:
        resolved = self.resolved(items)
        if not isinstance(resolved, dict) or resolved["type"] != "record":
            raise NotWritten  # null among the items, say: the long way knows what to do
        (item,) = get_args(part.type)
        values = self.set("[]") if self._plan.evaluates else ""
        lists = {slot: f"l{self._number(slot)}" for slot in self._below(part)}
        for name in lists.values():
            self.line(f"{name} = []")
        with self.blocks(loops):
            value = self.value(items, _Part(item, part.attributes, of_items=True), loops + 1)
            if values:
                self.line(f"{values}.append({value})")
            for slot, name in lists.items():
                piece = self._pieces[slot]
                if piece is not None and piece.optional:
                    self.line(f"if {piece.code} is not None:", f"    {name}.append({piece.code})")
                elif piece is not None:
                    self.line(f"{name}.append({piece.code})")
        for slot, name in lists.items():
            piece = self._pieces[slot]
            together = self._variable(slot)
            self._texts = [text for text in self._texts if text != together]
            self._lists.append((name, together, piece is not None and bool(piece.before)))
            self._pieces[slot] = Piece(together)
        return values

    def _read(self, content: Text | Moment | Equals, schema: Any, loops: int) -> None:
        slot = content.slot
        name = self._variable(slot)
        quoted = Piece(name, b'"', b'"')
        match content, schema:
            case ((Text() | Equals()), "string"):
                self.size()
                self.line("j = i + (n >> 1)", f"{name} = b[i:j]", "i = j")
                self._pieces[slot] = quoted
                self._texts.append(name)
            case ((Text() | Equals()), {"logicalType": logical}) if logical == PREFIX + "enum":
                symbols = tuple(symbol.encode() for symbol in schema[SYMBOLS])
                if any(map(marks_in, symbols)):
                    raise NotWritten
                self.size()
                self.line(f"{name} = {self.constant(symbols)}[n >> 1]")
                self._pieces[slot] = quoted
            case Text(), "int" | "long":
                self.long()
                self.line(f"{name} = b'%d' % ((n >> 1) ^ -(n & 1))")
                self._pieces[slot] = Piece(name)
            case Text(), "double":
                value = super().value(schema, WHOLE, loops)
                self._may_be_infinite = True
                self.line(f"if {value} - {value}:", "    finite = False", f"{name} = encode({value})")
                self._pieces[slot] = Piece(name)
            case Text(), _:
                self.line(f"{name} = {super().value(schema, WHOLE, loops)}", *self._encoding(name))
                self._pieces[slot] = Piece(name)
            case Moment(), {"type": "long", "logicalType": logical} if logical in TIMESTAMPS:
                self.long()
                self.line(f"{name} = seconds[((n >> 1) ^ -(n & 1)) // {TIMESTAMPS[logical]}]")
                self._pieces[slot] = quoted
            case Moment(), _:
                self.line(f"{name} = moment({super().value(schema, WHOLE, loops)})")
                self._pieces[slot] = quoted._replace(optional=True)
            case _:
                raise NotWritten

    def _is_null(self, slot: Slot, part: _Part) -> None:
        name = self._variable(slot)
        self.line(f"{name} = None")
        if slot.item is not None and not part.of_items:
            self.line(f"l{self._number(slot)} = None")
        self._pieces.setdefault(slot, Piece(name, optional=True))  # another branch may have said what it is else

    def _variable(self, slot: Slot) -> str:
        return f"s{self._number(slot)}"

    def _number(self, slot: Slot) -> int:
        return list(self._copied).index(slot)


def _without_none(kind: Any) -> Any:
    """Views say of each object and array that it may be None."""
    parts = [part for part in get_args(kind) if part is not type(None)] if get_origin(kind) is not list else []
    return parts[0] if parts else kind
