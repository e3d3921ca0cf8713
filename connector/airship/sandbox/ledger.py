"""What the sandbox saw: every request, every accepted event, and the sums. Owns all of it; lives on the server's loop.

The counts are exact for ever; of the events and requests themselves only the last `keep` are held. A batch is kept as
the bytes that were sent and cut into events when somebody reads, so that accepting costs next to nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from connector.airship.sandbox.bodies import cut, decode, on_one_line

_FAILURES_MAX = 20


class AcceptedEvent(NamedTuple):
    sequence: int
    """Counts accepted events from 1, in the order in which they were stored."""
    request: int
    arrived: float
    """Seconds since the epoch at which the request arrived."""
    raw: bytes
    """The event as it was sent; without white space between its parts if it stood on several lines."""

    @property
    def event(self) -> Any:
        return decode(self.raw)


class RequestEntry(NamedTuple):
    number: int
    method: str
    path: str
    status: int | None
    """None: no answer was sent."""
    events: int
    """In the body; 0 when it was not looked at."""
    stored: bool
    started: float
    ended: float
    fault: str | None
    """The rules that touched it, separated by spaces."""


class Summary(NamedTuple):
    accepted: int
    """Events stored."""
    refused: int
    """Events in requests that the contract or a `refuse` rule refused, innocent ones included."""
    requests: int
    requests_by_status: dict[str, int]
    """Answers of the events endpoint; `none` counts requests that got no answer."""
    token_requests_by_status: dict[str, int]
    requests_by_fault: dict[str, int]
    in_flight: int
    in_flight_max: int
    first_kept: int
    """The sequence number of the oldest event still held; accepted + 1 when none is."""
    held_bytes: int
    """Size of the bodies that are held."""


class _Batch(NamedTuple):
    first: int
    last: int
    request: int
    arrived: float
    body: bytes


@dataclass(slots=True)
class RequestInProgress:
    """A request on its way through; the ledger closes it, whatever happened, when the `with` block ends."""

    ledger: Ledger
    number: int
    method: str
    path: str
    counted_in_flight: bool
    started: float = field(default_factory=time.time)
    status: int | None = None
    events: int = 0
    refused_events: int = 0
    stored: bool = False
    faults: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(failure, Exception):
            self.ledger.failed(failure)
        self.ledger.close_request(self)


class Ledger:
    def __init__(self, keep: int, keep_bytes: int, record: Path | None) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._record_path = record
        self._record: IO[bytes] | None = None
        self._waiting: list[tuple[Callable[[Summary], bool], asyncio.Future[Summary]]] = []
        self._in_flight = 0
        self._requests_begun = 0
        self._failures: list[Exception] = []
        self._clear()

    def _clear(self) -> None:
        self._accepted = 0
        self._refused = 0
        self._batches: deque[_Batch] = deque()
        self._held_bytes = 0
        self._requests: deque[RequestEntry] = deque(maxlen=self._keep)
        self._requests_ended = 0
        self._statuses: Counter[str] = Counter()
        self._token_statuses: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._in_flight_max = self._in_flight

    def clear(self) -> None:
        """Forgets events, requests and sums. Request numbers go on, what is in flight stays in flight."""
        self._clear()
        self._wake()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def open_request(self, method: str, path: str, *, events_endpoint: bool) -> RequestInProgress:
        self._requests_begun += 1
        if events_endpoint:
            self._in_flight += 1
            self._in_flight_max = max(self._in_flight_max, self._in_flight)
            if self._waiting:
                self._wake()
        return RequestInProgress(self, self._requests_begun, method, path, events_endpoint)

    def store(self, request: RequestInProgress, body: bytes, count: int) -> None:
        """Takes the events of an accepted body into the ledger; from here on they are stored."""
        if self._record is not None:
            # Written and flushed first: what the counts claim is in the file, even if the process is killed next.
            self._record.write(b"".join(on_one_line(event) + b"\n" for event in cut(body)))
            self._record.flush()
        request.stored = True
        first = self._accepted + 1
        self._accepted += count
        if self._keep:
            self._batches.append(_Batch(first, self._accepted, request.number, request.started, body))
            self._held_bytes += len(body)
            while self._batches and (
                self._batches[0].last <= self._accepted - self._keep or self._held_bytes > self._keep_bytes
            ):
                self._held_bytes -= len(self._batches.popleft().body)

    @property
    def first_kept(self) -> int:
        """The oldest event still held; the first of a batch may be held no more while its last still is."""
        first = self._batches[0].first if self._batches else self._accepted + 1
        return max(first, self._accepted - self._keep + 1)

    def close_request(self, request: RequestInProgress) -> None:
        status = "none" if request.status is None else str(request.status)
        if request.counted_in_flight:
            self._in_flight -= 1
            self._statuses[status] += 1
        else:
            self._token_statuses[status] += 1
        self._faults.update(request.faults)
        self._refused += request.refused_events
        self._requests_ended += 1
        if self._keep:
            self._requests.append(
                RequestEntry(
                    request.number,
                    request.method,
                    request.path,
                    request.status,
                    request.events,
                    request.stored,
                    request.started,
                    time.time(),
                    " ".join(request.faults) or None,
                )
            )
        if self._waiting:
            self._wake()

    def events(self, after: int = 0, limit: int | None = None) -> list[AcceptedEvent]:
        """Accepted events with a sequence above `after`, oldest first, as far as they are still held."""
        found: list[AcceptedEvent] = []
        above = max(after, self.first_kept - 1)
        for batch in self._batches:
            if batch.last <= above:
                continue
            for sequence, event in enumerate(cut(batch.body), batch.first):
                if limit is not None and len(found) >= limit:
                    return found
                if sequence > above:
                    found.append(AcceptedEvent(sequence, batch.request, batch.arrived, on_one_line(event)))
        return found

    def requests(self, after: int = 0, limit: int | None = None) -> list[RequestEntry]:
        """Ended requests with a number above `after`, in the order in which they ended."""
        found = [entry for entry in self._requests if entry.number > after]
        return found if limit is None else found[:limit]

    def summary(self) -> Summary:
        return Summary(
            self._accepted,
            self._refused,
            self._requests_ended,
            dict(sorted(self._statuses.items())),
            dict(sorted(self._token_statuses.items())),
            dict(sorted(self._faults.items())),
            self._in_flight,
            self._in_flight_max,
            self.first_kept,
            self._held_bytes,
        )

    async def wait_until(self, condition: Callable[[Summary], bool], within_seconds: float) -> Summary:
        """Waits for the sums to fulfil a condition; it is looked at whenever a request begins or ends.

        Raises TimeoutError with the sums as they are when the time is over.
        """
        summary = self.summary()
        if condition(summary):
            return summary
        reached: asyncio.Future[Summary] = asyncio.get_running_loop().create_future()
        waiter = (condition, reached)
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(within_seconds):
                return await reached
        except TimeoutError:
            raise TimeoutError(f"not reached within {within_seconds} s: {self.summary()}") from None
        finally:
            self._waiting.remove(waiter)

    def _wake(self) -> None:
        summary = self.summary()
        for condition, future in self._waiting:
            if not future.done() and condition(summary):
                future.set_result(summary)

    def failed(self, failure: Exception) -> None:
        """Takes note of an exception that escaped while a request was served: a fault of the sandbox itself."""
        if len(self._failures) < _FAILURES_MAX:
            self._failures.append(failure)

    def take_failures(self) -> list[Exception]:
        failures, self._failures = self._failures, []
        return failures

    def open(self) -> None:
        """Opens the record file; raises OSError when that cannot be."""
        if self._record_path is not None and self._record is None:
            self._record = self._record_path.open("ab")

    def close(self) -> None:
        if self._record is not None:
            self._record.close()
            self._record = None
