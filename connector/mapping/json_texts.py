"""A plan for messages in JSON, as code: msgspec finds the fields in C, and their texts are joined as they are.

A text of JSON is one in the event, too, so nothing is made of it and nothing written anew. That no field is null is
taken for granted first, and looked for in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connector.event_plan import (
    FILTERED,
    Composer,
    Content,
    Equals,
    Evaluated,
    EventPlan,
    Moment,
    Piece,
    Slot,
    Text,
    Write,
)
from connector.mapping.views import value_at

_NULL = msgspec.Raw(b"null")


def json_texts(plan: EventPlan) -> Write:
    """Raises what the expressions raise, and msgspec.DecodeError for what the view does not fit. No value is empty."""
    names: dict[str, Any] = {
        "read": msgspec.json.Decoder(plan.view).decode,
        "message": plan.message,
        "FILTERED": FILTERED,
        "join": b"".join,
        "NULL": _NULL,
    }
    lines = ["def write(values, records):", "    out = []", "    add = out.append"]
    if plan.message is None:
        lines.append("    for b in values:")
    else:
        lines += ["    for b, record in zip(values, records):", "        message.record = record"]
    lines.append("        w = read(b)")
    match plan.when:
        case None:
            pass
        case Equals(slot, text):
            names |= {"equals": text, "at": value_at(slot.attributes)}
            found = f"w.{slot.attributes[0]}" if len(slot.attributes) == 1 else "at(w)"
            lines += [f"        if {found} != equals:", "            add(FILTERED)", "            continue"]
        case Evaluated(evaluate):
            names["holds"] = evaluate
            lines += ["        if not holds(w):", "            add(FILTERED)", "            continue"]
    if plan.event is None:
        lines.append("        add(b)")
    else:
        names["slowly"] = _with_nulls(plan, plan.event)
        pieces = _Pieces(plan, names)
        composer = Composer(pieces.quick, counts=False)
        composer.add(plan.event)
        doubt = f"slowly(w) if {pieces.some_is_null} else " if pieces.some_is_null else ""
        lines += [
            "        try:",
            *(f"            {line}" for line in pieces.lines),
            f"            t = {doubt}{composer.code}",
            "        except (AttributeError, TypeError):  # there is None where a field, or an object, is missing",
            "            t = slowly(w)",
            "        add(t)",
        ]
    lines.append("    return out")
    write: Write = _made(lines, "write", names)
    return write


def _with_nulls(plan: EventPlan, event: Content) -> Callable[[Any], bytes]:
    """The same for one view whose fields may be missing or null: these members are left out."""
    names: dict[str, Any] = {"join": b"".join, "NULL": _NULL}
    pieces = _Pieces(plan, names)
    composer = Composer(pieces.slow, counts=False)
    composer.add(event)
    body = [*pieces.lines, *composer.statements, f"return {composer.code}"]
    slowly: Callable[[Any], bytes] = _made(["def slowly(w):", *(f"    {line}" for line in body)], "slowly", names)
    return slowly


def _made(lines: list[str], name: str, names: dict[str, Any]) -> Any:
    # Names of attributes are the view's own (f0, f1), and what else the settings say went through repr().
    exec(compile("\n".join(lines), "<event plan>", "exec"), names)  # noqa: S102
    return names[name]


class _Pieces:
    """`lines` put the text of each member into a variable of its own, from the view `w`."""

    def __init__(self, plan: EventPlan, names: dict[str, Any]) -> None:
        self._names = names
        names |= {"encode": plan.conversions.encode, "moment": plan.conversions.moment}
        self._count = 0
        self._copied: list[str] = []
        self._nulls: list[str] = []
        self.lines: list[str] = []

    @property
    def some_is_null(self) -> str:
        """An expression that is true where a member is null and the quick way does not do."""
        return " or ".join([*self._nulls, *([f"NULL in ({', '.join(self._copied)},)"] if self._copied else [])])

    def quick(self, content: Content) -> Piece:
        """Where nothing is null or missing. Of what is missing the lines, or what joins them, raise."""
        name = self._variable()
        match content:
            case Text(Slot(attributes, None)):
                self._copied.append(name)
                self.lines.append(f"{name} = w.{'.'.join(attributes)}")
                return Piece(name)
            case Text(Slot(attributes, item)):
                self._nulls.append(f"NULL in {name}")
                self.lines.append(f"{name} = [each.{item} for each in w.{'.'.join(attributes)}]")
                return Piece(f"b','.join({name})", b"[", b"]")
            case Moment(slot):
                self.lines.append(f"{name} = moment(w.{'.'.join(slot.attributes)})")
                return Piece(name, b'"', b'"')
            case Evaluated(evaluate):
                self._nulls.append(f"{name} is None")
                self.lines.append(f"{name} = {self._name(evaluate)}(w)")
                return Piece(f"encode({name})")
            case _:
                raise AssertionError(content)

    def slow(self, content: Content) -> Piece:
        name = self._variable()
        match content:
            case Text(Slot(attributes, None)):
                self._look_up(name, attributes)
                self.lines += [f"if {name} == NULL:", f"    {name} = None"]
            case Text(Slot(attributes, item)):
                self._look_up(name, attributes)
                texts = f"[text for each in {name} if (text := each.{item}) is not None and text != NULL]"
                self.lines += [f"if {name} is not None:", f"    {name} = b'[' + b','.join({texts}) + b']'"]
            case Moment(slot):
                self._look_up(name, slot.attributes)
                self.lines.append(f"{name} = moment({name})")
                return Piece(name, b'"', b'"', optional=True)
            case Evaluated(evaluate):
                self.lines += [f"{name} = {self._name(evaluate)}(w)", f"if {name} is not None:"]
                self.lines.append(f"    {name} = encode({name})")
            case _:
                raise AssertionError(content)
        return Piece(name, optional=True)

    def _look_up(self, name: str, attributes: tuple[str, ...]) -> None:
        first, *others = attributes
        self.lines.append(f"{name} = w.{first}")
        for attribute in others:
            self.lines += [f"if {name} is not None:", f"    {name} = {name}.{attribute}"]

    def _variable(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _name(self, function: object) -> str:
        name = f"k{len(self._names)}"
        self._names[name] = function
        return name
