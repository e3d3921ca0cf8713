"""Schemas for the loop: partitions that wait for one, look-ups in the other thread, their answers.

The cache decides what is asked and when; this only carries questions to the executor and answers back.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection
from concurrent.futures import Future

from connector.core.partition import Partition
from connector.decode.schema_cache import SchemaCache
from connector.decode.schemas import Schema, SchemaLookup, SchemaUnknown, ask
from connector.errors import RegistryUnavailable

RunBlocking = Callable[[Callable[[], None]], "Future[None]"]


class SchemaDesk:
    def __init__(self, cache: SchemaCache, lookup: SchemaLookup | None, run_blocking: RunBlocking) -> None:
        self.cache = cache
        self._lookup = lookup
        self._run_blocking = run_blocking
        self._answers: queue.SimpleQueue[tuple[str, Schema | SchemaUnknown | RegistryUnavailable]] = queue.SimpleQueue()
        self._asked: list[Future[None]] = []

    def ready(self, partitions: Collection[Partition], now: float) -> list[Partition]:
        """Those of `partitions` whose held records can go on now. Asks for what is wanted."""
        while not self._answers.empty():
            schema, answer = self._answers.get_nowait()
            self.cache.answered(schema, answer, now)
        waiting = [partition for partition in partitions if partition.held]
        if not waiting:
            return []
        for schema in self.cache.wanted(now):
            self._asked.append(self._run_blocking(lambda schema=schema: self._ask(schema)))  # type: ignore[misc]
        for future in [future for future in self._asked if future.done()]:
            self._asked.remove(future)
            future.result()  # an error of our own in the look-up ends the process
        return [p for p in waiting if p.held_for is None or self.cache.is_settled(p.held_for.schema)]

    def patience(self, now: float) -> float:
        """How long the loop may sleep before this has something to do."""
        if self._asked:
            return 0.01
        due = self.cache.next_due(now)
        return 1.0 if due is None else max(0.0, due - now)

    def _ask(self, schema: str) -> None:
        assert self._lookup is not None, "a schema is wanted although no source of schemas is set"
        self._answers.put((schema, ask(self._lookup, schema)))
