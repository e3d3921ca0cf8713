"""What a replay remembers: the marks of the ledger, and from where on letters are left.

Owns which chosen letters of this run are not settled yet. The second is kept as the committed offsets of a consumer
group, `<group>.replay`: below them every letter was replayed, so the next replay begins there, and Kafka's own tools
show what is left as the group's lag. They are a convenience: should they expire, the ledger still knows everything.
"""

from __future__ import annotations

from collections.abc import Iterable

from connector.dlq.ledger import Ledger
from connector.dlq.letter import Position
from connector.kafka.topic_reader import TopicReader


def replay_group(group: str) -> str:
    return f"{group}.replay"


class ReplayMemory:
    def __init__(self, ledger: Ledger, reader: TopicReader) -> None:
        self.ledger = ledger
        self.reader = reader
        self._first_left: dict[int, int] = {}
        self._open: dict[int, dict[int, None]] = {partition: {} for partition in reader.ends}
        self._committed = dict(reader.next_offsets)

    def chose(self, position: Position) -> None:
        self._open[position.partition][position.offset] = None

    def left(self, position: Position) -> None:
        """It is read and not sent: a later replay has to find it."""
        self._first_left.setdefault(position.partition, position.offset)

    def open_in(self, partition: int) -> Iterable[int]:
        """Offsets of chosen letters that are not settled, ascending."""
        return self._open[partition]

    def settle(self, positions: Iterable[Position]) -> None:
        positions = list(positions)
        self.ledger.mark(positions)
        for partition, offset in positions:
            del self._open[partition][offset]

    def frontier(self) -> dict[int, int]:
        """By partition, the offset below which every letter was replayed."""
        return {
            partition: min(
                next_offset,
                self._first_left.get(partition, next_offset),
                next(iter(self._open[partition]), next_offset),
            )
            for partition, next_offset in self.reader.next_offsets.items()
        }

    def moved(self) -> dict[int, int]:
        """The part of the frontier that the group has not committed yet. It counts as committed from here on."""
        moved = {p: offset for p, offset in self.frontier().items() if offset != self._committed[p]}
        self._committed |= moved
        return moved

    @property
    def has_moved(self) -> bool:
        return self.frontier() != self._committed
