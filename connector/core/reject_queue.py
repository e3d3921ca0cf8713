"""Rejects on their way to the dead-letter topic. A reject is settled by its delivery report and by nothing before it.

Owns those that wait to be written and those that were given to the producer. When the topic cannot be written, nothing
is dropped: the rejects wait here, their partitions' positions stand still, and one is tried at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from operator import attrgetter

from connector.core.partition import Partition
from connector.core.records import Reject

_RETRY_SECONDS_FIRST = 0.5
_RETRY_SECONDS_MAX = 10.0
_REPORT_SECONDS = 10.0
"""A broker that works acknowledges a letter within this."""


@dataclass(slots=True, eq=False)
class DeadLetter:
    letter_id: int
    partition: Partition
    offset: int
    reject: Reject
    weight: int
    """Bytes that it holds in memory."""
    taken_at: float = 0.0
    """When it was given to the producer last."""


class RejectQueue:
    __slots__ = ("_failures", "_next_at", "_next_id", "_written", "blocked_detail", "blocked_since", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[DeadLetter] = deque()
        self._written: dict[int, DeadLetter] = {}
        self._next_id = 0
        self._next_at = 0.0
        self._failures = 0
        self.blocked_since: float | None = None
        self.blocked_detail = ""

    def __len__(self) -> int:
        return len(self.waiting) + len(self._written)

    def add(self, partition: Partition, offset: int, reject: Reject, weight: int) -> None:
        self._next_id += 1
        self.waiting.append(DeadLetter(self._next_id, partition, offset, reject, weight))

    def take(self, now: float) -> DeadLetter | None:
        """The next one to give to the producer; None when there is none, or the topic is given time."""
        due = self.due_at()
        if due is None or now < due:
            return None
        letter = self.waiting.popleft()
        letter.taken_at = now
        self._written[letter.letter_id] = letter
        return letter

    def reported(self, letter_id: int) -> DeadLetter:
        """The broker has it. What waits need not wait out a back-off that grew while it was away."""
        self._failures = 0
        self._next_at = 0.0
        self.blocked_since = None
        self.blocked_detail = ""
        return self._written.pop(letter_id)

    def not_taken(self, letter_id: int, now: float) -> None:
        """The producer's own queue is full: it was not given away, and nothing is wrong with the topic."""
        self._keep(letter_id)
        self._next_at = now + 0.01

    def failed(self, letter_id: int, detail: str, now: float) -> DeadLetter:
        """The topic cannot be written. The record is kept and tried again."""
        letter = self._keep(letter_id)
        self.blocked_since = self.blocked_since if self.blocked_since is not None else now
        self.blocked_detail = detail
        self._next_at = now + min(_RETRY_SECONDS_MAX, _RETRY_SECONDS_FIRST * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._unblock_if_empty()
        return letter

    def _keep(self, letter_id: int) -> DeadLetter:
        """One that was not written is tried again, unless it is the next owner's by now."""
        letter = self._written.pop(letter_id)
        if not letter.partition.gone:
            # In the order in which they came: those of one key are replayed in the order in which they were written.
            self.waiting.insert(bisect_left(self.waiting, letter_id, key=attrgetter("letter_id")), letter)
        return letter

    def outstanding_of(self, partitions: set[Partition], *, held_back: bool) -> bool:
        """Whether a report is due for one of these, or one is still to be written while the topic works.

        `held_back`: those that are not written are kept from it, and not waited for.
        """
        if any(letter.partition in partitions for letter in self._written.values()):
            return True
        return (
            not held_back
            and self.blocked_since is None
            and any(letter.partition in partitions for letter in self.waiting)
        )

    def due_at(self) -> float | None:
        """When `take` gives one; None when a report has to come before."""
        tried = self.blocked_since is not None and bool(self._written)
        return self._next_at if self.waiting and not tried else None

    def unreported_since(self, now: float) -> float | None:
        """Since when the oldest letter waits for its report, if that is long.

        What may pass by itself (no leader, too few replicas in sync) the producer tries again without a word.
        """
        oldest = next(iter(self._written.values()), None)
        return None if oldest is None or now - oldest.taken_at < _REPORT_SECONDS else oldest.taken_at

    def drop_gone(self) -> None:
        self.waiting = deque(letter for letter in self.waiting if not letter.partition.gone)
        self._unblock_if_empty()

    def _unblock_if_empty(self) -> None:
        """What nobody waits for blocks nobody: with its last letter given away a member is ready again.

        The next one is tried at once: it must not wait out a back-off while nothing says that the topic is in trouble.
        """
        if not len(self):
            self._next_at = 0.0
            self.blocked_since = None
            self.blocked_detail = ""
