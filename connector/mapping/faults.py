"""What goes wrong inside an expression, in the words of a fault: found and expected, never the value itself."""

from __future__ import annotations

from collections.abc import Iterable

from connector.core.records import Fault


class ValueFault(ValueError):
    """A value that a function cannot work with. Becomes a Fault where the expression's place is known."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected


class ExpressionSyntaxError(ValueError):
    """An expression that cannot be read: found and expected speak of the settings, so they may quote them."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected


def of_item(index: int, faults: Iterable[Fault]) -> list[Fault]:
    """Faults of one of the events of a message, with its position in front: `[3].body.name`."""
    return [fault._replace(field=f"[{index}].{fault.field}" if fault.field else f"[{index}]") for fault in faults]
