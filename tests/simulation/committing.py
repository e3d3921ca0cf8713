"""Commits of one member: asynchronous, one in flight, and what can become of them on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector.core.actions import CommitItem
from connector.core.progress import OffsetRange
from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.member import Member


@dataclass(slots=True)
class CommitResult:
    done: list[CommitItem] = field(default_factory=list)
    membership_lost: bool = False
    metadata_refused: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    item: CommitItem
    grant: int
    ahead: list[OffsetRange]


class Committer:
    def __init__(self, member: Member) -> None:
        self._member = member
        self.busy = False
        self.failures = 0

    def send(self, plan: list[CommitItem]) -> None:
        member = self._member
        assert not self.busy
        self.busy = True
        sent = []
        for item in plan:
            held = member.engine.partitions.get(item.partition.name) is item.partition
            require(held, "3", f"{item.partition} is committed and not held")
            ahead = item.partition.progress.settled_ahead()
            said = bool(item.metadata) or not ahead or member.engine.metadata_refused
            require(said, "7", f"{item.partition}: {ahead} are settled, and the metadata does not say so")
            member.world.ledger.check_named((member.number, item.partition.epoch), item.position, ahead)
            ahead = ahead if item.metadata else []
            member.world.ledger.check_commit(item.partition, item.position, ahead)
            sent.append(_Sent(item, member.grants[item.partition.name], ahead))
        delay = member.world.random.uniform(0.001, 0.02)
        if member.world.chances.hit("late commit"):
            delay = member.world.random.uniform(0.2, 6.0)
        member.world.timeline.after(delay, lambda: self._arrived(sent))

    def _arrived(self, sent: list[_Sent]) -> None:
        world = self._member.world
        result = CommitResult()
        failed = world.chances.hit("commit failed")
        for each in [] if failed else sent:
            item = each.item
            if item.metadata and world.chances.hit("metadata refused"):
                result.metadata_refused = True
            elif world.commit(item, self._member.number, each.grant, each.ahead):
                result.done.append(item)
            else:
                result.membership_lost = True
        if world.chances.hit("commit done but answered as failed"):
            result.done = []
        if len(result.done) < len(sent):
            self.failures += 1
        world.timeline.after(world.random.uniform(0.001, 0.02), lambda: self._answered(result))

    def _answered(self, result: CommitResult) -> None:
        self.busy = False
        if not self._member.dead:
            self._member.commit_answered(result)
