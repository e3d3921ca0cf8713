"""What the nodes of an expression do, as functions of the value; `expressions.py` puts them together.

The semantics are the library's interpreter's, node by node: a property test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from connector.mapping.jmespath_language import equal, is_false, ordered

Evaluate: TypeAlias = Callable[[Any], Any]


def identity(value: Any) -> Any:
    return value


def constant(found: Any) -> Evaluate:
    return lambda _value: found


def field(name: str) -> Evaluate:
    def evaluate(value: Any) -> Any:
        return value.get(name) if isinstance(value, dict) else None

    return evaluate


def two_fields(first: str, second: str) -> Evaluate:
    def evaluate(value: Any) -> Any:
        if isinstance(value, dict):
            value = value.get(first)
            if isinstance(value, dict):
                return value.get(second)
        return None

    return evaluate


def fields(names: list[str]) -> Evaluate:
    def evaluate(value: Any) -> Any:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return evaluate


def chain(steps: list[Evaluate], names: list[str] | None) -> Evaluate:
    if names is not None:
        return two_fields(*names) if len(names) == 2 else fields(names)
    if len(steps) == 2:
        first, second = steps
        return lambda value: second(first(value))

    def evaluate(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return evaluate


def index(position: int) -> Evaluate:
    def evaluate(value: Any) -> Any:
        if not isinstance(value, list) or not -len(value) <= position < len(value):
            return None
        return value[position]

    return evaluate


def sliced(span: slice) -> Evaluate:
    return lambda value: value[span] if isinstance(value, list) else None


def flatten(base: Evaluate) -> Evaluate:
    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        flat: list[Any] = []
        for item in items:
            if isinstance(item, list):
                flat.extend(item)
            else:
                flat.append(item)
        return flat

    return evaluate


def projection(base: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if (found := right(item)) is not None]

    return evaluate


def field_of_each(base: Evaluate, name: str) -> Evaluate:
    """`lines[].sku` in one step, as the most frequent projection."""
    slowly = projection(flatten(identity), field(name))

    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        found = []
        for item in items:
            if isinstance(item, dict):
                field = item.get(name)
                if field is not None:
                    found.append(field)
            elif isinstance(item, list):
                return slowly(items)
        return found

    return evaluate


def value_projection(base: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, dict):
            return None
        return [found for item in items.values() if (found := right(item)) is not None]

    return evaluate


def filter_projection(base: Evaluate, right: Evaluate, condition: Evaluate) -> Evaluate:
    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if not is_false(condition(item)) and (found := right(item)) is not None]

    return evaluate


def comparator(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    match operator:
        case "eq":
            return lambda value: equal(left(value), right(value))
        case "ne":
            return lambda value: not equal(left(value), right(value))
        case _:
            return lambda value: ordered(operator, left(value), right(value))


def is_text(operand: Evaluate, text: str) -> Evaluate:
    """`status == 'paid'`, the most frequent condition: nothing but the same text equals a text."""
    return lambda value: operand(value) == text


def either(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(value: Any) -> Any:
        found = left(value)
        return right(value) if is_false(found) else found

    return evaluate


def both(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(value: Any) -> Any:
        found = left(value)
        return found if is_false(found) else right(value)

    return evaluate


def negated(operand: Evaluate) -> Evaluate:
    return lambda value: is_false(operand(value))


def multi_select_list(items: list[Evaluate]) -> Evaluate:
    return lambda value: None if value is None else [item(value) for item in items]


def multi_select_dict(pairs: list[tuple[str, Evaluate]]) -> Evaluate:
    return lambda value: None if value is None else {key: item(value) for key, item in pairs}


def own_call(call: Callable[..., Any], arguments: list[Evaluate]) -> Evaluate:
    match arguments:
        case []:
            return lambda _value: call()
        case [only]:
            return lambda value: call(only(value))
        case _:
            return lambda value: call(*[argument(value) for argument in arguments])
