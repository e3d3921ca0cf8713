"""What is to blame when a template makes no event of a value: all of it in one pass, in the words of faults.

Asked only for messages that are rejected, so it takes its time: expressions have no side effects and are evaluated
once more, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connector.core.records import Fault, Reason
from connector.mapping.closures import Evaluate
from connector.mapping.contract import dotted, faults_of
from connector.mapping.contract_rules import IDENTIFIERS, Place, unreadable_time
from connector.mapping.faults import ValueFault
from connector.mapping.jmespath_language import ERRORS
from connector.settings import ValidationSettings

REQUIRED: dict[Place, str] = {
    ("user",): f"one of {', '.join(IDENTIFIERS)}",
    ("body",): "an object",
    ("body", "name"): "a string without upper-case characters",
}
SAMPLE_TIME = "2023-11-14T22:13:20"


class RequiredMissing(ValueError):
    """A required field came out as null; `Blame` says which and why."""


class Leaf(NamedTuple):
    """A text with an expression in it, and where it stands."""

    place: Place
    text: str
    evaluate: Evaluate


class Required(NamedTuple):
    place: Place
    evaluate: Evaluate
    texts: list[str]


class Blame:
    """What may be wrong with the events of one template."""

    def __init__(
        self,
        leaves: Sequence[Leaf],
        required: Sequence[Required],
        forgiving: Callable[[], Evaluate],
        limits: ValidationSettings,
    ) -> None:
        """`forgiving` compiles the template once more, with `forgiving_object`."""
        self._leaves = leaves
        self._required = required
        self._compile_forgiving = forgiving
        self._forgiving: Evaluate | None = None
        self._limits = limits

    def all_of(self, value: Any) -> tuple[Reason, list[Fault]]:
        """All that is wrong with the event of a value that `evaluate` raised for, in one pass.

        Expressions that cannot be evaluated, required fields that are null, and what is invalid in the rest.
        """
        failures = [fault for leaf in self._leaves if (fault := failure(leaf, value)) is not None]
        faults = [*failures, *self._missing(value)]
        if self._forgiving is None:
            self._forgiving = self._compile_forgiving()
        told = [fault.field for fault in faults]
        faults += [fault for fault in self.invalid(self._forgiving(value)) if not _speaks_of(fault.field, told)]
        return "expression_failed" if failures else "required_missing", faults

    def invalid(self, event: Any) -> list[Fault]:
        """What the contract says of an event, but for the time of day: mapping has no clock."""
        return list(faults_of(event, sample_now(event), self._limits))

    def _missing(self, value: Any) -> list[Fault]:
        """The required fields that are null, with their expressions. Not those whose expression fails."""
        faults = []
        for place, evaluate, texts in self._required:
            try:
                evaluate(value)
            except RequiredMissing:
                faults.append(Fault(dotted(place), f"null from {' and '.join(texts)}", REQUIRED[place]))
            except ERRORS:
                continue
        # A body whose name is missing is not missing itself: the innermost field says it.
        return [fault for fault in faults if not any(other.field.startswith(f"{fault.field}.") for other in faults)]


def _speaks_of(field: str, told: list[str]) -> bool:
    """Whether a field, something in it, or what it stands in is among those that are told already."""
    return any(
        field == other or field.startswith((f"{other}.", f"{other}[")) or other.startswith((f"{field}.", f"{field}["))
        for other in told
    )


def failure(leaf: Leaf, value: Any) -> Fault | None:
    """The one place where what an expression raises becomes a fault: what was found, never the value itself."""
    try:
        leaf.evaluate(value)
    except RequiredMissing:
        return None
    except ValueFault as fault:
        return Fault(dotted(leaf.place), f"{fault.found} in {leaf.text}", fault.expected)
    except ERRORS as error:
        return Fault(dotted(leaf.place), f"{type(error).__name__} in {leaf.text}", "values that the expression can use")
    return None


def forgiving_object(constants: dict[str, Any], dynamic: list[tuple[str, Evaluate]], _not_empty: bool) -> Evaluate:
    """An object without the fields that cannot be evaluated."""

    def build(value: Any) -> dict[str, Any]:
        built = {}
        for key, evaluate in dynamic:
            try:
                found = evaluate(value)
            except ERRORS:
                continue
            if found is not None:
                built[key] = found
        return built | constants

    return build


def sample_now(sample: Any) -> float:
    """A literal time is judged by its form alone: the settings do not say when they are used."""
    occurred = sample.get("occurred")
    if not isinstance(occurred, str) or unreadable_time(occurred) is not None:
        occurred = SAMPLE_TIME
    return datetime.fromisoformat(occurred[:19]).replace(tzinfo=UTC).timestamp()
