"""What the loop reads in a replay to the endpoint: the chosen letters, and marks in the place of commits.

A letter is marked when the engine's plan says that it is settled: by a 200, or by the report of the dead letter that
its second refusal became.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable

from connector.core.actions import CommitItem
from connector.core.records import NextOffset, SourceRecord, TopicPartition
from connector.dlq.again import Again
from connector.dlq.choosing import Choosing, Chosen
from connector.dlq.letter import Position
from connector.dlq.remembering import RememberingProducer
from connector.errors import RegistryUnavailable
from connector.kafka.source import Assigned, CommitAnswer, Listener
from connector.kafka.topic_reader import TopicReader


class LetterSource:
    """Fulfils RecordSource. All partitions are assigned at once, and none is ever revoked."""

    def __init__(
        self, reader: TopicReader, choosing: Choosing, producer: RememberingProducer, listener: Listener
    ) -> None:
        self._reader = reader
        self._choosing = choosing
        self._memory = choosing.memory
        self._producer = producer
        self._listener = listener
        self.failure: RegistryUnavailable | None = None
        """Why nothing more is read: letters cannot be judged. What is in flight can still be settled."""
        self.settled = 0
        """Chosen letters that are settled and marked."""

    def start(self) -> None:
        names = [(TopicPartition(self._reader.topic, p), offset) for p, offset in self._reader.next_offsets.items()]
        self._listener.assigned([Assigned(name, NextOffset(offset), None, 0) for name, offset in names])

    @property
    def committing(self) -> bool:
        return False

    def read(
        self, count: int, seconds: float, holder_of: Callable[[TopicPartition], object | None]
    ) -> list[tuple[TopicPartition, list[SourceRecord]]]:
        runs: dict[TopicPartition, list[SourceRecord]] = {}
        for chosen in self._choose(count, seconds):
            name = TopicPartition(self._reader.topic, chosen.letter.position.partition)
            if holder_of(name) is not None:
                runs.setdefault(name, []).append(Again(chosen))
        return list(runs.items())

    def _choose(self, count: int, seconds: float) -> list[Chosen]:
        if self.failure is not None:
            return []
        try:
            return self._choosing.choose(self._reader.read(count, seconds))
        except RegistryUnavailable as failure:
            self.failure = failure
            return []

    def serve(self) -> None:
        """No group, no heartbeat, no callback."""

    def pause(self, names: Iterable[TopicPartition]) -> None:
        self._reader.pause(name.partition for name in names)

    def resume(self, names: Iterable[TopicPartition]) -> None:
        self._reader.resume(name.partition for name in names)

    def positions(self, names: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {name: self._reader.next_offsets[name.partition] for name in names}

    def end_of(self, name: TopicPartition, seconds: float) -> NextOffset | None:  # noqa: ARG002  nobody is asked
        return NextOffset(self._reader.ends[name.partition])

    def commit(self, plan: list[CommitItem]) -> None:
        """Marks what is settled, in a transaction that this waits for. Raises StartError when that is refused."""
        marks = [Position(item.partition.name.partition, offset) for item in plan for offset in self._settled(item)]
        if marks or self._memory.has_moved:
            self._producer.settle(self._memory, marks)
            self.settled += len(marks)
        self._listener.commit_answered(CommitAnswer(plan, [], membership_lost=False, metadata_refused=False))

    def _settled(self, item: CommitItem) -> list[int]:
        ahead = item.partition.progress.settled_ahead()
        starts = [r.start for r in ahead]

        def beyond(offset: int) -> bool:
            place = bisect_right(starts, offset) - 1
            return place >= 0 and offset < ahead[place].end

        offsets = self._memory.open_in(item.partition.name.partition)
        return [offset for offset in offsets if offset < item.position or beyond(offset)]

    def ask_commit(self) -> None:
        """Every commit is answered at once."""

    def close(self) -> None:
        self._reader.close()
