"""Which batch travels next, and what is under way.

Owns the requests in flight, how many there may be, and the batches that were sent before: the urgent ones (parts of a
refused batch, those that a block sent back) and those that wait for their next attempt. New batches come from the
batching when these have none.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from connector.core.actions import SendRequest
from connector.core.batching import Batch, Batching
from connector.core.concurrency import Concurrency, Sign
from connector.core.pacing import Pacing, Permit


class Dispatch:
    def __init__(self, batching: Batching, pacing: Pacing, requests_max: int | None) -> None:
        """`requests_max`: in flight at once; None: as many as the endpoint likes."""
        self.in_flight: dict[int, Batch] = {}
        self._batching = batching
        self._pacing = pacing
        self._requests_max = requests_max
        self._concurrency = Concurrency() if requests_max is None else None
        self._next_request_id = 0
        self._probe_id: int | None = None
        self._urgent: list[Batch] = []  # the first to be sent is last
        self._waiting: list[tuple[float, int, Batch]] = []  # a heap: (due, batch id, batch)

    @property
    def requests_max(self) -> int:
        if self._requests_max is not None:
            return self._requests_max
        assert self._concurrency is not None
        return self._concurrency.limit

    def answered(self, request_id: int, sign: Sign, now: float) -> Batch:
        """The batch that the request carried; it is in flight no more."""
        if self._concurrency is not None:
            self._concurrency.answered(request_id, sign, now, more=bool(self._batching.sealed))
        if request_id == self._probe_id:
            self._probe_id = None
        return self.in_flight.pop(request_id)

    def next(self, batch: Batch) -> None:
        """Before everything else."""
        self._urgent.append(batch)

    def wait_until(self, due: float, batch: Batch) -> None:
        heapq.heappush(self._waiting, (due, batch.batch_id, batch))

    def wait_no_longer(self, now: float) -> None:
        self._waiting = [(now, batch_id, batch) for _, batch_id, batch in self._waiting]
        heapq.heapify(self._waiting)

    @property
    def waiting(self) -> int:
        """Batches that were sent before and are to be sent again."""
        return len(self._urgent) + len(self._waiting)

    def request(self, now: float, sendable: Callable[[Batch, float], bool]) -> SendRequest | None:
        """The next request, which is in flight from here on; None: nothing may be sent, or nothing is there.

        `sendable` says whether anything is left of a batch that was sent before, and takes care of it where not.
        """
        if len(self.in_flight) >= self.requests_max:
            return None
        permit = self._pacing.permit(now, probing=self._probe_id is not None)
        batch = None if permit is Permit.NOTHING else self._take(now, permit, sendable)
        if batch is None:
            return None
        self._next_request_id += 1
        batch.requests += 1
        batch.attempts += 1
        if batch.group is not None:
            batch.group.requests += 1
        self._pacing.sent(batch.events, now)
        self.in_flight[self._next_request_id] = batch
        if self._concurrency is not None:
            self._concurrency.sent(self._next_request_id, now)
        if permit is Permit.PROBE:
            self._probe_id = self._next_request_id
        return SendRequest(self._next_request_id, batch)

    def _take(self, now: float, permit: Permit, sendable: Callable[[Batch, float], bool]) -> Batch | None:
        while self._urgent:
            batch = self._urgent.pop()
            if sendable(batch, now):
                return batch
        while self._waiting and (permit is Permit.PROBE or self._waiting[0][0] <= now):
            batch = heapq.heappop(self._waiting)[2]
            if sendable(batch, now):
                return batch
        return self._batching.take(now, idle=not self.in_flight)

    def due_at(self, now: float) -> float | None:
        """When time alone lets something be sent; None when only an event can."""
        if len(self.in_flight) >= self.requests_max:
            return None
        dues = [self._batching.due_at(), self._waiting[0][0] if self._waiting else None]
        if self._urgent or self._batching.sealed:
            dues.append(now)
        soonest = min((due for due in dues if due is not None), default=None)
        if self._pacing.in_trouble:  # a probe takes what waits, due or not
            return None if soonest is None else max(self._pacing.due_at(now), now)
        return None if soonest is None else max(self._pacing.due_at(now), soonest)
