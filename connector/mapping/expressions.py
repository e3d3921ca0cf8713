"""JMESPath to closures: the library parses, each node becomes a function of the value.

A closure costs a fraction of the library's interpreter, which looks its method up for every node. What both give is the
same, as a property test shows with random expressions and documents. Functions that take an expression (`sort_by`,
`map`, ...) are left to the interpreter whole.

What can be known without a message is refused here: syntax, unknown functions, their number of arguments.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, cast

import jmespath
from jmespath.exceptions import EmptyExpressionError, JMESPathError, LexerError, ParseError

from connector.mapping.faults import ExpressionSyntaxError
from connector.mapping.functions import functions_of
from connector.mapping.jmespath_language import Functions, Interpreter, Node, equal, is_false, ordered
from connector.mapping.message import Message

Evaluate: TypeAlias = Callable[[Any], Any]


class Expression(NamedTuple):
    source: str
    evaluate: Evaluate
    """May raise what `jmespath_language.ERRORS` names."""
    functions: frozenset[str]
    """The names of the functions in it."""


class Compiler:
    """Compiles the expressions of one set of routes: they share the message that their functions read."""

    def __init__(self, message: Message) -> None:
        self._functions = Functions(functions_of(message))
        self._interpreter = Interpreter(self._functions)

    def compile(self, source: str) -> Expression:
        """Raises ExpressionSyntaxError."""
        node = _parsed(source)
        names = []
        for call in _calls(node):
            self._check_call(call)
            names.append(call["value"])
        return Expression(source, self._closure(node), frozenset(names))

    def _check_call(self, node: Node) -> None:
        name = node["value"]
        count = len(node["children"])
        own = self._functions.own.get(name)
        if own is not None:
            least, most = own.least, own.most
        else:
            spec = self._functions.FUNCTION_TABLE.get(name)
            if spec is None:
                known = [*self._functions.own, *self._functions.FUNCTION_TABLE]
                near = difflib.get_close_matches(name, known, 1)
                hint = f" such as {near[0]}()" if near else ""
                raise ExpressionSyntaxError(f"the unknown function {name}()", f"a known function{hint}")
            least = len(spec["signature"])
            most = None if spec["signature"] and spec["signature"][-1].get("variadic") else least
        if count < least or (most is not None and count > most):
            wanted = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
            raise ExpressionSyntaxError(f"{name}() with {count} arguments", f"{wanted} arguments")

    def _closure(self, node: Node) -> Evaluate:
        children: list[Any] = node["children"]
        match node["type"]:
            case "field":
                return _field(node["value"])
            case "subexpression" | "index_expression" | "pipe":
                return _chain(list(map(self._closure, self._steps(node))), _field_names(node))
            case "current" | "identity":
                return _identity
            case "literal":
                return _constant(node["value"])
            case "index":
                return _index(node["value"])
            case "slice":
                return _slice(slice(*children))
            case "flatten":
                return _flatten(self._closure(children[0]))
            case "projection" if children[0]["type"] == "flatten" and children[1]["type"] == "field":
                return _field_of_each(self._closure(children[0]["children"][0]), children[1]["value"])
            case "projection":
                return _projection(self._closure(children[0]), self._closure(children[1]))
            case "value_projection":
                return _value_projection(self._closure(children[0]), self._closure(children[1]))
            case "filter_projection":
                return _filter_projection(*map(self._closure, children))
            case "comparator":
                if node["value"] == "eq" and children[1]["type"] == "literal" and isinstance(children[1]["value"], str):
                    return _is_text(self._closure(children[0]), children[1]["value"])
                return _comparator(node["value"], self._closure(children[0]), self._closure(children[1]))
            case "or_expression":
                return _or(self._closure(children[0]), self._closure(children[1]))
            case "and_expression":
                return _and(self._closure(children[0]), self._closure(children[1]))
            case "not_expression":
                return _not(self._closure(children[0]))
            case "multi_select_list":
                return _multi_select_list(list(map(self._closure, children)))
            case "multi_select_dict":
                return _multi_select_dict([(pair["value"], self._closure(pair["children"][0])) for pair in children])
            case "function_expression":
                return self._call(node)
            case _:
                raise AssertionError(f"the parser made an unknown node: {node['type']}")

    def _steps(self, node: Node) -> Iterator[Node]:
        for child in node["children"]:
            if child["type"] in {"subexpression", "index_expression"}:
                yield from self._steps(child)
            else:
                yield child

    def _call(self, node: Node) -> Evaluate:
        children: list[Node] = node["children"]
        if any(child["type"] == "expref" for child in children):
            visit: Callable[[Any, Any], Any] = self._interpreter.visit
            return lambda value: visit(node, value)
        arguments = list(map(self._closure, children))
        own = self._functions.own.get(node["value"])
        if own is not None:
            return _own_call(own.call, arguments)
        call_function, name = self._functions.call_function, node["value"]
        return lambda value: call_function(name, [argument(value) for argument in arguments])


def _parsed(source: str) -> Node:
    try:
        with warnings.catch_warnings():
            # Backticks around what is not JSON are strings by JEP 12's transition rule; the library warns of each.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            node = cast("Node", jmespath.compile(source).parsed)
    except EmptyExpressionError:
        raise ExpressionSyntaxError("an empty expression", "a JMESPath expression") from None
    except LexerError as error:
        raise ExpressionSyntaxError(f"{error.message} at column {error.lexer_position + 1}", "JMESPath") from None
    except ParseError as error:
        where = "its end" if error.token_type in {None, "EOF"} else repr(error.token_value)
        raise ExpressionSyntaxError(f"{where} at column {error.lex_position + 1}", "JMESPath") from None
    except (JMESPathError, ValueError, RecursionError) as error:
        raise ExpressionSyntaxError(f"an expression that cannot be read ({type(error).__name__})", "JMESPath") from None
    for part in _nodes(node):
        if part["type"] == "slice" and part["children"][2] == 0:
            raise ExpressionSyntaxError("a slice with step 0", "another step")
    return node


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _nodes(child)


def _calls(node: Node) -> Iterator[Node]:
    return (part for part in _nodes(node) if part["type"] == "function_expression")


def _field_names(node: Node) -> list[str] | None:
    """The names of a.b.c; None: something else is in it."""
    names: list[str] = []
    for child in node["children"]:
        match child["type"]:
            case "field":
                names.append(child["value"])
            case "subexpression" if (inner := _field_names(child)) is not None:
                names += inner
            case _:
                return None
    return names


def _identity(value: Any) -> Any:
    return value


def _constant(constant: Any) -> Evaluate:
    return lambda _value: constant


def _field(name: str) -> Evaluate:
    def field(value: Any) -> Any:
        return value.get(name) if isinstance(value, dict) else None

    return field


def _two_fields(first: str, second: str) -> Evaluate:
    def fields(value: Any) -> Any:
        if isinstance(value, dict):
            value = value.get(first)
            if isinstance(value, dict):
                return value.get(second)
        return None

    return fields


def _fields(names: list[str]) -> Evaluate:
    def fields(value: Any) -> Any:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return fields


def _chain(steps: list[Evaluate], names: list[str] | None) -> Evaluate:
    if names is not None:
        return _two_fields(*names) if len(names) == 2 else _fields(names)
    if len(steps) == 2:
        first, second = steps
        return lambda value: second(first(value))

    def chain(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return chain


def _index(position: int) -> Evaluate:
    def index(value: Any) -> Any:
        if not isinstance(value, list) or not -len(value) <= position < len(value):
            return None
        return value[position]

    return index


def _slice(span: slice) -> Evaluate:
    return lambda value: value[span] if isinstance(value, list) else None


def _flatten(base: Evaluate) -> Evaluate:
    def flatten(value: Any) -> Any:
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

    return flatten


def _projection(base: Evaluate, right: Evaluate) -> Evaluate:
    def projection(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if (found := right(item)) is not None]

    return projection


def _field_of_each(base: Evaluate, name: str) -> Evaluate:
    """`lines[].sku` in one step, as the most frequent projection."""
    slowly = _projection(_flatten(_identity), _field(name))

    def fields(value: Any) -> Any:
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

    return fields


def _value_projection(base: Evaluate, right: Evaluate) -> Evaluate:
    def projection(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, dict):
            return None
        return [found for item in items.values() if (found := right(item)) is not None]

    return projection


def _filter_projection(base: Evaluate, right: Evaluate, condition: Evaluate) -> Evaluate:
    def projection(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if not is_false(condition(item)) and (found := right(item)) is not None]

    return projection


def _comparator(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    match operator:
        case "eq":
            return lambda value: equal(left(value), right(value))
        case "ne":
            return lambda value: not equal(left(value), right(value))
        case _:
            return lambda value: ordered(operator, left(value), right(value))


def _is_text(operand: Evaluate, text: str) -> Evaluate:
    """`status == 'paid'`, the most frequent condition: nothing but the same text equals a text."""
    return lambda value: operand(value) == text


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    def either(value: Any) -> Any:
        found = left(value)
        return right(value) if is_false(found) else found

    return either


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    def both(value: Any) -> Any:
        found = left(value)
        return found if is_false(found) else right(value)

    return both


def _not(operand: Evaluate) -> Evaluate:
    return lambda value: is_false(operand(value))


def _multi_select_list(items: list[Evaluate]) -> Evaluate:
    return lambda value: None if value is None else [item(value) for item in items]


def _multi_select_dict(pairs: list[tuple[str, Evaluate]]) -> Evaluate:
    return lambda value: None if value is None else {key: item(value) for key, item in pairs}


def _own_call(call: Callable[..., Any], arguments: list[Evaluate]) -> Evaluate:
    match arguments:
        case []:
            return lambda _value: call()
        case [only]:
            return lambda value: call(only(value))
        case _:
            return lambda value: call(*[argument(value) for argument in arguments])
