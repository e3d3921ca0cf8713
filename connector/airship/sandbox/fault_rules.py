"""What a fault on request can say: the rules, each a value that comes from JSON, from a flag or from Python.

The endpoint and the server carry them out; which of them hit a request is decided in `faults.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

Target: TypeAlias = Literal["events", "token"]
Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e]*")
Count: TypeAlias = Annotated[int, Meta(ge=1)]
AnswerBody: TypeAlias = Literal["json", "html", "text", "empty", "ok_false", "unreadable"]


class _When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault", omit_defaults=True):
    """Which requests a rule hits; what is left out does not limit. All that is said must hold."""

    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    next: Count | None = None
    """Ends after so many hits."""
    for_seconds: Seconds | None = None
    """Ends so long after it began."""
    after_seconds: Seconds = 0.0
    """Begins so long after it was set."""
    after_requests: Annotated[int, Meta(ge=0)] = 0
    """Lets so many requests pass before the first hit."""
    target: Target = "events"


class StatusFault(_When, frozen=True, kw_only=True, tag="status"):
    """The answer is replaced."""

    status: Annotated[int, Meta(ge=200, le=599)]
    body: AnswerBody = "json"
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    """`Retry-After` in seconds."""
    retry_after_date: int | None = None
    """`Retry-After` as an HTTP date, so many seconds ahead of the answer's `Date`."""
    date_skew_seconds: int = 0
    """The endpoint's own clock, seen in `Date` and `Retry-After`, is so far ahead of the real time."""
    headers: dict[str, str] = {}
    stored: bool = False
    """The events pass the contract and are stored all the same: the answer lies."""

    def __post_init__(self) -> None:
        if self.retry_after is not None and self.retry_after_date is not None:
            raise ValueError("found retry_after and retry_after_date, expected at most one of them")
        for name, value in self.headers.items():
            if name.lower() in {"content-length", "transfer-encoding"} or not _HEADER.fullmatch(f"{name}: {value}"):
                raise ValueError(f"found the header {name!r}, expected a plain name and value, and no framing")
        if self.status < 300 and self.body == "json" and not self.stored and self.target == "events":
            raise ValueError(
                f"found status {self.status} with a JSON body and stored=false, which would report events as accepted "
                "that were not; expected body ok_false, unreadable, html, text or empty, or stored=true"
            )


class LatencyFault(_When, frozen=True, kw_only=True, tag="latency"):
    """The answer waits: `seconds`, up to `seconds_max` at random, and more for each request in flight beyond a knee."""

    seconds: Seconds = 0.0
    seconds_max: Seconds | None = None
    knee_in_flight: Annotated[int, Meta(ge=0)] | None = None
    knee_seconds: Seconds = 0.0
    """For each request in flight beyond `knee_in_flight`."""
    store: Literal["before", "after"] = "after"
    """Whether the events are stored before or after the wait."""

    def __post_init__(self) -> None:
        if self.seconds_max is not None and self.seconds_max < self.seconds:
            raise ValueError(f"found seconds_max {self.seconds_max}, expected at least seconds ({self.seconds})")
        if self.knee_in_flight is None and self.knee_seconds:
            raise ValueError("found knee_seconds alone, expected knee_in_flight with it")


class DropFault(_When, frozen=True, kw_only=True, tag="drop"):
    """The connection ends without an answer."""

    stored: bool
    """True: the events were stored before the connection ended; false: they were not."""
    how: Literal["close", "reset"] = "close"


class ExpireTokensFault(_When, frozen=True, kw_only=True, tag="expire_tokens"):
    """Every token known when the rule begins is answered 401 until the rule ends; new ones will do."""

    def __post_init__(self) -> None:
        if self.share < 1 or self.next is not None or self.after_requests or self.target != "events":
            raise ValueError("found share, next, after_requests or target; expected only for_seconds and after_seconds")


class RefuseFault(_When, frozen=True, kw_only=True, tag="refuse"):
    """Events that carry a value are refused, as the endpoint may refuse what passed every check before it."""

    pointer: str = "/body/properties/sandbox_refuse"
    """JSON pointer into the event."""
    equals: Any = True
    status: Literal[400, 422] = 400
    error: str = "The event was refused."

    def __post_init__(self) -> None:
        if not self.pointer.startswith("/"):
            raise ValueError(f"found pointer {self.pointer!r}, expected a JSON pointer such as /body/properties/colour")
        if self.target != "events":
            raise ValueError("found target token, expected events")


class ConcurrencyFault(_When, frozen=True, kw_only=True, tag="concurrency"):
    """Requests in flight beyond a limit are turned away."""

    limit: Annotated[int, Meta(ge=1)]
    status: Annotated[int, Meta(ge=400, le=599)] = 429
    retry_after: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if self.target != "events":
            raise ValueError("found target token, expected events")


class UnreachableFault(_When, frozen=True, kw_only=True, tag="unreachable"):
    """The port is closed and every connection cut, the pages of the sandbox included, for a time."""

    def __post_init__(self) -> None:
        if self.for_seconds is None:
            raise ValueError(
                "found no for_seconds, expected it: while the port is closed nothing else can end the rule"
            )
        if self.share < 1 or self.next is not None or self.after_requests or self.target != "events":
            raise ValueError("found share, next, after_requests or target; expected only for_seconds and after_seconds")


Rule: TypeAlias = (
    StatusFault | LatencyFault | DropFault | ExpireTokensFault | RefuseFault | ConcurrencyFault | UnreachableFault
)

_RULE_NAMES = ("status", "latency", "drop", "expire_tokens", "refuse", "concurrency", "unreachable")

_RULE_TYPE: Any = Rule  # a union, which the signature of `convert` has no word for


def rule_from(value: object) -> Rule:
    """Builds a rule from decoded JSON; a ValueError says where it is wrong and what was expected."""
    if isinstance(value, dict) and value.get("fault") not in _RULE_NAMES:
        raise ValueError(f"found fault {value.get('fault')!r}, expected one of {', '.join(_RULE_NAMES)}")
    try:
        rule: Rule = msgspec.convert(value, _RULE_TYPE)
    except msgspec.ValidationError as fault:
        raise ValueError(str(fault)) from None
    return rule


def rule_from_text(text: str) -> Rule:
    """Reads `status status=503 share=0.02`, or the same as a JSON object. A word's value is JSON, else a string."""
    if text.lstrip().startswith("{"):
        try:
            return rule_from(msgspec.json.decode(text))
        except msgspec.DecodeError as fault:
            raise ValueError(str(fault)) from None
    words = text.split()
    if not words:
        raise ValueError(f"found nothing, expected one of {', '.join(_RULE_NAMES)}")
    value: dict[str, object] = {"fault": words[0]}
    for word in words[1:]:
        name, equals, raw = word.partition("=")
        if not equals:
            raise ValueError(f"found {word!r}, expected name=value")
        try:
            value[name] = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            value[name] = raw
    return rule_from(value)
