"""Faults on request: what a rule can say, and which rules hit a request.

Owns the rules that stand and the seeded randomness. Rules are asked once a request, when it arrives, in the order in
which they were set; waits add up, and of the rules that replace the answer the first wins. Nothing here does I/O: the
endpoint carries the plan out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, assert_never

import msgspec
from msgspec import Meta, Struct

Target: TypeAlias = Literal["events", "token"]
Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
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


@dataclass(slots=True)
class StandingRule:
    """A rule that was set. `begins` and `ends` are monotonic seconds."""

    id: int
    rule: Rule
    begins: float
    ends: float | None
    passed: int = 0
    hits: int = 0

    def over(self, now: float) -> bool:
        return (self.ends is not None and now >= self.ends) or (
            self.rule.next is not None and self.hits >= self.rule.next
        )

    def as_json(self, now: float) -> dict[str, object]:
        remaining = None if self.ends is None else round(max(0.0, self.ends - now), 3)
        return {"id": self.id, **msgspec.to_builtins(self.rule), "hits": self.hits, "remaining_seconds": remaining}


Marker: TypeAlias = tuple[StandingRule, RefuseFault]
"""A refuse rule, and the account of its hits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rules want done to one request."""

    wait_seconds: float = 0.0
    store_before_wait: bool = False
    instead: StatusFault | DropFault | ConcurrencyFault | None = None
    markers: tuple[Marker, ...] = ()
    expired_since: float | None = None
    """Tokens first seen up to this monotonic time are expired."""
    names: tuple[str, ...] = field(default=())


NOTHING = Plan()


class FaultBook:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  repeatable on purpose
        self._standing: list[StandingRule] = []
        self._last_id = 0

    def add(self, rule: Rule, now: float) -> StandingRule:
        # A rule built in Python has not been checked yet: msgspec checks on conversion only.
        rule = rule_from(msgspec.to_builtins(rule))
        self._last_id += 1
        begins = now + rule.after_seconds
        ends = None if rule.for_seconds is None else begins + rule.for_seconds
        standing = StandingRule(self._last_id, rule, begins, ends)
        self._standing.append(standing)
        return standing

    def remove(self, rule_id: int | None = None) -> list[StandingRule]:
        """Ends one rule, or all of them; gives those that were ended."""
        ended = [standing for standing in self._standing if rule_id is None or standing.id == rule_id]
        self._standing = [standing for standing in self._standing if standing not in ended]
        return ended

    def standing(self, now: float) -> list[StandingRule]:
        self._standing = [standing for standing in self._standing if not standing.over(now)]
        return list(self._standing)

    def plan(self, target: Target, in_flight: int, now: float) -> Plan:
        if not self._standing:
            return NOTHING
        wait_seconds = 0.0
        store_before_wait = False
        instead: StatusFault | DropFault | ConcurrencyFault | None = None
        markers: list[Marker] = []
        expired_since: float | None = None
        names: list[str] = []
        for standing in self._due(target, now):
            rule = standing.rule
            match rule:
                case LatencyFault():
                    wait_seconds += self._latency(rule, in_flight)
                    store_before_wait = store_before_wait or rule.store == "before"
                case ConcurrencyFault():
                    if instead is not None or in_flight <= rule.limit:
                        continue
                    instead = rule
                case StatusFault() | DropFault():
                    if instead is not None:
                        continue
                    instead = rule
                case RefuseFault():
                    markers.append((standing, rule))
                    continue  # a hit only when an event matches
                case ExpireTokensFault():
                    expired_since = max(expired_since or standing.begins, standing.begins)
                    continue
                case UnreachableFault():
                    continue  # carried out by the server, not by a request
                case _:
                    assert_never(rule)
            standing.hits += 1
            names.append(_name(rule))
        return Plan(wait_seconds, store_before_wait, instead, tuple(markers), expired_since, tuple(names))

    def _due(self, target: Target, now: float) -> Iterable[StandingRule]:
        for standing in self.standing(now):
            rule = standing.rule
            if rule.target != target or now < standing.begins:
                continue
            if standing.passed < rule.after_requests:
                standing.passed += 1
                continue
            if rule.share < 1 and self._random.random() >= rule.share:
                continue
            yield standing

    def _latency(self, rule: LatencyFault, in_flight: int) -> float:
        seconds = rule.seconds
        if rule.seconds_max is not None:
            seconds = self._random.uniform(rule.seconds, rule.seconds_max)
        if rule.knee_in_flight is not None:
            seconds += max(0, in_flight - rule.knee_in_flight) * rule.knee_seconds
        return seconds


def _name(rule: Rule) -> str:
    if isinstance(rule, StatusFault | ConcurrencyFault):
        return f"{rule.__struct_config__.tag}:{rule.status}"
    if isinstance(rule, DropFault):
        return "drop:stored" if rule.stored else "drop"
    return str(rule.__struct_config__.tag)
