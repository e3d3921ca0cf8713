"""A view of a message: only the fields that a route looks at are read, the rest is stepped over.

`customer.id` and `total` make a type with the fields `customer` (of a type with the field `id`) and `total`; msgspec
reads a message as that type. What stands where an object was expected and is none does not fit: such a message is
decoded whole and mapped the long way, where the expression says null.

Of a field that is nothing but copied into the event only the JSON text is wanted (`msgspec.Raw`): no value is made of
it. A field that an expression reckons with, or that is looked at in two ways, is read as a value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from connector.event_plan import Equals, Moment, Slot, Text
from connector.mapping import closures
from connector.mapping.closures import Evaluate
from connector.mapping.expressions import Compiler, Expression
from connector.mapping.jmespath_language import Node
from connector.mapping.message import Message

Kind: TypeAlias = Literal["text", "moment", "test"]

_READS_THE_WHOLE = "message"
"""The function that gives the whole decoded value, which a view has not."""


class NotStraightError(Exception):
    """An expression that needs more than fields: the route goes the long way."""


class _Use(NamedTuple):
    """An expression that does no more than look at one field."""

    node: Node
    kind: Kind
    names: list[str]
    item: str | None = None
    """`lines[].sku`: that field of each item."""
    text: str = ""
    """What a test compares it to."""


class _Branch:
    """A field that is looked at: as a whole, or some of its own fields, or one field of each of its items."""

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self.below: dict[str, _Branch] = {}
        self.items: _Branch | None = None
        self.kinds: set[Kind] = set()
        self._whole = False

    @property
    def whole(self) -> bool:
        """Read as plain values: also where one expression takes it for an object and another for an array."""
        ways = len(self.kinds) + bool(self.below) + (self.items is not None)
        return self._whole or ways > 1

    def is_only(self, kind: Kind) -> bool:
        return self.kinds == {kind} and not self.whole

    def at(self, names: list[str]) -> _Branch:
        branch = self
        for name in names:
            branch = branch.below.setdefault(name, _Branch(f"f{len(branch.below)}"))
        return branch

    def want_whole(self) -> None:
        self._whole = True

    def of_items(self, name: str) -> _Branch:
        self.items = self.items or _Branch("")
        return self.items.at([name])

    def object_type(self) -> Any:
        return msgspec.defstruct(
            "View",
            [(branch.attribute, branch.type(), None) for branch in self.below.values()],
            rename={branch.attribute: name for name, branch in self.below.items()},
            gc=False,  # nothing of JSON holds itself
        )

    def type(self) -> Any:
        if self.is_only("text"):
            return msgspec.Raw
        if self.whole or self.kinds:
            return Any
        if self.items is None:
            return self.object_type() | None
        item: Any = self.items.object_type()
        return list[item] | None


class ViewCompiler(Compiler):
    """Compiles expressions over a view. All of a route are noted first, then, when the view is known, compiled."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self._root = _Branch("")
        self._noting = True
        self._uses: dict[Evaluate, _Use] = {}

    def compile(self, source: str) -> Expression:
        """Raises NotStraightError."""
        expression = super().compile(source)
        if _READS_THE_WHOLE in expression.functions:
            raise NotStraightError
        return expression

    def view(self, copied: Collection[Evaluate], when: Evaluate | None) -> type[Any]:
        """The view for what was noted; from here on expressions are compiled.

        `copied`: what makes a member of the event by itself. `when`: what decides. Raises NotStraightError.
        """
        for evaluate, use in self._uses.items():
            if evaluate is when if use.kind == "test" else evaluate in copied:
                branch = self._root.at(use.names)
                (branch.of_items(use.item) if use.item is not None else branch).kinds.add(use.kind)
            else:
                self._closure_of_root(use.node)
        self._noting = False
        self._uses = {}
        try:
            view: type[Any] = self._root.object_type()
        except ValueError:  # a name with a quotation mark or a backslash in it, which msgspec does not rename to
            raise NotStraightError from None
        return view

    def found_by(self, evaluate: Evaluate) -> Text | Moment | Equals | None:
        """What an expression that was compiled is in a plan; None: it must be evaluated."""
        use = self._uses.get(evaluate)
        if use is None:
            return None
        attributes, branch = self._attributes(use.names)
        item: str | None = None
        if use.item is not None:
            if branch.whole or branch.items is None:
                return None
            branch = branch.items.below[use.item]
            item = branch.attribute
        if len(attributes) < len(use.names) or not branch.is_only(use.kind):
            return None
        slot = Slot(tuple(attributes), item)
        match use.kind:
            case "text":
                return Text(slot)
            case "moment":
                return Moment(slot)
            case "test":
                return Equals(slot, use.text)

    def _closure_of_expression(self, node: Node) -> Evaluate:
        use = self._use_of(node)
        if use is None:
            return self._closure_of_root(node)
        # The use is found by the closure's identity: each is made anew.
        evaluate = closures.constant(None) if self._noting else self._closure_of_root(node)
        self._uses[evaluate] = use
        return evaluate

    def _use_of(self, node: Node) -> _Use | None:
        children: list[Any] = node["children"]
        match node["type"]:
            case "projection" if children[0]["type"] == "flatten" and children[1]["type"] == "field":
                base = self._names_of(children[0]["children"][0])
                return _Use(node, "text", base, children[1]["value"]) if base else None
            case "function_expression" if node["value"] == "timestamp" and len(children) == 1:
                names = self._names_of(children[0])
                return _Use(node, "moment", names) if names else None
            case "comparator" if node["value"] == "eq" and children[1]["type"] == "literal":
                names, text = self._names_of(children[0]), children[1]["value"]
                return _Use(node, "test", names, text=text) if names and isinstance(text, str) else None
            case _:
                names = self._names_of(node)
                return _Use(node, "text", names) if names else None

    def _names_of(self, node: Node) -> list[str]:
        """Of a path of nothing but fields."""
        if node["type"] not in {"field", "subexpression"}:
            return []
        steps = self._steps_of(node)
        names = _leading_names(steps)
        return names if len(names) == len(steps) else []

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
        found = value_at(attributes)
        if rest:
            return closures.chain([found, closures.fields(rest)], None)
        return found

    def _field_of_each(self, base: Node, name: str) -> Evaluate:
        """`lines[].sku`: of the items only that field is read."""
        steps = self._steps_of(base)
        names = _leading_names(steps)
        if len(names) < len(steps):
            return closures.field_of_each(self._closure_of_root(base), name)
        if self._noting:
            self._root.at(names).of_items(name).want_whole()
            return closures.identity
        attributes, branch = self._attributes(names)
        if branch.items is None or branch.whole:
            return closures.field_of_each(self._fields(names), name)
        return _of_each(value_at(attributes), attrgetter(branch.items.below[name].attribute))

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


def value_at(attributes: Sequence[str]) -> Evaluate:
    """What stands in a view behind these attributes; null where one on the way is."""
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
