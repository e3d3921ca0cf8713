"""A schema as code: one Python function that reads what the schema describes, written out for its fields.

fastavro goes through the schema again for every value, which costs more than reading it. What is written here reads
plain values in half of the time, and a view of them (some fields, the others stepped over) in a third. It is
optimistic: whatever is unusual (a cut-off payload, a number of more than 64 bits, a branch that the union does not
have) is Unusual, and left to fastavro, which reads it or says what is wrong. Where the code gives a value, it is
fastavro's, as a property test shows. Of what a view steps over only the size is looked at.

Work is bounded as it is with fastavro: it is made only of schemas whose items take a byte at least (`needs_walk`), and
everything that is read either raises beyond the end or is compared to it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, get_args, get_origin

import msgspec
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


class _Whole:
    """Instead of a view: plain values, all of them."""


class _Nothing:
    """Instead of a view: only stepped over."""


class Unusual(Exception):
    """The payload is not what the code was written for."""


UNUSUAL: tuple[type[Exception], ...] = (Unusual, IndexError, UnicodeDecodeError, struct.error, DecodeError)
"""What the code raises where fastavro must look."""


class _NotWritten(Exception):
    pass


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


def reading_code(reading: dict[str, Any], view: type[Any] = _Whole) -> ReadCode | None:
    """For the reading schema of avro_schema, before fastavro parses it. None: it is left to fastavro.

    `view`: a msgspec struct as `mapping.views` makes it, of fields that are read whole, as a view of their own, or as a
    list of such views; a field that the schema does not have is None.
    """
    writer = _Writer()
    try:
        value = writer.value(reading, view, 0)
    except _NotWritten:
        return None
    head = ["def read(b, i):", "    z = len(b)"]
    tail = ["    if i != z:", "        raise Unusual", f"    return {value}"]
    source = "\n".join([*head, *writer.lines, *tail])
    # Every name and symbol in it went through repr(), and nothing else of the schema's text is in it.
    exec(compile(source, "<avro schema>", "exec"), writer.names)  # noqa: S102
    read: ReadCode = writer.names["read"]
    return read


class _Writer:
    """Writes statements that read one value from `b` at `i` into a variable, whose name `value` gives.

    `z` is the end of `b`; `n` and `j` are used within one statement's lines alone.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "Unusual": Unusual,
            "long_at": long_at,
            "size_at": size_at,
            "double_at": struct.Struct("<d").unpack_from,
            "float_at": struct.Struct("<f").unpack_from,
        }
        self._indent = 1
        self._records: dict[str, Any] = {}
        self._count = 0

    def value(self, schema: Any, view: Any, loops: int) -> str:
        if isinstance(schema, str) and schema in self._records:
            schema = self._records[schema]
        match schema:
            case list():
                return self._union(schema, view, loops)
            case {"type": "record", "name": name}:
                self._records[name] = schema
                return self._record(schema, view, loops)
            case {"type": "array", "items": items}:
                return self._array(items, view, loops)
            case "null":
                return "None"
            case _:
                pass
        if view is not _Whole and view is not _Nothing:
            self._line("raise Unusual")  # an object or an array is looked for, and this is none
            return "None"
        match schema:
            case {"type": "map", "values": values}:
                return self._map(values, view, loops)
            case {"logicalType": logical} if logical == PREFIX + "enum":
                self._size()
                return "" if view is _Nothing else self._set(f"{self._constant(tuple(schema[SYMBOLS]))}[n >> 1]")
            case {"type": kind, "logicalType": logical}:
                raw = self._fixed(schema["size"]) if kind == "fixed" else self._primitive(kind, view)
                if view is _Nothing:
                    return ""
                read = self._constant(LOGICAL_READERS[f"{kind}-{logical}"])
                return self._set(f"{read}({raw}, {self._constant(schema)})")
            case str():
                return self._primitive(schema, view)
            case _:
                raise _NotWritten

    def _record(self, schema: dict[str, Any], view: Any, loops: int) -> str:
        fields: list[dict[str, Any]] = schema["fields"]
        if view is _Whole or view is _Nothing:
            values = [self.value(field["type"], view, loops) for field in fields]
            pairs = zip(fields, values, strict=True)
            text = ", ".join(f"{field['name']!r}: {value}" for field, value in pairs)
            return "" if view is _Nothing else self._set("{" + text + "}")
        if get_origin(view) is list:
            self._line("raise Unusual")
            return "None"
        wanted = {field.encode_name: _view_of(field.type) for field in msgspec.structs.fields(view)}
        found = {
            field["name"]: self.value(field["type"], wanted.get(field["name"], _Nothing), loops) for field in fields
        }
        return self._set(f"{self._constant(view)}({', '.join(found.get(name, 'None') for name in wanted)})")

    def _primitive(self, kind: str, view: Any) -> str:
        match kind:
            case "boolean":
                self._line("n = b[i]", "i += 1", "if n > 1:", "    raise Unusual")
                return "" if view is _Nothing else self._set("n == 1")
            case "int" | "long":
                self._long()
                return "" if view is _Nothing else self._set("(n >> 1) ^ -(n & 1)")
            case "double" | "float":
                size = 8 if kind == "double" else 4
                if view is _Nothing:
                    return self._fixed(size)
                value = self._set(f"{kind}_at(b, i)[0]")
                self._line(f"i += {size}")
                return value
            case "string" | "bytes":
                self._size()
                if view is _Nothing:
                    self._line("i += n >> 1")
                    return ""
                self._line("j = i + (n >> 1)")
                value = self._set("b[i:j].decode()" if kind == "string" else "b[i:j]")
                self._line("i = j")
                return value
            case _:
                raise _NotWritten

    def _fixed(self, size: int) -> str:
        self._line(f"j = i + {size}", "if j > z:", "    raise Unusual")
        value = self._set("b[i:j]")
        self._line("i = j")
        return value

    def _union(self, branches: list[Any], view: Any, loops: int) -> str:
        if len(branches) > _BRANCHES_MAX:
            raise _NotWritten
        name = self._name("v")
        chosen = self._name("u")
        self._line(f"{chosen} = b[i]", "i += 1")
        for number, branch in enumerate(branches):
            self._line(f"{'el' if number else ''}if {chosen} == {2 * number}:")
            with self._indented():
                value = self.value(branch, view, loops)
                self._line(f"{name} = {value or None}")
        self._line("else:", "    raise Unusual")
        return name

    def _array(self, items: Any, view: Any, loops: int) -> str:
        if view is _Whole or view is _Nothing:
            item_view = view
        elif get_origin(view) is list:
            (item_view,) = get_args(view)
        else:
            self._line("raise Unusual")
            return "None"
        if item_view is not _Whole and item_view is not _Nothing and not self._is_record(items):
            raise _NotWritten  # null among the items, say: the long way knows what to do
        values = "" if view is _Nothing else self._set("[]")
        with self._blocks(loops):
            value = self.value(items, item_view, loops + 1)
            if values:
                self._line(f"{values}.append({value})")
        return values

    def _is_record(self, schema: Any) -> bool:
        return (isinstance(schema, dict) and schema["type"] == "record") or (
            isinstance(schema, str) and schema in self._records
        )

    def _map(self, items: Any, view: Any, loops: int) -> str:
        values = "" if view is _Nothing else self._set("{}")
        with self._blocks(loops):
            key = self._primitive("string", view)
            value = self.value(items, view, loops + 1)
            if values:
                self._line(f"{values}[{key}] = {value}")
        return values

    @contextmanager
    def _blocks(self, loops: int) -> Iterator[None]:
        """Around the lines of one item."""
        if loops == _LOOPS_MAX:
            raise _NotWritten
        count = self._name("c")
        self._long()
        self._line(f"{count} = n", f"while {count}:")
        with self._indented():
            # A negative number of items is followed by their size in bytes, which is of no use here.
            self._line(f"if {count} & 1:", f"    {count} += 1", "    n, i = long_at(b, i)")
            self._line(f"for _ in range({count} >> 1):")
            with self._indented():
                yield
            self._long()
            self._line(f"{count} = n")

    def _long(self) -> None:
        self._line("n = b[i]", "i += 1", "if n > 127:", "    n, i = long_at(b, i - 1)")

    def _size(self) -> None:
        """A number that is not negative. One test finds both the long and the negative ones."""
        self._line("n = b[i]", "i += 1", "if n & 129:", "    n, i = size_at(b, i - 1)")

    def _line(self, *lines: str) -> None:
        self.lines += ["    " * self._indent + line for line in lines]
        if len(self.lines) > _LINES_MAX:
            raise _NotWritten

    @contextmanager
    def _indented(self) -> Iterator[None]:
        self._indent += 1
        yield
        self._indent -= 1

    def _set(self, expression: str) -> str:
        name = self._name("v")
        self._line(f"{name} = {expression}")
        return name

    def _constant(self, value: object) -> str:
        name = self._name("k")
        self.names[name] = value
        return name

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"


def _view_of(kind: Any) -> Any:
    """What the type of a struct's field asks for; it may be None in any case."""
    if kind is Any:
        return _Whole
    (view,) = (part for part in get_args(kind) if part is not type(None))
    return view
