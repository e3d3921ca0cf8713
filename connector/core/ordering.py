"""Which records may be in flight together: a gate for each partition, not a set of queues.

An ordering key is held by the batch that carries its records, from the moment one joins until all of them are
settled. A record whose key is free, or held by the open batch itself, may join that batch (the array keeps the
order); one whose key is held by another batch is parked behind it. Records without a key never wait.

Invariants: a key that has parked records is held by a sealed batch; parked records of a key are in offset order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from connector.core.records import Entry, OrderingKey

Holder = TypeVar("Holder")


class OrderingGate(Generic[Holder]):
    __slots__ = ("_holders", "_parked", "parked_events")

    def __init__(self) -> None:
        self._holders: dict[bytes, Holder] = {}
        self._parked: dict[bytes, deque[Entry]] = {}
        self.parked_events = 0

    def admit(self, entries: list[Entry], batch: Holder) -> list[Entry]:
        """Those of `entries` that may join the open `batch`, which then holds their keys. The others are parked."""
        holders = self._holders
        keys = [entry[1] for entry in entries]
        if holders.keys().isdisjoint(keys):  # the common case, decided for the whole run at once
            holders.update(dict.fromkeys(keys, batch))  # type: ignore[arg-type]  # None is taken out again below
            holders.pop(None, None)  # type: ignore[call-overload]
            return entries
        return self._admit_singly(entries, batch)

    def _admit_singly(self, entries: list[Entry], batch: Holder) -> list[Entry]:
        holders, parked = self._holders, self._parked
        admitted: list[Entry] = []
        for entry in entries:
            key = entry[1]
            if key is None:
                admitted.append(entry)
                continue
            holder = holders.setdefault(key, batch)
            if holder is batch:
                admitted.append(entry)
            else:
                queue = parked.get(key)
                if queue is None:
                    queue = parked[key] = deque()
                queue.append(entry)
        self.parked_events += len(entries) - len(admitted)
        return admitted

    def release(self, keys: Iterable[OrderingKey], batch: Holder) -> list[bytes]:
        """Frees those of `keys` that `batch` holds. Gives those with parked records: each must be unparked at once.

        A key that stands in two runs of a settled batch is freed once: by then the next batch may hold it already.
        """
        holders, parked = self._holders, self._parked
        waiting: list[bytes] = []
        for key in keys:
            if key is not None and holders.get(key) is batch:
                del holders[key]
                if parked and key in parked:
                    waiting.append(key)
        return waiting

    def unpark(self, key: bytes, batch: Holder, events_max: int, bytes_max: int, *, empty: bool) -> list[Entry]:
        """The first parked records of a free key, as many as fit; `batch` holds the key from now on.

        What stays parked does so behind `batch`, which the caller therefore has to seal. `bytes_max` counts a comma
        for each event. Only an `empty` batch takes a part of a record, and one event that is too large for any batch.
        """
        queue = self._parked[key]
        freed: list[Entry] = []
        room = bytes_max
        while queue and len(freed) < events_max:
            room -= len(queue[0][2]) + 1
            if room < 0:
                break
            freed.append(queue.popleft())
        if queue and freed and queue[0][0] == freed[-1][0] and not (empty and freed[0][0] == freed[-1][0]):
            cut = queue[0][0]
            while freed and freed[-1][0] == cut:
                queue.appendleft(freed.pop())
        if empty and not freed:
            freed.append(queue.popleft())
        self._holders[key] = batch
        if not queue:
            del self._parked[key]
        self.parked_events -= len(freed)
        return freed

    def has_parked(self, key: bytes) -> bool:
        return key in self._parked

    def held_by(self, keys: Sequence[OrderingKey], batch: Holder) -> bool:
        """Whether `batch` holds each of these keys; for assertions and tests."""
        return all(self._holders.get(key) is batch for key in keys if key is not None)

    @property
    def parked(self) -> list[Entry]:
        """Everything that is parked, in no particular order of keys."""
        return [entry for queue in self._parked.values() for entry in queue]
