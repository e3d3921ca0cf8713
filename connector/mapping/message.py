"""The message that expressions speak of beside its value: the record and its metadata.

One object for each set of compiled routes, owned by the intake; it is set before the expressions of a record run, and
only where an expression asks for it, so that it costs nothing where none does.
"""

from __future__ import annotations

from typing import Any

from connector.core.records import SourceRecord
from connector.mapping.contract_rules import describe
from connector.mapping.faults import ValueFault


class Message:
    __slots__ = ("item_index", "record", "value")

    def __init__(self) -> None:
        self.record: SourceRecord | None = None
        self.value: Any = None
        """The whole decoded value; with `for_each` the expressions' own value is one item of it."""
        self.item_index = 0

    def _current(self) -> SourceRecord:
        assert self.record is not None, "an expression that asks for the message runs after it was set"
        return self.record

    def key(self) -> str | None:
        key = self._current().key()
        return None if key is None else _text(key, "a key")

    def header(self, name: object) -> str | None:
        """The last header of that name, as Kafka's own clients read it."""
        if not isinstance(name, str):
            raise ValueFault(describe(name), "the name of a header")
        for header, content in reversed(self._current().headers() or ()):
            if header == name:
                return None if content is None else _text(content, f"header {name}")
        return None

    def topic(self) -> str:
        return self._current().topic()

    def partition(self) -> int:
        return self._current().partition()

    def offset(self) -> int:
        return self._current().offset()

    def record_timestamp(self) -> int | None:
        """Milliseconds since 1970; null where the record has none."""
        kind, milliseconds = self._current().timestamp()
        return milliseconds if kind else None

    def message(self) -> Any:
        return self.value

    def index(self) -> int:
        return self.item_index


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueFault(f"{what} of {len(content)} bytes that are not UTF-8", "text in UTF-8") from None
