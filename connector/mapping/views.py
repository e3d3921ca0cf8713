"""A view of JSON: of a message only the fields that a route looks at are read, the rest is walked over in C.

`customer.id` and `total` make a type with the fields `customer` (of a type with the field `id`) and `total`; msgspec
reads a message as that type. What stands where an object was expected and is none does not fit: such a message is
decoded whole and mapped the long way, where the expression says null.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from connector.mapping import closures
from connector.mapping.closures import Evaluate
from connector.mapping.expressions import Compiler, Expression
from connector.mapping.jmespath_language import Node
from connector.mapping.message import Message

Read: TypeAlias = Callable[[bytes], Any]

_READS_THE_WHOLE = "message"
"""The function that gives the whole decoded value, which a view has not."""


class NotStraightError(Exception):
    """An expression that needs more than fields: the route goes the long way."""


class _Branch:
    """A field that is looked at: as a whole, or some of its own fields, or one field of each of its items."""

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self.below: dict[str, _Branch] = {}
        self.items: _Branch | None = None
        self._whole = False

    @property
    def whole(self) -> bool:
        """Read as plain values: also where one expression takes it for an object and another for an array."""
        return self._whole or (self.items is not None and bool(self.below))

    def at(self, names: list[str]) -> _Branch:
        branch = self
        for name in names:
            branch = branch.below.setdefault(name, _Branch(f"f{len(branch.below)}"))
        return branch

    def want_whole(self) -> None:
        self._whole = True

    def want_of_items(self, name: str) -> None:
        self.items = self.items or _Branch("")
        self.items.at([name]).want_whole()

    def object_type(self) -> Any:
        return msgspec.defstruct(
            "View",
            [(branch.attribute, branch.type(), None) for branch in self.below.values()],
            rename={branch.attribute: name for name, branch in self.below.items()},
            gc=False,  # nothing of JSON holds itself
        )

    def type(self) -> Any:
        if self.whole:
            return Any
        if self.items is None:
            return self.object_type() | None
        item: Any = self.items.object_type()
        return list[item] | None


class ViewCompiler(Compiler):
    """Compiles expressions over a view. All expressions are noted first (`note`), then compiled."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self._root = _Branch("")
        self._noting = True
        self.paths: dict[Evaluate, str] = {}
        """The closures that do nothing but look at a field, each with the attributes that it goes through."""

    def compile(self, source: str) -> Expression:
        """Raises NotStraightError."""
        expression = super().compile(source)
        if _READS_THE_WHOLE in expression.functions:
            raise NotStraightError
        return expression

    def reader(self) -> tuple[type[Any], Read]:
        """The view of what was noted, and what reads JSON as it; from here on expressions are compiled.

        Raises NotStraightError.
        """
        self._noting = False
        try:
            view = self._root.object_type()
            return view, msgspec.json.Decoder(view).decode
        except ValueError:  # a name with a quotation mark or a backslash in it, which msgspec does not rename to
            raise NotStraightError from None

    def _closure_of_root(self, node: Node) -> Evaluate:
        at_root = self._closure_of_root
        children: list[Any] = node["children"]
        match node["type"]:
            case "field" | "subexpression" | "index_expression" | "pipe":
                return self._path(self._steps_of(node))
            case "literal":
                return closures.constant(node["value"])
            case "projection" if children[0]["type"] == "flatten" and children[1]["type"] == "field":
                return self._field_of_each(children[0]["children"][0], children[1]["value"])
            case "projection":
                return closures.projection(at_root(children[0]), self._closure(children[1]))
            case "flatten":
                return closures.flatten(at_root(children[0]))
            case "value_projection":
                return closures.value_projection(at_root(children[0]), self._closure(children[1]))
            case "filter_projection":
                return closures.filter_projection(at_root(children[0]), *map(self._closure, children[1:]))
            case "comparator" | "or_expression" | "and_expression" | "not_expression":
                return self._of_operands(node, list(map(at_root, children)))
            case "multi_select_list":
                return closures.multi_select_list(list(map(at_root, children)))
            case "multi_select_dict":
                return closures.multi_select_dict([(pair["value"], at_root(pair["children"][0])) for pair in children])
            case "function_expression":
                if any(child["type"] == "expref" for child in children):
                    raise NotStraightError
                return self._call_of(node["value"], list(map(at_root, children)))
            case _:  # the message itself, `@`, or what a position in it means
                raise NotStraightError

    def _steps_of(self, node: Node) -> list[Node]:
        return list(self._steps(node)) if node["type"] in {"subexpression", "index_expression", "pipe"} else [node]

    def _path(self, steps: list[Node]) -> Evaluate:
        names = _leading_names(steps)
        if names:
            first = self._fields(names)
            rest = steps[len(names) :]
        else:
            first = self._closure_of_root(steps[0])
            rest = steps[1:]
        return closures.chain([first, *map(self._closure, rest)], None) if rest else first

    def _fields(self, names: list[str]) -> Evaluate:
        if self._noting:
            self._root.at(names).want_whole()
            return closures.identity
        attributes, _ = self._attributes(names)
        rest = names[len(attributes) :]
        found = _getter(attributes)
        if rest:
            return closures.chain([found, closures.fields(rest)], None)
        self.paths[found] = ".".join(attributes)
        return found

    def _field_of_each(self, base: Node, name: str) -> Evaluate:
        """`lines[].sku`: of the items only that field is read."""
        steps = self._steps_of(base)
        names = _leading_names(steps)
        if len(names) < len(steps):
            return closures.field_of_each(self._closure_of_root(base), name)
        if self._noting:
            self._root.at(names).want_of_items(name)
            return closures.identity
        attributes, branch = self._attributes(names)
        if branch.items is None or branch.whole:
            return closures.field_of_each(self._fields(names), name)
        return _of_each(_getter(attributes), attrgetter(branch.items.at([name]).attribute))

    def _attributes(self, names: list[str]) -> tuple[list[str], _Branch]:
        """As far as the view goes: behind a field that is read as a whole there are plain values."""
        attributes: list[str] = []
        branch = self._root
        for name in names:
            if branch.whole:
                break
            branch = branch.below[name]
            attributes.append(branch.attribute)
        return attributes, branch


def _leading_names(steps: list[Node]) -> list[str]:
    names: list[str] = []
    for step in steps:
        if step["type"] != "field":
            break
        names.append(step["value"])
    return names


def _getter(attributes: list[str]) -> Evaluate:
    if len(attributes) == 1:
        return attrgetter(attributes[0])
    getters = list(map(attrgetter, attributes))

    def get(view: Any) -> Any:
        for getter in getters:
            if view is None:
                return None
            view = getter(view)
        return view

    return get


def _of_each(items_of: Evaluate, field_of: Evaluate) -> Evaluate:
    def get(view: Any) -> Any:
        items = items_of(view)
        return None if items is None else [found for item in items if (found := field_of(item)) is not None]

    return get
