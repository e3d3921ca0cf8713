"""The `event` of a route, compiled: from a decoded value to a Custom Event.

A field whose value is null is left out, wherever it stands; `user`, `body` and `body.name` are required. Literals stay
as they are. What a template can be blamed for without a message is found when it is compiled: the models that judge
events judge a sample of it, in which every expression is replaced by something valid.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from connector.core.records import Fault
from connector.mapping.blame import (
    REQUIRED,
    SAMPLE_TIME,
    Blame,
    Leaf,
    Required,
    RequiredMissing,
    forgiving_object,
    sample_now,
)
from connector.mapping.closures import Evaluate, constant
from connector.mapping.contract import Body, CustomEvent, User, dotted, faults_of
from connector.mapping.contract_rules import IDENTIFIERS, Place, describe
from connector.mapping.expressions import Compiler, Expression
from connector.mapping.faults import ExpressionSyntaxError
from connector.mapping.json_text import text_of
from connector.mapping.template_text import OPEN, split
from connector.mapping.timestamps import normalized_occurred
from connector.settings import ValidationSettings

_KNOWN_KEYS: dict[Place, tuple[str, ...]] = {
    (): tuple(CustomEvent.model_fields),
    ("user",): tuple(User.model_fields),
    ("body",): tuple(Body.model_fields),
}
_SAMPLE_CHANNEL = "00000000-0000-4000-8000-000000000000"
_SAMPLES: dict[Place, Any] = {
    ("occurred",): SAMPLE_TIME,
    ("user",): {"named_user_id": "x"},
    ("user", "named_user_id"): "x",
    **{("user", channel): _SAMPLE_CHANNEL for channel in IDENTIFIERS[1:]},
    ("body",): {"name": "x"},
    ("body", "value"): 1,
    ("body", "properties"): {},
}


class _Node(NamedTuple):
    evaluate: Evaluate | None
    """None: it is a constant."""
    constant: Any
    sample: Any


class Template(NamedTuple):
    evaluate: Evaluate
    """Raises RequiredMissing and what `jmespath_language.ERRORS` names; then ask `blame`."""
    functions: frozenset[str]
    """The names of all functions in it."""
    blame: Blame


def compile_template(
    template: dict[str, Any], compiler: Compiler, limits: ValidationSettings
) -> Template | list[Fault]:
    """The template, or all that is wrong with it; the fields are those of the event."""
    builder = _Builder(compiler, _object)
    root = builder.node((), template)
    faults = builder.faults or list(faults_of(root.sample, sample_now(root.sample), limits))
    if faults:
        return faults
    evaluate = root.evaluate or constant(root.constant)
    forgiving = partial(build_with, template, compiler, forgiving_object)
    blame = Blame(builder.leaves, builder.required, forgiving, limits)
    return Template(evaluate, frozenset(builder.functions), blame)


MakeObject: TypeAlias = Callable[[dict[str, Any], list[tuple[str, Evaluate]], bool], Evaluate]
"""(constant fields, other fields, whether it must not be empty) to what builds the object."""


def build_with(template: dict[str, Any], compiler: Compiler, make_object: MakeObject) -> Evaluate:
    """A template that was compiled without a fault, with another compiler and objects of another kind."""
    root = _Builder(compiler, make_object).node((), template)
    return root.evaluate or constant(root.constant)


class _Builder:
    def __init__(self, compiler: Compiler, make_object: MakeObject) -> None:
        self._compiler = compiler
        self._make_object = make_object
        self.faults: list[Fault] = []
        self.leaves: list[Leaf] = []
        self.required: list[Required] = []
        self.functions: set[str] = set()

    def node(self, place: Place, part: Any) -> _Node:
        match part:
            case str():
                node = self._text(place, part)
            case dict():
                node = self._object(place, part)
            case list():
                node = self._array(place, part)
            case _:
                node = _Node(None, part, part)
        if node.evaluate is None or place not in REQUIRED:
            return node
        evaluate = node.evaluate if isinstance(part, dict) else _required(node.evaluate)
        texts = [leaf.text for leaf in self.leaves if leaf.place[: len(place)] == place]
        self.required.append(Required(place, evaluate, texts))
        return node._replace(evaluate=evaluate)

    def _text(self, place: Place, text: str) -> _Node:
        try:
            pieces = [piece if isinstance(piece, str) else self._compiler.compile(piece.text) for piece in split(text)]
        except ExpressionSyntaxError as error:
            self.faults.append(Fault(dotted(place), f"{error.found} in {text!r}", error.expected))
            return _Node(None, None, None)
        self.functions.update(*(piece.functions for piece in pieces if isinstance(piece, Expression)))
        match pieces:
            case [Expression() as expression]:
                evaluate = _normalized(expression) if place == ("occurred",) else expression.evaluate
                sample = _SAMPLES.get(place, "x")
            case _ if any(isinstance(piece, Expression) for piece in pieces):
                evaluate = _interpolation([piece if isinstance(piece, str) else piece.evaluate for piece in pieces])
                sample = "".join(piece if isinstance(piece, str) else "x" for piece in pieces)
                if place == ("occurred",) or _SAMPLES.get(place) == _SAMPLE_CHANNEL:
                    sample = _SAMPLES[place]
            case _:
                literal = "".join(map(str, pieces))
                return _Node(None, literal, literal)
        self.leaves.append(Leaf(place, text, evaluate))
        return _Node(evaluate, None, sample)

    def _object(self, place: Place, part: dict[Any, Any]) -> _Node:
        self._check_keys(place, part)
        nodes = {str(key): self.node((*place, str(key)), item) for key, item in part.items()}
        sample = {key: node.sample for key, node in nodes.items()}
        if place == ("user",):
            sample = _user_sample(nodes)
        constants = {key: node.constant for key, node in nodes.items() if node.constant is not None}
        dynamic = [(key, node.evaluate) for key, node in nodes.items() if node.evaluate is not None]
        if not dynamic:
            return _Node(None, constants, sample)
        return _Node(self._make_object(constants, dynamic, place == ("user",)), None, sample)

    def _array(self, place: Place, part: list[Any]) -> _Node:
        nodes = [self.node((*place, index), item) for index, item in enumerate(part)]
        sample = [node.sample for node in nodes]
        if all(node.evaluate is None for node in nodes):
            return _Node(None, [node.constant for node in nodes if node.constant is not None], sample)
        return _Node(_array([node.evaluate or constant(node.constant) for node in nodes]), None, sample)

    def _check_keys(self, place: Place, part: dict[Any, Any]) -> None:
        known = _KNOWN_KEYS.get(place)
        for key in part:
            where = dotted((*place, str(key)))
            if not isinstance(key, str):
                self.faults.append(Fault(where, f"a name that is {describe(key)}", "a text: put it in quotes"))
            elif OPEN in key:
                self.faults.append(Fault(where, "an expression in a name", "expressions in values alone"))
            elif known is not None and key not in known:
                near = difflib.get_close_matches(key, known, 1)
                self.faults.append(Fault(where, "an unknown field", near[0] if near else f"one of {', '.join(known)}"))


def _user_sample(nodes: dict[str, _Node]) -> dict[str, Any]:
    """Literals count. Of several expressions one stands for all: a message decides which of them is not null."""
    literals = {key: node.sample for key, node in nodes.items() if node.evaluate is None}
    first = next((key for key, node in nodes.items() if node.evaluate is not None), None)
    return literals if literals or first is None else {first: nodes[first].sample}


def _normalized(expression: Expression) -> Evaluate:
    evaluate = expression.evaluate
    if expression.source.startswith("timestamp(") and expression.functions == {"timestamp"}:
        return evaluate
    return lambda value: normalized_occurred(evaluate(value))


def _interpolation(pieces: list[str | Evaluate]) -> Evaluate:
    """A text; null as soon as one piece is: half an identifier would be worse than none."""

    def text(value: Any) -> str | None:
        texts = []
        for piece in pieces:
            found = piece if isinstance(piece, str) else piece(value)
            if found is None:
                return None
            texts.append(found if isinstance(found, str) else text_of(found))
        return "".join(texts)

    return text


def _required(evaluate: Evaluate) -> Evaluate:
    def required(value: Any) -> Any:
        found = evaluate(value)
        if found is None:
            raise RequiredMissing
        return found

    return required


def _object(constants: dict[str, Any], dynamic: list[tuple[str, Evaluate]], not_empty: bool) -> Evaluate:
    def build(value: Any) -> dict[str, Any]:
        built = {key: found for key, evaluate in dynamic if (found := evaluate(value)) is not None}
        if constants:
            built |= constants
        elif not_empty and not built:
            raise RequiredMissing
        return built

    return build


def _array(items: list[Evaluate]) -> Evaluate:
    return lambda value: [found for item in items if (found := item(value)) is not None]
