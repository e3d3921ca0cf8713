"""The short way from the bytes of a message to an event: typed in, typed out, nothing in between.

For routes that make one event of one message by looking at fields, or filter messages that are events already. It is
optimistic: whatever is not straight (an object that is a text, an expression that fails, a required field that is null)
is left to the long way, which says what is wrong. Where it gives an event, it is the one that the long way gives, as a
property test shows. What no expression looks at is held to JSON's syntax alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from connector.mapping.closures import Evaluate
from connector.mapping.jmespath_language import ERRORS
from connector.mapping.message import Message
from connector.mapping.template_text import bare
from connector.mapping.templates import build_with
from connector.mapping.views import NotStraightError, Read, ViewCompiler
from connector.settings import RouteSettings

NOT_STRAIGHT: tuple[type[Exception], ...] = (msgspec.DecodeError, *ERRORS)
"""What `read`, `when` and `build` raise where a message has to go the long way."""


class StraightWay(NamedTuple):
    view: type[Any]
    read: Read
    """JSON to a view of it. (Avro is read as one by the decoder's part, `decode.avro_views`.)"""
    when: Evaluate | None
    build: Evaluate | None
    """The view to the event, as typed objects that `json_bytes` writes; None: the message is the event itself."""


def straight_way(settings: RouteSettings, message: Message) -> StraightWay | None:
    """None: the route needs more. For settings that were compiled without a fault."""
    if settings.for_each or settings.transform or settings.ordering_key or (not settings.event and not settings.when):
        return None
    compiler = ViewCompiler(message)
    try:
        _compiled(settings, compiler)
        view, read = compiler.reader()
        when, build = _compiled(settings, compiler)
    except NotStraightError:
        return None
    return StraightWay(view, read, when, build)


def _compiled(settings: RouteSettings, compiler: ViewCompiler) -> tuple[Evaluate | None, Evaluate | None]:
    def make_object(constants: dict[str, Any], dynamic: list[tuple[str, Evaluate]], _not_empty: bool) -> Evaluate:
        return _typed_object(constants, dynamic, compiler.paths)

    when = None if settings.when is None else compiler.compile(bare(settings.when)).evaluate
    return when, None if settings.event is None else build_with(settings.event, compiler, make_object)


def _typed_object(
    constants: dict[str, Any], dynamic: list[tuple[str, Evaluate]], paths: dict[Evaluate, str]
) -> Evaluate:
    """An object whose null fields are left out when it is written; what is empty or missing the contract refuses."""
    plain = [(name, evaluate) for name, evaluate in dynamic if evaluate in paths]
    others = [(name, evaluate) for name, evaluate in dynamic if evaluate not in paths]
    make = _object_type([*(name for name, _ in plain), *(name for name, _ in others), *constants])
    fixed = tuple(constants.values())
    if len(plain) < 2:  # of one attribute attrgetter makes no tuple
        return _made(make, [evaluate for _, evaluate in (*plain, *others)], fixed)
    fields = _several_fields([evaluate for _, evaluate in plain], [paths[evaluate] for _, evaluate in plain])
    match [evaluate for _, evaluate in others]:
        case []:
            return lambda view: make(*fields(view), *fixed)
        case [only]:
            return lambda view: make(*fields(view), only(view), *fixed)
        case several:
            return lambda view: make(*fields(view), *[evaluate(view) for evaluate in several], *fixed)


def _made(make: Any, evaluates: list[Evaluate], fixed: tuple[Any, ...]) -> Evaluate:
    """The usual numbers by themselves: a list of arguments costs as much as making the object."""
    match evaluates:
        case [only] if not fixed:
            return lambda view: make(only(view))
        case [first, second] if not fixed:
            return lambda view: make(first(view), second(view))
        case [first, second, third] if not fixed:
            return lambda view: make(first(view), second(view), third(view))
        case _:
            return lambda view: make(*[evaluate(view) for evaluate in evaluates], *fixed)


def _several_fields(evaluates: list[Evaluate], paths: list[str]) -> Callable[[Any], Sequence[Any]]:
    """Several fields by one call."""
    at_once = attrgetter(*paths)

    def fields(view: Any) -> Sequence[Any]:
        try:
            found: Sequence[Any] = at_once(view)
        except AttributeError:  # an object on the way is null or missing
            found = [evaluate(view) for evaluate in evaluates]
        return found

    return fields


def _object_type(names: list[str]) -> Any:
    attributes = [f"f{number}" for number in range(len(names))]
    try:
        return msgspec.defstruct(
            "Built",
            [(attribute, Any, None) for attribute in attributes],
            rename=dict(zip(attributes, names, strict=True)),
            omit_defaults=True,
            gc=False,  # an event does not hold itself
        )
    except ValueError:  # as in views: a name that msgspec does not rename to
        raise NotStraightError from None
