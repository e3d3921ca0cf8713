"""From an event to the bytes that are sent, checked: what leaves here is valid by the contract, or InvalidEvent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from connector.core.records import Fault, Reason
from connector.errors import InvalidEvent
from connector.mapping.acceptance import Accepts
from connector.mapping.contract import dotted, faults_of
from connector.mapping.contract_rules import FAULTS_MAX, json_faults
from connector.mapping.faults import of_item
from connector.mapping.json_text import json_bytes
from connector.mapping.timestamps import normalized_occurred
from connector.settings import ValidationSettings

_UNWRITABLE = (TypeError, ValueError, RecursionError, OverflowError)
"""What msgspec raises for a type that JSON does not have, half a surrogate pair, and too deep a value."""


class EventText:
    """Checks and writes events. Holds limits alone."""

    def __init__(self, limits: ValidationSettings, bytes_max: int) -> None:
        self._limits = limits
        self._bytes_max = bytes_max

    def written(self, event: Any, accepts: Accepts, now_seconds: float, *, finite: bool) -> bytes:
        """The event as JSON. `finite`: nothing in it can be NaN or Infinity, for which msgspec writes null."""
        try:
            body = json_bytes(event)
            if accepts([body]) and (finite or b"null" not in body):
                return body
        except _UNWRITABLE:
            pass  # the models say what it is
        return self.judged(event, now_seconds)

    def judged(self, event: Any, now_seconds: float) -> bytes:
        """The same by the models alone: for values that may hold more than JSON's types."""
        self.check(event, now_seconds)
        faults = json_faults(event)  # in fields that the contract does not know
        if faults:
            raise InvalidEvent("invalid_event", [Fault(dotted(place), *rest) for place, *rest in faults])
        try:
            body = json_bytes(without_nulls(event))
        except _UNWRITABLE as error:
            found = f"a value that cannot be written ({type(error).__name__})"
            raise InvalidEvent("invalid_event", [Fault("", found, "values that JSON can hold")]) from error
        return self._sized(body)

    def passed_on(self, text: bytes, event: Any, now_seconds: float) -> bytes:
        """The text of a ready event as it came; without the nulls in optional fields where there are any."""
        self.check(event, now_seconds)
        clean = without_nulls(event)
        return self._sized(text if clean is event else json_bytes(clean))

    def check(self, event: Any, now_seconds: float) -> None:
        faults = faults_of(event, now_seconds, self._limits)
        if faults:
            raise InvalidEvent("invalid_event", faults)

    def _sized(self, body: bytes) -> bytes:
        if len(body) > self._bytes_max:
            fault = Fault(
                "", f"an event of {len(body)} bytes", f"at most {self._bytes_max}, so that a request holds it"
            )
            raise InvalidEvent("too_large", [fault])
        return body


def invalid_items(events: Sequence[Any], write: Callable[[Any], bytes]) -> InvalidEvent:
    """What is wrong with the events of one message, each fault with its event's position in front.

    For events of which `write` refuses one at least.
    """
    faults: list[Fault] = []
    reasons: list[Reason] = []
    for index, event in enumerate(events):
        try:
            write(event)
        except InvalidEvent as error:
            reasons.append(error.reason)
            faults += of_item(index, error.faults)
    return InvalidEvent(reasons[0], faults[:FAULTS_MAX])


def without_nulls(event: Any) -> Any:
    """Fields that are null count as left out and are left out: the contract does not say what Airship makes of null.

    Gives the same object where there is nothing to leave out. For valid events.
    """
    clean = {key: _filled(part) if key in {"user", "body"} else part for key, part in event.items()}
    clean = _filled(clean)
    unchanged = clean.keys() == event.keys() and all(clean[key] is event[key] for key in event)
    return event if unchanged else clean


def _filled(part: dict[str, Any]) -> dict[str, Any]:
    if None not in part.values():
        return part
    return {key: item for key, item in part.items() if item is not None}


def with_whole_seconds(event: Any) -> Any:
    """An event that no JSON text stands behind, with `occurred` in the contract's form."""
    if isinstance(event, dict) and event.get("occurred") is not None:
        return event | {"occurred": normalized_occurred(event["occurred"])}
    return event
