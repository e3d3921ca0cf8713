"""Per assigned partition: which offset may be committed, and what is settled beyond it.

Owns the set of outstanding offsets: those that arrived and are not settled. Offsets are tracked as they arrived and
never as ranges, because compaction and transaction markers leave holes. A record that became several events is
outstanding until each of them is settled.

Invariant: `position` is never above an outstanding offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from connector.core.records import NextOffset


class OffsetRange(NamedTuple):
    """Offsets from `start` to below `end`."""

    start: int
    end: int


class Progress:
    __slots__ = ("_ahead", "_events_left", "_outstanding", "next_offset")

    def __init__(self, position: NextOffset, ahead: Sequence[OffsetRange] = ()) -> None:
        """`position`: where reading starts; `ahead`: ranges above it that the group's own commit names as settled."""
        self.next_offset = position
        # in the order of arrival, which is that of the offsets; with the timestamp of the run that each came in
        self._outstanding: dict[int, int | None] = {}
        self._events_left: dict[int, int] = {}  # only of records with several events
        self._ahead = sorted(r for r in ahead if r.end > position)

    def __len__(self) -> int:
        return len(self._outstanding)

    def track(self, offsets: Sequence[int], first_ms: int | None = None) -> None:
        """Takes a run of offsets, ascending and none below `next_offset`. `first_ms`: the first one's timestamp."""
        assert offsets[0] >= self.next_offset, "an offset arrived twice in one epoch"
        self._outstanding.update(dict.fromkeys(offsets, first_ms))
        self.next_offset = NextOffset(offsets[-1] + 1)

    def settled_before(self, offsets: Sequence[int]) -> list[int]:
        """Those of a run that the group's own commit already names as settled. They are not tracked by this."""
        ahead = self._ahead
        if not ahead or ahead[0].start > offsets[-1]:
            return []
        found: list[int] = []
        passed = 0
        for offset in offsets:  # both ascend: one walk, for a window of scattered offsets has thousands of ranges
            while passed < len(ahead) and ahead[passed].end <= offset:
                passed += 1
            if passed == len(ahead):
                break
            if ahead[passed].start <= offset:
                found.append(offset)
        del ahead[:passed]
        return found

    def expect_events(self, offset: int, events: int) -> None:
        """The record at `offset` became `events` events and is settled with the last of them."""
        assert events > 1
        assert offset in self._outstanding
        self._events_left[offset] = events

    def settle(self, offsets: Iterable[int]) -> None:
        """One event of each of these offsets is settled."""
        outstanding = self._outstanding
        if not self._events_left:
            for offset in offsets:
                del outstanding[offset]
            return
        left = self._events_left
        for offset in offsets:
            events = left.get(offset, 1)
            if events > 2:
                left[offset] = events - 1
            elif events == 2:
                del left[offset]
            else:
                del outstanding[offset]

    @property
    def position(self) -> NextOffset:
        """What may be committed: everything below it is settled."""
        return NextOffset(next(iter(self._outstanding), self.next_offset))

    @property
    def oldest_ms(self) -> int | None:
        """Timestamp of the run (of its first record) that the lowest outstanding offset came in; None without one."""
        return next(iter(self._outstanding.values()), None)

    def settled_ahead(self) -> list[OffsetRange]:
        """The gaps between outstanding offsets above `position`, ascending.

        A gap may hold offsets that never arrive (holes): they count as settled without harm. What the last commit
        named beyond `next_offset`, and has not arrived yet, is still true and stays named.
        """
        ranges: list[OffsetRange] = []
        below = -1
        for offset in self._outstanding:
            if offset > below >= 0:
                ranges.append(OffsetRange(below, offset))
            below = offset + 1
        if 0 <= below < self.next_offset:
            ranges.append(OffsetRange(below, self.next_offset))
        for r in self._ahead:
            start = max(r.start, self.next_offset)
            if start < r.end:
                ranges.append(OffsetRange(start, r.end))
        return ranges
