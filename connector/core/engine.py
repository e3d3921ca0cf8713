"""Events in, actions out: every change of the connector's state happens here.

Owns the assigned partitions and the parts that decide: progress, ordering, batching, dispatch, pacing, isolation, and
the rejects. It is called from one thread, is handed `now` (monotonic seconds) and does no I/O.

The invariants are in ARCHITECTURE.md; the simulation checks them after every step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random
from typing import Literal, assert_never

from connector.core import commit_metadata
from connector.core.actions import Action, AnswerReport, CommitItem, EngineLimits, WriteDeadLetter
from connector.core.admission import admit, release
from connector.core.batch_isolation import begin_isolation, key_of, without_gone
from connector.core.batching import Batch, Batching, Item, runs_of
from connector.core.concurrency import sign_of
from connector.core.dispatch import Dispatch
from connector.core.flow import CONSUME_MAX, Flow, Reading
from connector.core.guard import RejectGuard
from connector.core.isolation import suspect_index
from connector.core.outcomes import Blocked, Delivered, Refused, Retry, Split, classify
from connector.core.pacing import Pacing
from connector.core.partition import Partition
from connector.core.progress import Progress
from connector.core.records import (
    Answer,
    Entry,
    Fault,
    NextOffset,
    PreparedRun,
    Reject,
    SourceRecord,
    TopicPartition,
    held_bytes,
)
from connector.core.reject_queue import DeadLetter, RejectQueue

_HELD_SLICES = 16
"""Of the window: what waited for a schema is prepared in parts of this size, so that its events fit, or nearly."""


class Engine:
    def __init__(self, limits: EngineLimits, random: Random) -> None:
        self._limits = limits
        self.partitions: dict[TopicPartition, Partition] = {}
        self._epoch = 0
        self._batching = Batching(limits.batch)
        self.pacing = Pacing(limits.pacing, random)
        self.flow = Flow(limits.window)
        self.rejects = RejectQueue()
        self.prepared_guard = RejectGuard(limits.guard)
        self.delivery_guard = RejectGuard(limits.guard)
        self._dispatch = Dispatch(self._batching, self.pacing, limits.requests_max)
        self._abandoned: list[Batch] = []
        self.window_records = 0
        self.window_bytes = 0
        self.draining = False
        self.metadata_refused = False
        self._one_read = -(-CONSUME_MAX // limits.batch.events_max)  # in batches

    # -- partitions --------------------------------------------------------------------------------------------------

    def assign(self, name: TopicPartition, position: NextOffset, metadata: str | None) -> Partition:
        """A partition is ours from `position` on (0 where the group has none); `metadata` is that of its commit."""
        assert name not in self.partitions
        self._epoch += 1
        ahead = commit_metadata.decode(metadata, position)
        partition = Partition(name, self._epoch, Progress(position, ahead), committed=position)
        partition.committed_metadata = metadata or ""
        self.partitions[name] = partition
        return partition

    def drop(self, names: Iterable[TopicPartition]) -> None:
        """These are ours no more. What is in flight of them is answered into the void; the rest is forgotten."""
        for name in names:
            partition = self.partitions.pop(name, None)
            if partition is not None:
                partition.gone = True
                self.window_records -= len(partition.progress)
                self.window_bytes -= partition.window_bytes
        self._batching.drop_gone()
        self.rejects.drop_gone()

    def busy_with(self, names: Collection[TopicPartition]) -> bool:
        """Whether an answer or a report is due for one of these. A back-off, a breaker or a block is not waited for."""
        partitions = {self.partitions[name] for name in names if name in self.partitions}
        in_flight = any(p in partitions for batch in self.in_flight.values() for p, _ in batch.runs)
        return in_flight or self.rejects.outstanding_of(partitions, held_back=self.guard_tripped)

    # -- records -----------------------------------------------------------------------------------------------------

    def received(self, partition: Partition, records: Sequence[SourceRecord]) -> tuple[Sequence[SourceRecord], int]:
        """Takes a run over. Gives those records that are to be prepared, and how many the group's commit has settled.

        While the partition waits for a schema its records are held, and none is given.
        """
        offsets = [record.offset() for record in records]
        if offsets[0] < partition.progress.next_offset:
            records = [record for record in records if record.offset() >= partition.progress.next_offset]
            if not records:
                return [], 0
            offsets = [record.offset() for record in records]
        ahead = partition.progress.settled_before(offsets)
        kind, first_ms = records[0].timestamp()
        partition.progress.track(offsets, first_ms if kind else None)
        if ahead:
            partition.progress.settle(ahead)
            settled = set(ahead)
            records = [record for record in records if record.offset() not in settled]
        self.window_records += len(records)
        if partition.held and records:
            partition.held.extend(records)
            self._hold(partition, records)
            records = []
        return records, len(ahead)

    def take_held(self, partition: Partition) -> list[SourceRecord]:
        """The first of the records that waited for a schema, to be prepared and offered again.

        None while the window is full of what was prepared before: a held record weighs its value alone, and with its
        event twice that or more.
        """
        partition.held_for = None
        bytes_max = self._limits.window.bytes_max
        only_held = self.window_bytes <= sum(p.held_bytes for p in self.partitions.values())
        if self.window_bytes > bytes_max and not only_held:
            return []
        records: list[SourceRecord] = []
        taken_bytes = 0
        while partition.held and taken_bytes <= bytes_max // _HELD_SLICES:
            records.append(partition.held.popleft())
            taken_bytes += held_bytes(records[-1])
        partition.held_bytes -= taken_bytes
        self._weigh(partition, -taken_bytes)
        return records

    def offer(self, partition: Partition, records: int, prepared: PreparedRun, now: float) -> None:
        """What became of `records` records of a run that `received` or `take_held` gave."""
        if prepared.rest:
            partition.held.extendleft(reversed(prepared.rest))
            self._hold(partition, prepared.rest)
            partition.held_for = prepared.wait
        self.prepared_guard.verdicts(len(prepared.entries), len(prepared.rejects), now)
        if prepared.skipped:
            self._settle(partition, [offset for offset, _ in prepared.skipped], 0)
        for reject in prepared.rejects:
            self._reject(partition, reject.record.offset(), reject, held_bytes(reject.record))
        entries = prepared.entries
        if not entries:
            return
        weight = sum([entry[4] for entry in entries])
        self._weigh(partition, weight)
        self.flow.received(len(entries), weight)
        if len(entries) + len(prepared.skipped) + len(prepared.rejects) + len(prepared.rest) != records:
            self._expect_several(partition, entries)
        admit(self._batching, partition, entries, now)

    def _expect_several(self, partition: Partition, entries: Sequence[Entry]) -> None:
        counts: dict[int, int] = {}
        for entry in entries:
            counts[entry[0]] = counts.get(entry[0], 0) + 1
        for offset, events in counts.items():
            if events > 1:
                partition.progress.expect_events(offset, events)

    def _hold(self, partition: Partition, records: Sequence[SourceRecord]) -> None:
        weight = sum(map(held_bytes, records))
        partition.held_bytes += weight
        self._weigh(partition, weight)
        self.flow.received(len(records), weight)

    # -- what is settled ---------------------------------------------------------------------------------------------

    def _settle(self, partition: Partition, offsets: list[int], weight: int) -> None:
        before = len(partition.progress)
        partition.progress.settle(offsets)
        self.window_records -= before - len(partition.progress)
        self._weigh(partition, -weight)

    def _weigh(self, partition: Partition, weight: int) -> None:
        partition.window_bytes += weight
        self.window_bytes += weight

    def _reject(self, partition: Partition, offset: int, reject: Reject, weight: int) -> None:
        """To the dead letters. Of a record with several refused events one letter is written, with the first fault."""
        if offset in partition.rejected:
            self._settle(partition, [offset], 0)
            return
        partition.rejected.add(offset)
        self._weigh(partition, weight)
        self.rejects.add(partition, offset, reject, weight)

    def dead_letter_reported(self, letter_id: int) -> DeadLetter:
        """The broker has it: this report is what settles the record."""
        letter = self.rejects.reported(letter_id)
        if not letter.partition.gone:
            letter.partition.rejected.discard(letter.offset)
            self._settle(letter.partition, [letter.offset], letter.weight)
        return letter

    # -- answers -----------------------------------------------------------------------------------------------------

    def answered(self, request_id: int, answer: Answer, now: float) -> AnswerReport:
        outcome = classify(answer, self.in_flight[request_id].body)
        batch = self._dispatch.answered(request_id, sign_of(answer, outcome), now)
        stale = sum(len(entries) for partition, entries in batch.runs if partition.gone)
        report = AnswerReport(batch, batch.runs, outcome, stale)
        match outcome:
            case Delivered():
                self._healthy(now)
                self._delivered(report, now)
            case Refused():
                self._healthy(now)
                self._refused(report, outcome, now)
            case Split():
                self._healthy(now)
                self._split(report, outcome, now)
            case Retry():
                self._dispatch.wait_until(self.pacing.failed(outcome, batch.attempts, now), batch)
            case Blocked():
                self.pacing.blocked(outcome, now)
                self._dispatch.next(batch)
            case _:
                assert_never(outcome)
        return report

    def _healthy(self, now: float) -> None:
        """The endpoint answers about events. After an outage nobody waits out a back-off that grew during it."""
        if self.pacing.answered_well():
            self._dispatch.wait_no_longer(now)

    def _delivered(self, report: AnswerReport, now: float) -> None:
        batch = report.batch
        for partition, entries in batch.runs:
            if not partition.gone:
                self._settle(partition, [entry[0] for entry in entries], sum([entry[4] for entry in entries]))
        self.delivery_guard.verdicts(batch.events, 0, now)
        if batch.remainder is not None:
            batch.remainder.accepted()
            self._advance(report, batch.items(), now)
            return
        report.ended = True
        for partition, entries in batch.runs:
            if not partition.gone:
                release(self._batching, batch, partition, [entry[1] for entry in entries], now)

    def _refused(self, report: AnswerReport, outcome: Refused, now: float) -> None:
        batch = report.batch
        group, remainder = begin_isolation(batch)
        if without_gone(batch):
            self._resend(report, now)  # what was refused may have been an event that is not ours any more
        elif len(group.items) == 1:
            partition, entry = group.items[0]
            says = f"one that it takes; it says: {outcome.error}"
            fault = Fault(outcome.path or "", "an event that Airship refused", says)
            self._reject_entry(report, partition, entry, "refused", fault, outcome.status, outcome.answer, now)
        else:
            remainder.refused(group, suspect_index(outcome, [entry[2] for _, entry in group.items]))
            self._advance(report, [], now)

    def _split(self, report: AnswerReport, outcome: Split, now: float) -> None:
        batch = report.batch
        group, remainder = begin_isolation(batch)
        if without_gone(batch):
            self._resend(report, now)
        elif len(group.items) == 1:
            partition, entry = group.items[0]
            fault = Fault("", f"an event of {len(entry[2])} bytes", "one that the endpoint does not answer with 413")
            self._reject_entry(report, partition, entry, "refused_too_large", fault, 413, outcome.answer, now)
        else:
            remainder.too_large(group)
            self._advance(report, [], now)

    def _reject_entry(
        self,
        report: AnswerReport,
        partition: Partition,
        entry: Entry,
        reason: Literal["refused", "refused_too_large"],
        fault: Fault,
        status: int,
        answer: str,
        now: float,
    ) -> None:
        batch = report.batch
        assert batch.group is not None
        assert batch.remainder is not None
        reject = Reject(entry[3], "deliver", reason, (fault,), "Refused", status, answer, batch.group.requests)
        report.rejects.append(reject)
        self._weigh(partition, -entry[4])
        self._reject(partition, entry[0], reject, entry[4])
        self.delivery_guard.verdicts(0, 1, now)
        batch.remainder.settled_otherwise()
        self._advance(report, [(partition, entry)], now)

    def _advance(self, report: AnswerReport, done: list[Item], now: float) -> None:
        """Goes on with the next part of a refused batch, and frees the keys that nothing of it holds any more."""
        batch = report.batch
        assert batch.remainder is not None
        group = batch.remainder.next()
        left = batch.remainder.items() + (group.items if group is not None else [])
        held = {key_of(item) for item in left}
        batch.group = group
        if group is None:
            report.ended = True
        else:
            batch.attempts = 0
            batch.replace(runs_of(group.items))
            self._dispatch.next(batch)
        for partition, entry in done:
            if not partition.gone and key_of((partition, entry)) not in held:
                release(self._batching, batch, partition, [entry[1]], now)

    def _resend(self, report: AnswerReport, now: float) -> None:
        if report.batch.events:
            self._dispatch.next(report.batch)
        else:
            self._advance(report, [], now)

    # -- what to do now ----------------------------------------------------------------------------------------------

    def actions(self, now: float) -> list[Action]:
        """Requests to send and dead letters to write. Each is counted as under way from here on."""
        actions: list[Action] = []
        if not self.guard_tripped:
            while (letter := self.rejects.take(now)) is not None:
                actions.append(WriteDeadLetter(letter))
        while not self.draining and (request := self._dispatch.request(now, self._sendable)) is not None:
            actions.append(request)
        return actions

    def _sendable(self, batch: Batch, now: float) -> bool:
        """Whether anything is left to send of a batch that was sent before."""
        if without_gone(batch) and not batch.events and batch.remainder is not None:
            self._advance(AnswerReport(batch, [], Split(""), 0), [], now)  # its next part comes to the urgent ones
            if batch.group is not None:
                return False
        if not batch.events:
            self._abandoned.append(batch)
        return batch.events > 0

    def take_abandoned(self) -> list[Batch]:
        """Batches that were sent before, and of which nothing is ours any more: they end without an answer."""
        abandoned, self._abandoned = self._abandoned, []
        return abandoned

    @property
    def in_flight(self) -> Mapping[int, Batch]:
        """By request id."""
        return self._dispatch.in_flight

    @property
    def requests_max(self) -> int:
        """How many requests may be in flight now."""
        return self._dispatch.requests_max

    @property
    def batches_waiting(self) -> int:
        """Sealed, or sent before and waiting for their next attempt."""
        return self._dispatch.waiting + len(self._batching.sealed)

    @property
    def guard_tripped(self) -> bool:
        return self.prepared_guard.trip is not None or self.delivery_guard.trip is not None

    def reading(self, now: float) -> Reading:
        """How much to read now, and what to pause or resume."""
        return self.flow.decide(
            self.partitions.values(),
            self.window_records,
            self.window_bytes,
            self._allowed(now) if self.guard_tripped else None,
            now,
            enough=len(self._batching.sealed) >= max(self._one_read, self._dispatch.requests_max // 4),
        )

    def _allowed(self, now: float) -> int | None:
        """How many records a tripped guard lets through; None when its time alone has ended the trip."""
        # An event on its way has no verdict of the endpoint yet: without it a slow one would be sampled without end.
        on_the_way = self.window_records - sum(len(p.rejected) + len(p.held) for p in self.partitions.values())
        self.prepared_guard.time_passed(now)
        self.delivery_guard.time_passed(now, on_the_way)
        allowed = (self.prepared_guard.reading_allowed(now), self.delivery_guard.reading_allowed(now, on_the_way))
        return min((records for records in allowed if records is not None), default=None)

    def next_due(self, now: float) -> float | None:
        """When time alone may give something to do; None when only an event can."""
        dues = [None if self.guard_tripped else self.rejects.due_at()]
        if not self.draining:
            dues.append(self._dispatch.due_at(now))
        return min((due for due in dues if due is not None), default=None)

    # -- commits -----------------------------------------------------------------------------------------------------

    def commit_plan(self, positions: Mapping[TopicPartition, int]) -> list[CommitItem]:
        """What is due to be committed. `positions`: the consumer's own, which pass control records and aborted ones.

        Nothing is taken as committed before `confirmed` says so: a commit that fails is offered again.
        """
        plan: list[CommitItem] = []
        for name, partition in self.partitions.items():
            position = partition.progress.position
            if not len(partition.progress):
                position = NextOffset(max(position, positions.get(name, 0), partition.committed or 0))
            ahead = [] if self.metadata_refused else partition.progress.settled_ahead()
            metadata = commit_metadata.encode(position, ahead) if ahead else ""
            if position != partition.committed or metadata != partition.committed_metadata:
                plan.append(CommitItem(partition, position, metadata))
        return plan

    def confirmed(self, item: CommitItem) -> None:
        if not item.partition.gone:
            item.partition.committed = item.position
            item.partition.committed_metadata = item.metadata

    @property
    def idle(self) -> bool:
        """Everything that was read is settled."""
        return self.window_records == 0
