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
from typing import Any, NamedTuple, cast

import jmespath
from jmespath.exceptions import EmptyExpressionError, JMESPathError, LexerError, ParseError

from connector.mapping import closures
from connector.mapping.closures import Evaluate
from connector.mapping.faults import ExpressionSyntaxError
from connector.mapping.functions import functions_of
from connector.mapping.jmespath_language import Functions, Interpreter, Node
from connector.mapping.message import Message


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
        return Expression(source, self._closure_of_expression(node), frozenset(names))

    def _closure_of_expression(self, node: Node) -> Evaluate:
        return self._closure_of_root(node)

    def _closure_of_root(self, node: Node) -> Evaluate:
        """Over the value that the whole expression is about."""
        return self._closure(node)

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
                return closures.field(node["value"])
            case "subexpression" | "index_expression" | "pipe":
                return closures.chain(list(map(self._closure, self._steps(node))), _field_names(node))
            case "current" | "identity":
                return closures.identity
            case "literal":
                return closures.constant(node["value"])
            case "index":
                return closures.index(node["value"])
            case "slice":
                return closures.sliced(slice(*children))
            case "flatten":
                return closures.flatten(self._closure(children[0]))
            case "projection" if children[0]["type"] == "flatten" and children[1]["type"] == "field":
                return closures.field_of_each(self._closure(children[0]["children"][0]), children[1]["value"])
            case "projection":
                return closures.projection(self._closure(children[0]), self._closure(children[1]))
            case "value_projection":
                return closures.value_projection(self._closure(children[0]), self._closure(children[1]))
            case "filter_projection":
                return closures.filter_projection(*map(self._closure, children))
            case "comparator" | "or_expression" | "and_expression" | "not_expression":
                return self._of_operands(node, list(map(self._closure, children)))
            case "multi_select_list":
                return closures.multi_select_list(list(map(self._closure, children)))
            case "multi_select_dict":
                pairs = [(pair["value"], self._closure(pair["children"][0])) for pair in children]
                return closures.multi_select_dict(pairs)
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
        return self._call_of(node["value"], list(map(self._closure, children)))

    def _call_of(self, name: str, arguments: list[Evaluate]) -> Evaluate:
        own = self._functions.own.get(name)
        if own is not None:
            return closures.own_call(own.call, arguments)
        call_function = self._functions.call_function
        return lambda value: call_function(name, [argument(value) for argument in arguments])

    def _of_operands(self, node: Node, operands: list[Evaluate]) -> Evaluate:
        match node["type"]:
            case "or_expression":
                return closures.either(*operands)
            case "and_expression":
                return closures.both(*operands)
            case "not_expression":
                return closures.negated(*operands)
            case _:
                right = node["children"][1]
                if node["value"] == "eq" and right["type"] == "literal" and isinstance(right["value"], str):
                    return closures.is_text(operands[0], right["value"])
                return closures.comparator(node["value"], *operands)


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
