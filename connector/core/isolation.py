"""A refused batch to the refused event: by the path or the location in the answer, else by bisection.

One bad event refuses its whole request. What is left of a batch is a stack of groups, sent one at a time and in an
order that keeps each key's own. A hint of the endpoint only decides how a group is cut: the suspect is put aside and
the rest sent. An event is rejected for one reason alone, that a request which held nothing else was refused, so a
path that points at an innocent event, or a refusal that had another cause, costs requests and never a good event.

Requests for one bad event among n: three with a right hint (all, the rest, the suspect alone), at most
2 * log2(n) + 1 by bisection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from connector.core.outcomes import Refused

Item = TypeVar("Item")

HINTS_UNPROVEN_MAX = 3
"""So often in a row the rest may be refused again before the hints are left aside: they may point at innocents."""


class Group(Generic[Item]):
    """Events that are sent together, in their order."""

    __slots__ = ("bad_if_previous_accepted", "hints_left", "items", "known_bad", "requests")

    def __init__(self, items: list[Item], requests: int, hints_left: int = HINTS_UNPROVEN_MAX) -> None:
        self.items = items
        self.requests = requests  # so many requests have carried them
        self.hints_left = hints_left
        self.known_bad = False  # one of them at least is refused: proven, so not sent again as a whole
        self.bad_if_previous_accepted = False


class Remainder(Generic[Item]):
    """What is still to be sent of a batch that was refused, or was too large.

    `key_of` gives what orders items among each other; None orders nothing.
    """

    __slots__ = ("_key_of", "_stack")

    def __init__(self, key_of: Callable[[Item], object]) -> None:
        self._key_of = key_of
        self._stack: list[Group[Item]] = []  # the next to send is last

    def __len__(self) -> int:
        return len(self._stack)

    def items(self) -> list[Item]:
        """Everything that is still to be sent, in sending order."""
        return [item for group in reversed(self._stack) for item in group.items]

    def next(self) -> Group[Item] | None:
        """The group to send now; None when nothing is left. A group that is known to be bad comes in halves."""
        while self._stack:
            group = self._stack.pop()
            if not group.known_bad or len(group.items) == 1:
                return group
            self._push(*self._halves(group, proven=True))
        return None

    def accepted(self) -> None:
        """The group that `next` gave was accepted as a whole."""
        if self._stack and self._stack[-1].bad_if_previous_accepted:
            self._stack[-1].known_bad = True
            self._stack[-1].bad_if_previous_accepted = False

    def refused(self, group: Group[Item], suspect: int | None) -> None:
        """A group of several events was refused; `suspect` is the index of the event that the answer points at."""
        assert len(group.items) > 1
        self._forget_inference()
        if suspect is None or group.hints_left == 0:
            self._push(*self._halves(group, proven=True))
        else:
            self._push(*self._aside(group, suspect))

    def too_large(self, group: Group[Item]) -> None:
        """A group of several events was too large as a whole: in halves, of which neither is known to be bad."""
        assert len(group.items) > 1
        self._forget_inference()
        self._push(*self._halves(group, proven=False))

    def settled_otherwise(self) -> None:
        """The group that `next` gave was a single event and was rejected: it may have been the only bad one."""
        self._forget_inference()

    def drop(self, gone: Callable[[Item], bool]) -> None:
        """Takes items out. What was inferred of the groups may have hung on them, so it is forgotten."""
        for group in self._stack:
            group.items = [item for item in group.items if not gone(item)]
            group.known_bad = group.bad_if_previous_accepted = False
        self._stack = [group for group in self._stack if group.items]

    def _forget_inference(self) -> None:
        if self._stack:
            self._stack[-1].bad_if_previous_accepted = False

    def _push(self, first: Group[Item], second: Group[Item]) -> None:
        """`first` is sent before `second`. Neighbours of which nothing is known are sent as one."""
        after = self._stack[-1] if self._stack else None
        if after is not None and not (second.bad_if_previous_accepted or second.known_bad or after.known_bad):
            second.items = second.items + after.items
            second.requests = max(second.requests, after.requests)
            self._stack.pop()
        self._stack.append(second)
        self._stack.append(first)

    def _halves(self, group: Group[Item], *, proven: bool) -> tuple[Group[Item], Group[Item]]:
        middle = len(group.items) // 2
        first = Group(group.items[:middle], group.requests, group.hints_left)
        second = Group(group.items[middle:], group.requests, group.hints_left)
        second.bad_if_previous_accepted = proven
        return first, second

    def _aside(self, group: Group[Item], suspect: int) -> tuple[Group[Item], Group[Item]]:
        """(the rest, the suspect with its key's successors). Where there is no rest, the suspect goes first."""
        key = self._key_of(group.items[suspect])
        aside = [
            index
            for index in range(suspect, len(group.items))
            if index == suspect or (key is not None and self._key_of(group.items[index]) == key)
        ]
        if len(aside) == len(group.items):
            aside = aside[1:]
        left_out = set(aside)
        rest = [item for index, item in enumerate(group.items) if index not in left_out]
        first = Group(rest, group.requests, group.hints_left - 1)
        second = Group([group.items[index] for index in aside], group.requests, group.hints_left)
        second.bad_if_previous_accepted = True
        return first, second


_PATH_INDEX = re.compile(r"^\$?[./]?(?:[A-Za-z_]+(?=[./\[]))?[./]?\[?([0-9]{1,3})\]?(?:[./\[]|$)")


def suspect_index(refusal: Refused, bodies: Sequence[bytes]) -> int | None:
    """The index of the event that an answer points at: by its path in any spelling, else by line and column.

    `bodies` are the serialized events as they were joined into the request. None where nothing can be read from the
    answer, or it points outside.
    """
    if refusal.path is not None:
        found = _PATH_INDEX.match(refusal.path.strip())
        if found and int(found[1]) < len(bodies):
            return int(found[1])
    if refusal.location is not None:
        return _index_at(*refusal.location, bodies)
    return None


def _index_at(line: int, column: int, bodies: Sequence[bytes]) -> int | None:
    body = b"[" + b",".join(bodies) + b"]"
    start = 0
    for _ in range(line - 1):
        start = body.find(b"\n", start) + 1
        if start == 0:
            return None
    end = body.find(b"\n", start)
    text = body[start : len(body) if end < 0 else end].decode("utf-8", "replace")
    position = start + len(text[: max(0, column - 1)].encode())
    end_of_event = 1
    for index, event in enumerate(bodies):
        end_of_event += len(event) + 1
        if position < end_of_event:
            return index
    return None
