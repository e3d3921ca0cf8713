"""Routes, compiled: which messages one takes, and what becomes of a decoded value.

Everything that can be wrong with a route is found here, when the settings are read. What a message is to blame for
raises MappingError.
"""

from __future__ import annotations

import importlib
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from connector.core.records import Fault, SourceRecord
from connector.errors import MappingError, SettingsError
from connector.mapping.blame import Leaf, failure
from connector.mapping.closures import Evaluate
from connector.mapping.contract_rules import FAULTS_MAX, describe
from connector.mapping.expressions import Compiler
from connector.mapping.faults import ExpressionSyntaxError, ValueFault, of_item
from connector.mapping.functions import functions_of
from connector.mapping.jmespath_language import ERRORS, is_false
from connector.mapping.json_text import text_of
from connector.mapping.message import Message
from connector.mapping.plain_values import plain
from connector.mapping.straight import StraightWay, straight_way
from connector.mapping.template_text import bare
from connector.mapping.templates import Template, compile_template
from connector.settings import RouteSettings, ValidationSettings

Transform: TypeAlias = Callable[[Any, SourceRecord], Any]

EVENTS_MAX = 1_000
"""Of one message, by `for_each` or a transform: they settle together and are held together."""
_OVERFLOWING = frozenset({"sum", "avg"})
"""The functions that can make an infinite number of finite ones."""


@dataclass(slots=True, eq=False)
class Route:
    """One compiled route. Shares its message with the routes that it was compiled with."""

    label: str
    """Its name, or its place in the settings."""
    settings: RouteSettings
    message: Message
    topics: frozenset[str]
    topics_pattern: re.Pattern[str] | None = None
    when: Leaf | None = None
    for_each: Leaf | None = None
    ordering_key: Leaf | None = None
    transform: Transform | None = None
    template: Template | None = None
    straight: StraightWay | None = None
    """The short way over a view of the message, where the route has one."""
    reads_message: bool = False
    """Its expressions ask for the record: `message` must be set before any of them runs."""
    overflows: bool = False
    """An expression can make Infinity of a message that has none."""

    def takes(self, topic: str) -> bool:
        if self.topics_pattern is not None:
            return self.topics_pattern.fullmatch(topic) is not None
        return topic in self.topics

    @property
    def is_plain(self) -> bool:
        """Every message is a Custom Event already and goes through whatever is in it."""
        return self.passes_through and self.when is None and self.ordering_key is None

    @property
    def is_plain_json(self) -> bool:
        """And its values may be JSON as they stand, without a look at the framing."""
        return self.is_plain and self.settings.format != "avro"

    @property
    def is_straight(self) -> bool:
        """One message, one event, by nothing but expressions."""
        return self.straight is not None or self.decoded_way is not None

    @property
    def decoded_way(self) -> tuple[Evaluate | None, Evaluate] | None:
        """(`when`, the template) over a decoded value, where that is all there is to do."""
        if self.template is None or self.transform or self.for_each or self.ordering_key:
            return None
        return None if self.when is None else self.when.evaluate, self.template.evaluate

    @property
    def passes_through(self) -> bool:
        """What is decoded is the event."""
        return self.template is None and self.transform is None and self.for_each is None

    def applies(self, value: Any) -> bool:
        """`when`, with JMESPath's own idea of false: false, null and what is empty."""
        if self.when is None:
            return True
        found = _evaluated(self.when, value)
        return found is True or not is_false(found)

    def key_of(self, value: Any) -> bytes | None:
        """The ordering key that the route names; None where it is null."""
        assert self.ordering_key is not None
        key = _evaluated(self.ordering_key, value)
        try:
            return None if key is None else text_of(key).encode("utf-8", "surrogatepass")
        except ERRORS as error:
            fault = Fault("ordering_key", f"{type(error).__name__} in {self.ordering_key.text}", "a text or a number")
            raise MappingError("expression_failed", [fault]) from error

    def events_of(self, value: Any, record: SourceRecord) -> list[Any]:
        """The events of a message in their order, not validated; none: the message is skipped."""
        if self.transform is not None:
            is_judged_next = self.template is None and self.for_each is None
            value = _transformed(self.transform, value, record, foreign=is_judged_next)
        if self.for_each is None:
            if self.template is not None:
                return [] if value is None and self.transform is not None else [_built(self.template, value)]
            if isinstance(value, list) and self.transform is not None:
                return _bounded(value, "transform")
            return [] if value is None else [value]
        items = _evaluated(self.for_each, value)
        if items is None:
            return []
        if not isinstance(items, list):
            fault = Fault("for_each", f"{describe(items)} from {self.for_each.text}", "an array")
            raise MappingError("expression_failed", [fault])
        return self._each(_bounded(items, "for_each"))

    def _each(self, items: list[Any]) -> list[Any]:
        if self.template is None:
            return items
        events = []
        failed: dict[int, MappingError] = {}
        for index, item in enumerate(items):
            self.message.item_index = index
            try:
                events.append(_built(self.template, item))
            except MappingError as error:
                failed[index] = error
        self.message.item_index = 0  # outside of `for_each` a message must not depend on those before it
        if failed:
            raise _of_items(self.template, events, failed)
        return events


def _of_items(template: Template, events: list[Any], failed: dict[int, MappingError]) -> MappingError:
    """The faults of all items, those of the events that could be built included."""
    built = iter(events)
    faults: list[Fault] = []
    for index in range(len(events) + len(failed)):
        error = failed.get(index)
        faults += of_item(index, template.blame.invalid(next(built)) if error is None else error.faults)
    return MappingError(next(iter(failed.values())).reason, faults[:FAULTS_MAX])


def _built(template: Template, value: Any) -> Any:
    try:
        return template.evaluate(value)
    except ERRORS as error:
        # Expressions have no side effects: evaluated once more one by one, they say where it was, all of them.
        raise MappingError(*template.blame.all_of(value)) from error


def _evaluated(leaf: Leaf, value: Any) -> Any:
    try:
        return leaf.evaluate(value)
    except ERRORS as error:
        fault = failure(leaf, value)
        assert fault is not None, "an expression gives the same for the same value"
        raise MappingError("expression_failed", [fault]) from error


def _bounded(items: list[Any], field: str) -> list[Any]:
    if len(items) > EVENTS_MAX:
        fault = Fault(field, f"{len(items)} items", f"at most {EVENTS_MAX} events of one message")
        raise MappingError("expression_failed" if field == "for_each" else "transform_failed", [fault])
    return items


def _transformed(transform: Transform, value: Any, record: SourceRecord, *, foreign: bool) -> Any:
    try:
        return plain(transform(value, record), foreign=foreign)
    except ValueFault as fault:
        found = f"{fault.found} in what it gave"
        raise MappingError("transform_failed", [Fault("transform", found, fault.expected)]) from fault
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        found = f"{type(error).__name__} at line {frame.lineno} of {frame.name}()"
        raise MappingError(
            "transform_failed", [Fault("transform", found, "a value, a list of events or None")]
        ) from error


def compile_routes(routes: Sequence[RouteSettings], limits: ValidationSettings) -> list[Route]:
    """Raises SettingsError with a line for each fault of all routes."""
    message = Message()
    compiler = Compiler(message)
    faults: list[str] = []
    compiled = []
    for index, settings in enumerate(routes):
        builder = _RouteBuilder(f"routes[{index}]", settings, compiler, limits)
        compiled.append(builder.build(message))
        faults += builder.faults
    if faults:
        raise SettingsError(faults)
    return compiled


class _RouteBuilder:
    def __init__(self, where: str, settings: RouteSettings, compiler: Compiler, limits: ValidationSettings) -> None:
        self._where = where
        self._settings = settings
        self._compiler = compiler
        self._limits = limits
        self._functions: set[str] = set()
        self.faults: list[str] = []

    def build(self, message: Message) -> Route:
        settings = self._settings
        route = Route(
            label=settings.name or self._where,
            settings=settings,
            message=message,
            topics=frozenset(settings.topics or ()),
            topics_pattern=self._pattern(),
            when=self._leaf("when", settings.when),
            for_each=self._leaf("for_each", settings.for_each),
            ordering_key=self._leaf("ordering_key", settings.ordering_key),
            transform=self._transform(),
            template=self._template(),
        )
        route.reads_message = self._reads_message
        if not self.faults:
            route.straight = straight_way(settings, message, reads_message=route.reads_message)
        route.overflows = route.transform is not None or not _OVERFLOWING.isdisjoint(self._functions)
        return route

    def _fault(self, field: str, found: str, expected: str) -> None:
        self.faults.append(f"{self._where}.{field}: found {found}, expected {expected}")

    def _pattern(self) -> re.Pattern[str] | None:
        given = [name for name in ("topics", "topics_pattern") if getattr(self._settings, name) is not None]
        if len(given) != 1:
            found = "both" if given else "neither"
            self.faults.append(f"{self._where}: found {found} of topics and topics_pattern, expected one of them")
        if self._settings.topics_pattern is None:
            return None
        try:
            return re.compile(self._settings.topics_pattern)
        except re.error as error:
            self._fault("topics_pattern", f"{error.msg} at position {error.pos}", "a regular expression")
            return None

    def _leaf(self, field: str, text: str | None) -> Leaf | None:
        """An expression as it stands; the marks of a template around it do no harm."""
        if text is None:
            return None
        try:
            expression = self._compiler.compile(bare(text))
        except ExpressionSyntaxError as error:
            self._fault(field, f"{error.found} in {text!r}", error.expected)
            return None
        self._functions |= expression.functions
        return Leaf((field,), text, expression.evaluate)

    def _template(self) -> Template | None:
        if self._settings.event is None:
            return None
        template = compile_template(self._settings.event, self._compiler, self._limits)
        if isinstance(template, Template):
            self._functions |= template.functions
            return template
        for fault in template:
            self._fault(f"event.{fault.field}" if fault.field else "event", fault.found, fault.expected)
        return None

    @property
    def _reads_message(self) -> bool:
        own = functions_of(Message())
        return any(name in own and own[name].reads_message for name in self._functions)

    def _transform(self) -> Transform | None:
        name = self._settings.transform
        if name is None:
            return None
        module_name, _, function_name = name.partition(":")
        if not module_name or not function_name:
            self._fault("transform", repr(name), "package.module:function")
            return None
        try:
            function = getattr(importlib.import_module(module_name), function_name)
        except Exception as error:  # noqa: BLE001  importing runs the user's code
            self._fault("transform", f"{type(error).__name__}: {error} for {name}", "a function that can be imported")
            return None
        if not callable(function):
            self._fault("transform", f"{name}, which cannot be called", "a function of the value and the record")
            return None
        checked: Transform = function
        return checked
