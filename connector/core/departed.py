"""What is known of partitions that the group took away: evidence does not end with a membership.

A member that the group gave up on (the broker was away for longer than a session, a pause of the machine) could not
commit what it delivered last, and often gets the same partitions back. What it saw settled is not sent again then.
Owns the progress of each partition that left, until that partition comes back, and the commits without an answer.

It counts only where the group's commit is one that this member made: else somebody else went on from there, or the
topic was made anew, with other records under the same offsets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from connector.core.actions import CommitItem
from connector.core.partition import Partition
from connector.core.progress import OffsetRange, Progress
from connector.core.records import NextOffset, TopicPartition

Commit: TypeAlias = "tuple[NextOffset, str]"
"""The position, and the metadata that travels with it."""


class _Left(NamedTuple):
    progress: Progress
    commits: set[Commit]
    """What the group can hold if nobody else committed."""


class Departed:
    def __init__(self) -> None:
        self._left: dict[TopicPartition, _Left] = {}
        self._offered: dict[TopicPartition, set[Commit]] = {}

    def offered(self, plan: Iterable[CommitItem]) -> None:
        """A commit is sent. It may arrive although its answer says that it failed, or does not come."""
        for item in plan:
            self._offered.setdefault(item.partition.name, set()).add((item.position, item.metadata))

    def confirmed(self, item: CommitItem) -> None:
        """It arrived; those before it matter no more."""
        self._offered.pop(item.partition.name, None)

    def leave(self, partition: Partition) -> None:
        """The partition is taken away."""
        commits = self._offered.pop(partition.name, set())
        if partition.committed is not None and (partition.committed or partition.committed_metadata):
            # without any commit nothing would tell this topic from one that was made anew
            commits.add((partition.committed, partition.committed_metadata))
        self._left[partition.name] = _Left(partition.progress, commits)

    def settled(self, partition: Partition, offsets: Iterable[int]) -> None:
        """Evidence that came when the partition had left: an answer, or a report of a dead letter."""
        left = self._left.get(partition.name)
        if left is not None and left.progress is partition.progress:
            left.progress.settle(offsets)

    def come_back(self, partition: Partition) -> None:
        """It is assigned again, as the group's commit says: adds what this member knows to be settled beyond that."""
        left = self._left.pop(partition.name, None)
        position = partition.committed
        if left is None or position is None or (position, partition.committed_metadata) not in left.commits:
            return
        known = [OffsetRange(position, left.progress.position), *left.progress.settled_ahead()]
        partition.progress = Progress(position, [r for r in known if r.start < r.end])
