"""The short way from a message to its event, for routes that only copy and evaluate fields, or filter ready events.

It is optimistic: whatever is not straight (an object that is a text, an expression that fails, a required field that is
null) is left to the long way, which says what is wrong. Where it gives an event, it is the one that the long way gives,
as a property test shows; but a number that is only copied keeps its digits, where the long way makes a double of it.
What no expression reckons with is held to JSON's syntax alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from connector.event_plan import Content, Conversions, Equals, Evaluated, EventPlan, Members, Moment, Text, Write
from connector.mapping.closures import Evaluate
from connector.mapping.jmespath_language import ERRORS, is_false
from connector.mapping.json_text import json_bytes
from connector.mapping.json_texts import json_texts
from connector.mapping.message import Message
from connector.mapping.template_text import bare
from connector.mapping.templates import build_with
from connector.mapping.timestamps import Moments
from connector.mapping.views import NotStraightError, ViewCompiler
from connector.settings import RouteSettings

NOT_STRAIGHT: tuple[type[Exception], ...] = (msgspec.DecodeError, *ERRORS)
"""What writing an event raises where a message has to go the long way."""


class StraightWay(NamedTuple):
    plan: EventPlan
    write: Write
    """For messages in JSON. (Those in Avro are read by `decode.avro_texts`, with the plan.)"""


def straight_way(settings: RouteSettings, message: Message, *, reads_message: bool) -> StraightWay | None:
    """None: the route needs more. For settings that were compiled without a fault."""
    if settings.for_each or settings.transform or settings.ordering_key or (not settings.event and not settings.when):
        return None
    compiler = ViewCompiler(message)
    try:
        noted = _Compiled(settings, compiler)
        view = compiler.view(frozenset(noted.copied()), noted.when)
        compiled = _Compiled(settings, compiler)
    except NotStraightError:
        return None
    moments = Moments()
    plan = EventPlan(
        view=view,
        event=None if compiled.event is None else compiled.content(compiled.event),
        when=None if compiled.when is None else compiled.decision(compiled.when),
        conversions=Conversions(json_bytes, moments.of_value, moments.of_seconds),
        message=message if reads_message else None,
    )
    return StraightWay(plan, json_texts(plan))


class _Compiled:
    """A route's settings as closures over the view, and what objects these closures build."""

    def __init__(self, settings: RouteSettings, compiler: ViewCompiler) -> None:
        self._compiler = compiler
        self._objects: dict[Evaluate, tuple[dict[str, Any], list[tuple[str, Evaluate]]]] = {}
        self.when = None if settings.when is None else compiler.compile(bare(settings.when)).evaluate
        self.event = None if settings.event is None else build_with(settings.event, compiler, self._object)

    def _object(self, constants: dict[str, Any], dynamic: list[tuple[str, Evaluate]], _not_empty: bool) -> Evaluate:
        """An object without what is null; what is empty or missing the contract refuses."""

        def build(view: Any) -> dict[str, Any]:  # only where it is an item of an array
            return {key: found for key, evaluate in dynamic if (found := evaluate(view)) is not None} | constants

        self._objects[build] = constants, dynamic
        return build

    def copied(self) -> Iterator[Evaluate]:
        """What makes a member of the event by itself."""
        return self._members_of(self.event) if self.event is not None else iter(())

    def _members_of(self, evaluate: Evaluate) -> Iterator[Evaluate]:
        if evaluate in self._objects:
            for _, inner in self._objects[evaluate][1]:
                yield from self._members_of(inner)
        else:
            yield evaluate

    def content(self, evaluate: Evaluate) -> Content:
        if evaluate in self._objects:
            constants, dynamic = self._objects[evaluate]
            members: list[tuple[bytes, Content]]
            members = [(json_bytes(name), self.content(inner)) for name, inner in dynamic]
            return Members([*members, *((json_bytes(name), json_bytes(value)) for name, value in constants.items())])
        found = self._compiler.found_by(evaluate)
        return found if isinstance(found, Text | Moment) else Evaluated(evaluate)

    def decision(self, when: Evaluate) -> Equals | Evaluated:
        found = self._compiler.found_by(when)
        return found if isinstance(found, Equals) else Evaluated(_holds(when))


def _holds(when: Evaluate) -> Evaluate:
    def holds(view: Any) -> bool:
        wanted = when(view)
        return wanted is True or not is_false(wanted)

    return holds
