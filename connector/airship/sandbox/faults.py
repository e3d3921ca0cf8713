"""Which faults hit a request.

Owns the rules that stand and the seeded randomness. Rules are asked once a request, when it arrives, in the order in
which they were set; waits add up, and of the rules that replace the answer the first wins. Nothing here does I/O: the
endpoint carries the plan out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

import msgspec

from connector.airship.sandbox.fault_rules import (
    ConcurrencyFault,
    DropFault,
    ExpireTokensFault,
    LatencyFault,
    RefuseFault,
    Rule,
    StatusFault,
    Target,
    UnreachableFault,
    rule_from,
)


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
        if isinstance(instead, ConcurrencyFault):
            wait_seconds = 0.0  # who is turned away does not wait inside
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
