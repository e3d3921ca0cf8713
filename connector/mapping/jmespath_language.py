"""The jmespath library as its specification has it, and with our functions: the interpreter behind every expression.

Where the library differs from https://jmespath.org/specification.html, the specification decides:

- `==`, `!=` and contains() tell true from 1 and false from 0 inside arrays and objects too;
- ordering a number against a string gives null, where the library raises TypeError;
- contains() of a string and something that is none is false, where the library raises TypeError;
- to_number() reads what is a JSON number and nothing else (the library: also "nan", "1_000", " 7 ");
- to_string() leaves characters beyond ASCII as they are;
- `decimal.Decimal`, which Avro's decimals become, is a number everywhere.

In one place the library is followed: strings can be ordered against strings. The specification makes that null, and a
`when` that compares dates would then skip every message without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import jmespath.functions
import jmespath.visitor
from jmespath.exceptions import JMESPathError, JMESPathTypeError

from connector.mapping.faults import ValueFault
from connector.mapping.functions import Function, number_of
from connector.mapping.json_text import text_of

Node: TypeAlias = dict[str, Any]

_NUMBERS = (int, float, Decimal)
_PYTHON_TYPES: Mapping[str, tuple[str, ...]] = {
    "boolean": ("bool",),
    "array": ("list",),
    "object": ("dict",),
    "null": ("NoneType",),
    "string": ("str",),
    "number": ("float", "int", "Decimal"),
    "expref": ("_Expression",),
}
_TYPES = {python: kind for kind, names in _PYTHON_TYPES.items() for python in names}


def equal(left: Any, right: Any) -> bool:
    """JSON's equality: numbers by value, true is not 1, containers by their items."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def ordered(operator: str, left: Any, right: Any) -> bool | None:
    """`lt`, `lte`, `gt`, `gte`; null when the two are not both numbers or both strings."""
    numbers = isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        return None
    match operator:
        case "lt":
            return bool(left < right)
        case "lte":
            return bool(left <= right)
        case "gt":
            return bool(left > right)
        case _:
            return bool(left >= right)


def is_false(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


class Functions(jmespath.functions.Functions):
    """The library's functions by the specification, then ours."""

    def __init__(self, own: dict[str, Function]) -> None:
        self.own = own

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        own = self.own.get(function_name)
        if own is not None:
            return own.call(*resolved_args)
        try:
            return super().call_function(function_name, resolved_args)
        except JMESPathTypeError as error:  # its text quotes the value
            found = _TYPES.get(error.actual_type, error.actual_type)
            raise ValueFault(f"{found} in {function_name}()", " or ".join(map(str, error.expected_types))) from None

    def _get_allowed_pytypes(self, types: list[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        """The names of Python's types for `number`, and for the items in `array-number`."""
        kinds: list[str] = []
        item_kinds: list[tuple[str, ...]] = []
        for name in types:
            kind, _, item_kind = name.partition("-")
            kinds += _PYTHON_TYPES[kind]
            if item_kind:
                item_kinds.append(_PYTHON_TYPES[item_kind])
        return kinds, item_kinds

    def _convert_to_jmespath_type(self, pyobject: str) -> str:
        return _TYPES.get(pyobject, "unknown")

    @jmespath.functions.signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Any) -> bool:
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(equal(item, search) for item in subject)

    @jmespath.functions.signature({"types": []})
    def _func_to_number(self, arg: Any) -> Any:
        if isinstance(arg, str):
            # A JSON number has no leading plus or point, and no leading zero.
            digits = arg.removeprefix("-")
            bare = digits[:1].isdigit() and not (digits[0] == "0" and digits[1:2].isdigit())
            return number_of(arg) if bare and not _point_without_digits(arg) else None
        return arg if isinstance(arg, _NUMBERS) and not isinstance(arg, bool) else None

    @jmespath.functions.signature({"types": []})
    def _func_to_string(self, arg: Any) -> str:
        return "null" if arg is None else text_of(arg)

    @jmespath.functions.signature({"types": []})
    def _func_type(self, arg: Any) -> Any:
        return _TYPES[type(arg).__name__]

    @jmespath.functions.signature({"types": ["array-number"]})
    def _func_sum(self, arg: list[Any]) -> Any:
        return sum(_alike(arg))

    @jmespath.functions.signature({"types": ["array-number"]})
    def _func_avg(self, arg: list[Any]) -> Any:
        return sum(_alike(arg)) / len(arg) if arg else None


class Interpreter(jmespath.visitor.TreeInterpreter):
    def __init__(self, functions: Functions) -> None:
        super().__init__(jmespath.visitor.Options(custom_functions=functions))

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left = self.visit(node["children"][0], value)
        right = self.visit(node["children"][1], value)
        match node["value"]:
            case "eq":
                return equal(left, right)
            case "ne":
                return not equal(left, right)
            case operator:
                return ordered(operator, left, right)


def _alike(numbers: list[Any]) -> list[Any]:
    """Python adds no float to a Decimal: beside one of those, a float becomes the decimal that it is written as."""
    if any(isinstance(number, Decimal) for number in numbers):
        return [Decimal(repr(number)) if isinstance(number, float) else number for number in numbers]
    return numbers


def _point_without_digits(text: str) -> bool:
    return "." in text and not text.partition(".")[2][:1].isdigit()


ERRORS: tuple[type[Exception], ...] = (JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What evaluating an expression can raise: the library's own, and what Python's operators say to odd values."""
