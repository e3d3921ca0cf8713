"""A schema as code: one Python function that reads what the schema describes, written out for its fields.

fastavro goes through the schema again for every value, which costs more than reading it; what is written here takes
half of the time. (`avro_text_code` makes the texts of events by it, without values.) It is optimistic: whatever is
unusual (a cut-off payload, a number of more than 64 bits, a branch that the union does not have) is Unusual, and left
to fastavro, which reads it or says what is wrong. Where the code gives a value, it is fastavro's, as a property test
shows. Of what is stepped over only the size is looked at.

Work is bounded as it is with fastavro: it is made only of schemas whose items take a byte at least (`needs_walk`), and
everything that is read either raises beyond the end or is compared to it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from fastavro.read import LOGICAL_READERS

from connector.decode.avro_logical import PREFIX, SYMBOLS
from connector.errors import DecodeError

ReadCode: TypeAlias = Callable[[bytes, int], Any]
"""(what holds the payload, where it starts) to the value. The payload ends where the bytes end."""

_LINES_MAX = 3_000
"""A schema that takes more, by its size or by using its types again and again, is left to fastavro."""
_LOOPS_MAX = 8
"""Arrays and maps inside each other; Python itself allows 20."""
_BRANCHES_MAX = 64
"""Their numbers take one byte."""


WHOLE: Final = "whole"
"""Wanted are plain values, all of them."""
NOTHING: Final = "nothing"
"""It is only stepped over."""


class Unusual(Exception):
    """The payload is not what the code was written for."""


UNUSUAL: tuple[type[Exception], ...] = (Unusual, IndexError, UnicodeDecodeError, struct.error, DecodeError)
"""What the code raises where fastavro must look."""


class NotWritten(Exception):
    """The schema is left to fastavro."""


def long_at(payload: bytes, at: int) -> tuple[int, int]:
    """The varint at `at`, as it is written (zigzag), and where it ends. 64 bits at most."""
    byte = payload[at]
    raw = byte & 127
    shift = 7
    while byte > 127:
        at += 1
        byte = payload[at]
        raw |= (byte & 127) << shift
        shift += 7
        if raw >> 64 or shift > 70:
            raise Unusual
    return raw, at + 1


def size_at(payload: bytes, at: int) -> tuple[int, int]:
    raw, at = long_at(payload, at)
    if raw & 1:  # a negative length: it would go back
        raise Unusual
    return raw, at


def reading_code(reading: dict[str, Any]) -> ReadCode | None:
    """For the reading schema of avro_schema, before fastavro parses it. None: it is left to fastavro."""
    writer = CodeWriter()
    try:
        value = writer.value(reading, WHOLE, 0)
    except NotWritten:
        return None
    head = ["def read(b, i):", "    z = len(b)"]
    tail = ["    if i != z:", "        raise Unusual", f"    return {value}"]
    read: ReadCode = writer.made([*head, *writer.lines, *tail], "read")
    return read


class CodeWriter:
    """Writes statements that read one value from `b` at `i` into a variable, whose name `value` gives.

    `z` is the end of `b`; `n` and `j` are used within one statement's lines alone.
    """

    def __init__(self, indent: int = 1) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "Unusual": Unusual,
            "long_at": long_at,
            "size_at": size_at,
            "double_at": struct.Struct("<d").unpack_from,
            "float_at": struct.Struct("<f").unpack_from,
        }
        self._indent = indent
        self._records: dict[str, Any] = {}
        self._count = 0

    def made(self, lines: list[str], name: str) -> Any:
        """The function of that name which the lines define."""
        # Every name and symbol in it went through repr(), and nothing else of the schema's text is in it.
        exec(compile("\n".join(lines), "<avro schema>", "exec"), self.names)  # noqa: S102
        return self.names[name]

    def value(self, schema: Any, view: Any, loops: int) -> str:
        """`view`: WHOLE or NOTHING. Inside of `loops` loops."""
        schema = self.resolved(schema)
        match schema:
            case list():
                return self._union(schema, view, loops)
            case {"type": "record"}:
                return self._record(schema, view, loops)
            case {"type": "array", "items": items}:
                return self._array(items, view, loops)
            case "null":
                return "" if view is NOTHING else "None"
            case {"type": "map", "values": values}:
                return self._map(values, view, loops)
            case {"logicalType": logical} if logical == PREFIX + "enum":
                self.size()
                return "" if view is NOTHING else self.set(f"{self.constant(tuple(schema[SYMBOLS]))}[n >> 1]")
            case {"type": kind, "logicalType": logical}:
                raw = self._fixed(schema["size"], view) if kind == "fixed" else self._primitive(kind, view)
                if view is NOTHING:
                    return ""
                read = self.constant(LOGICAL_READERS[f"{kind}-{logical}"])
                return self.set(f"{read}({raw}, {self.constant(schema)})")
            case str():
                return self._primitive(schema, view)
            case _:
                raise NotWritten

    def resolved(self, schema: Any) -> Any:
        """The schema itself for the name of a record."""
        if isinstance(schema, str):
            return self._records.get(schema, schema)
        if isinstance(schema, dict) and schema["type"] == "record":
            self._records[schema["name"]] = schema
        return schema

    def _record(self, schema: dict[str, Any], view: Any, loops: int) -> str:
        fields: list[dict[str, Any]] = schema["fields"]
        values = [self.value(field["type"], view, loops) for field in fields]
        pairs = zip(fields, values, strict=True)
        text = ", ".join(f"{field['name']!r}: {value}" for field, value in pairs)
        return "" if view is NOTHING else self.set("{" + text + "}")

    def _primitive(self, kind: str, view: Any) -> str:
        match kind:
            case "boolean":
                self.line("n = b[i]", "i += 1", "if n > 1:", "    raise Unusual")
                return "" if view is NOTHING else self.set("n == 1")
            case "int" | "long":
                self.long()
                return "" if view is NOTHING else self.set("(n >> 1) ^ -(n & 1)")
            case "double" | "float":
                size = 8 if kind == "double" else 4
                if view is NOTHING:
                    return self._fixed(size, view)
                value = self.set(f"{kind}_at(b, i)[0]")
                self.line(f"i += {size}")
                return value
            case "string" | "bytes":
                self.size()
                if view is NOTHING:
                    self.line("i += n >> 1")
                    return ""
                self.line("j = i + (n >> 1)")
                value = self.set("b[i:j].decode()" if kind == "string" else "b[i:j]")
                self.line("i = j")
                return value
            case _:
                raise NotWritten

    def _fixed(self, size: int, view: Any) -> str:
        if view is NOTHING:
            self.line(f"i += {size}", "if i > z:", "    raise Unusual")
            return ""
        self.line(f"j = i + {size}", "if j > z:", "    raise Unusual")
        value = self.set("b[i:j]")
        self.line("i = j")
        return value

    def _union(self, branches: list[Any], view: Any, loops: int) -> str:
        if len(branches) > _BRANCHES_MAX:
            raise NotWritten
        name = self.name("v")
        chosen = self.name("u")
        self.line(f"{chosen} = b[i]", "i += 1")
        has_values = False
        for number, branch in enumerate(branches):
            self.line(f"{'el' if number else ''}if {chosen} == {2 * number}:")
            with self.indented():
                value = self.value(branch, view, loops)
                self.line(f"{name} = {value}" if value else "pass")
                has_values = has_values or bool(value)
        self.line("else:", "    raise Unusual")
        return name if has_values else ""

    def _array(self, items: Any, view: Any, loops: int) -> str:
        values = "" if view is NOTHING else self.set("[]")
        with self.blocks(loops):
            value = self.value(items, view, loops + 1)
            if values:
                self.line(f"{values}.append({value})")
        return values

    def _map(self, items: Any, view: Any, loops: int) -> str:
        values = "" if view is NOTHING else self.set("{}")
        with self.blocks(loops):
            key = self._primitive("string", view)
            value = self.value(items, view, loops + 1)
            if values:
                self.line(f"{values}[{key}] = {value}")
        return values

    @contextmanager
    def blocks(self, loops: int) -> Iterator[None]:
        """Around the lines of one item."""
        if loops == _LOOPS_MAX:
            raise NotWritten
        count = self.name("c")
        self.long()
        self.line(f"{count} = n", f"while {count}:")
        with self.indented():
            # A negative number of items is followed by their size in bytes, which is of no use here.
            self.line(f"if {count} & 1:", f"    {count} += 1", "    n, i = long_at(b, i)")
            self.line(f"for _ in range({count} >> 1):")
            with self.indented():
                yield
            self.long()
            self.line(f"{count} = n")

    def long(self) -> None:
        self.line("n = b[i]", "i += 1", "if n > 127:", "    n, i = long_at(b, i - 1)")

    def size(self) -> None:
        """A number that is not negative. One test finds both the long and the negative ones."""
        self.line("n = b[i]", "i += 1", "if n & 129:", "    n, i = size_at(b, i - 1)")

    def line(self, *lines: str) -> None:
        self.lines += ["    " * self._indent + line for line in lines]
        if len(self.lines) > _LINES_MAX:
            raise NotWritten

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._indent += 1
        yield
        self._indent -= 1

    def set(self, expression: str) -> str:
        name = self.name("v")
        self.line(f"{name} = {expression}")
        return name

    def constant(self, value: object) -> str:
        name = self.name("k")
        self.names[name] = value
        return name

    def name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"
