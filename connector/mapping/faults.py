"""What goes wrong inside an expression, in the words of a fault: found and expected, never the value itself."""

from __future__ import annotations


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
