"""One member of the group: the real engine, driven as the loop drives it, with the models around it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from connector.core.actions import EngineLimits, SendRequest, WriteDeadLetter
from connector.core.batching import Batch
from connector.core.departed import Departed
from connector.core.engine import Engine
from connector.core.outcomes import Delivered
from connector.core.partition import Partition
from connector.core.records import Answer, Entry, Fault, NextOffset, PreparedRun, Reject, SchemaWait, TopicPartition
from tests.simulation.committing import CommitResult, Committer
from tests.simulation.dead_letter_model import Report
from tests.simulation.guard_watch import GuardWatches
from tests.simulation.invariants import Epoch, require
from tests.simulation.kafka_model import EventId, ModelRecord

if TYPE_CHECKING:
    from tests.simulation.world import World

COMMIT_SECONDS = 0.3
DRAIN_SECONDS = 9.0
_PROBE_SECONDS = 5.0


class Member:
    def __init__(self, world: World, number: int, limits: EngineLimits) -> None:
        self.world = world
        self.number = number
        self.limits = limits
        self.engine = Engine(limits, Random(world.random.random()))
        self.guards = GuardWatches(self.engine, limits.guard, world.guard_did)
        self.committer = Committer(self)
        self.departed = Departed()
        self.fetch: dict[TopicPartition, int] = {}
        self.grants: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.answers: deque[tuple[int, Answer]] = deque()
        self.reports: deque[tuple[int, Report]] = deque()
        self.requests_open = 0
        self.letters_open = 0
        self.dead = False
        self.stopping = False
        self.is_fenced = False  # its session ran out
        self.lost_pending = False  # and it is about to notice
        self.membership_lost = False
        self.bytes_above_max = self.held_above_max = 0
        self.draining: Iterator[None] | None = None
        self._commit_at = 0.0
        self._checked: object = None
        self._carried: dict[int, list[tuple[Epoch, list[EventId]]]] = {}

    # -- the loop ----------------------------------------------------------------------------------------------------

    def tick(self, stages_max: int = 99) -> None:
        """One turn of the loop; `stages_max`: killed after so many of its stages."""
        if self.draining is not None:
            if next(self.draining, self) is self:
                self.draining = None
            return
        if self.lost_pending:
            self.lost()
        stages: tuple[Callable[[], None], ...] = (
            self.take_answers,
            self.take_reports,
            self._look_up_schemas,
            self.act,
            self._read,
            self.act,
            self._commit,
        )
        for stage in stages[:stages_max]:
            stage()
        self.check()

    def check(self) -> None:
        """Only where something changed since the last time."""
        partitions = self.engine.partitions.values()
        state = (
            [(p.epoch, len(p.progress), p.progress.next_offset, p.window_bytes, p.committed) for p in partitions],
            (self.engine.window_records, self.engine.window_bytes, list(self.engine.in_flight)),
        )
        if state == self._checked:
            return
        self._checked = state
        window = self.limits.window
        bytes_max = window.bytes_max + self.bytes_above_max + self.held_above_max
        self.world.ledger.check_engine(self.engine, window.records_max, bytes_max)

    def take_answers(self) -> None:
        while self.answers:
            request, answer = self.answers.popleft()
            carried = self._carried.pop(request)
            now = self.world.timeline.now
            report = self.engine.answered(request, answer, now)
            if report.rejects or isinstance(report.outcome, Delivered):
                events = sum(len(entries) for _, entries in report.runs)
                rejects = len(report.rejects)
                self.guards.delivery.verdicts(0 if rejects else events, rejects, now)
            said_ok = getattr(answer, "status", 0) == 200 and getattr(answer, "body", b"").startswith(b'{"ok": true')
            require(isinstance(report.outcome, Delivered) == said_ok, "2", f"{answer} counts as {report.outcome}")
            closed = not said_ok or not self.engine.pacing.in_trouble
            require(closed, "6", "delivered, and still held back by a breaker or a block")
            self.world.ledger.answered(carried, delivered=said_ok)
            for partition, entries in report.runs if said_ok else ():
                if partition.gone:
                    self.departed.settled(partition, [entry[0] for entry in entries])

    def take_reports(self) -> None:
        while self.reports:
            self._reported(*self.reports.popleft())

    def _reported(self, letter_id: int, report: Report) -> None:
        now = self.world.timeline.now
        if report == "not taken":
            self.engine.rejects.not_taken(letter_id, now)
        elif report == "failed":
            self.letters_open -= 1
            self.engine.rejects.failed(letter_id, "down", now)
        else:
            self.letters_open -= 1
            letter = self.engine.dead_letter_reported(letter_id)
            self.world.ledger.reported(letter.partition.name.partition, letter.offset)
            if letter.partition.gone:
                self.departed.settled(letter.partition, [letter.offset])

    def act(self) -> None:
        for action in self.engine.actions(self.world.timeline.now):
            if isinstance(action, SendRequest):
                self._send(action)
            else:
                self._write(action)

    def _send(self, action: SendRequest) -> None:
        runs = [
            (
                (self.number, partition.epoch),
                [EventId(partition.name.partition, entry[0], _index(entry)) for entry in entries],
            )
            for partition, entries in action.batch.runs
        ]
        for partition, _ in action.batch.runs:
            require(not partition.gone, "3", f"{partition} is sent although it was given away")
        if action.batch.group is None:
            self._check_whole(action.batch)
        require(not self.engine.draining, "6", f"member {self.number} sends while it drains")
        self._carried[action.request_id] = runs
        self.requests_open += 1
        self.world.post(runs, action.batch.body(), lambda answer: self._answer(action.request_id, answer))

    def _check_whole(self, batch: Batch) -> None:
        """The events of a record travel together, except of one that needs more than a batch."""
        limits = self.limits.batch
        for partition, entries in batch.runs:
            for offset, count in Counter(entry[0] for entry in entries).items():
                record = self.world.ledger.records[partition.name.partition, offset]
                events, size = len(record.bodies), sum(len(body) + 1 for body in record.bodies)
                fits = events <= limits.events_max and 2 + size <= limits.bytes_max
                require(count == events or not fits, "7", f"{partition}: {count} of {events} events of {offset} travel")

    def _answer(self, request_id: int, answer: Answer) -> None:
        self.requests_open -= 1
        self.answers.append((request_id, answer))

    def _write(self, action: WriteDeadLetter) -> None:
        letter = action.letter
        record = letter.reject.record
        assert isinstance(record, ModelRecord)
        require(not letter.partition.gone, "3", f"a letter of {letter.partition} is written, which was given away")
        self.guards.may_write()
        self.world.ledger.check_letter(record)
        self.letters_open += 1

        def report(said: Report) -> None:
            if said == "not taken":
                self.letters_open -= 1
                self._reported(letter.letter_id, said)
            else:
                self.reports.append((letter.letter_id, said))

        self.world.dead_letters.write(record.partition(), record.at, report)

    def _read(self) -> None:
        reading = self.engine.reading(self.world.timeline.now)
        self.guards.asked_for_records()
        for partition in reading.pause:
            partition.paused = True
            self.paused.add(partition.name)
        for partition in reading.resume:
            partition.paused = False
            self.paused.discard(partition.name)
        if not reading.poll:
            return
        if reading.records <= 0:
            require(self.paused >= self.fetch.keys(), "4", "everything is paused, and a record may come")
            return
        runs = self._consume(reading.records)
        self._overshoot(record for _, records in runs for record in records)
        for name, records in runs:
            partition = self.engine.partitions[name]
            fresh, _ = self.engine.received(partition, records)
            if fresh:
                taken = [record for record in fresh if isinstance(record, ModelRecord)]
                self.guards.read(taken, self.world.timeline.now)
                self._prepare(partition, taken)

    def _overshoot(self, records: Iterable[ModelRecord]) -> None:
        """The limit on bytes works by a mean: what is taken at once may be so much above it."""
        self.bytes_above_max = max(self.bytes_above_max, sum(entry[4] for r in records for entry in r.entries()))

    def _consume(self, count: int) -> list[tuple[TopicPartition, list[ModelRecord]]]:
        names = [name for name in self.fetch if name not in self.paused]
        self.world.random.shuffle(names)
        runs: list[tuple[TopicPartition, list[ModelRecord]]] = []
        for name in names[: self.world.random.choice((1, 1, len(names) or 1))]:
            log = self.world.logs[name]
            records = log.from_offset(self.fetch[name], min(count, self.world.random.randint(1, 40)))
            self.fetch[name] = records[-1].at + 1 if records else log.end
            count -= len(records)
            if records:
                runs.append((name, records))
            if count <= 0:
                break
        return runs

    def _prepare(self, partition: Partition, records: Sequence[ModelRecord]) -> None:
        prepared = PreparedRun()
        for at, record in enumerate(records):
            if record.schema is not None and not self.world.schema_known(record.schema):
                prepared.rest, prepared.wait = records[at:], SchemaWait(record.schema)
                break
            if record.kind == "skipped":
                prepared.skipped.append((record.at, "filtered"))
                self.world.ledger.skipped(record.partition(), record.at)
            elif record.kind == "invalid":
                fault = Fault("name", "null", "a string")
                prepared.rejects.append(Reject(record, "map", "required_missing", (fault,)))
            else:
                prepared.entries += record.entries()
        self.engine.offer(partition, len(records), prepared, self.world.timeline.now)
        self.guards.prepared.verdicts(len(prepared.entries), len(prepared.rejects), self.world.timeline.now)

    def _look_up_schemas(self) -> None:
        for partition in list(self.engine.partitions.values()):
            if partition.held_for is not None and not self.world.schema_known(partition.held_for.schema):
                continue
            while held := [record for record in self.engine.take_held(partition) if isinstance(record, ModelRecord)]:
                most = max(sum(entry[4] for entry in record.entries()) for record in held)
                self.held_above_max = max(self.held_above_max, self.limits.window.bytes_max // 16 + most)
                self._prepare(partition, held)
                if partition.held_for is not None:
                    break

    # -- commits -----------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        now = self.world.timeline.now
        if now >= self._commit_at and not self.committer.busy:
            self._commit_at = now + COMMIT_SECONDS
            names = [name for name, partition in self.engine.partitions.items() if not len(partition.progress)]
            self.commit({name: self.fetch[name] for name in names})

    def commit(self, positions: dict[TopicPartition, int]) -> None:
        plan = self.engine.commit_plan(positions)
        if plan:
            self.departed.offered(plan)
            self.committer.send(plan)

    def commit_answered(self, result: CommitResult) -> None:
        for item in result.done:
            self.engine.confirmed(item)
            self.departed.confirmed(item)
        if result.metadata_refused:
            self.engine.metadata_refused = True
        self.membership_lost = result.membership_lost

    # -- rebalances and the end --------------------------------------------------------------------------------------

    def assigned(
        self, name: TopicPartition, grant: int, position: NextOffset, metadata: str | None, named: frozenset[int]
    ) -> None:
        partition = self.engine.assign(name, position, metadata)
        self.world.ledger.began((self.number, partition.epoch), named)
        self.departed.come_back(partition)
        self.fetch[name] = position
        self.grants[name] = grant
        self.paused.discard(name)
        if self.engine.flow.paused:
            self.paused.add(name)
            partition.paused = True

    def lost(self) -> None:
        self.is_fenced = self.lost_pending = False
        self._drop(list(self.engine.partitions))
        self._forget(list(self.fetch))

    def _drop(self, names: Collection[TopicPartition]) -> None:
        for name in names:
            if name in self.engine.partitions:
                self.departed.leave(self.engine.partitions[name])
        self.engine.drop(names)

    def _forget(self, names: Collection[TopicPartition]) -> None:
        for name in names:
            del self.fetch[name], self.grants[name]
            self.paused.discard(name)

    def begin_drain(self, names: Collection[TopicPartition], then: Callable[[], None]) -> None:
        short = self.world.chances.hit("drain cut short")
        self.draining = self._drain(names, 0.05 if short else DRAIN_SECONDS, then)

    def _drain(self, names: Collection[TopicPartition], seconds: float, then: Callable[[], None]) -> Iterator[None]:
        deadline = self.world.timeline.now + seconds
        self.engine.draining = True
        self.membership_lost = False
        yield from self._finish_commit(min(deadline, self.world.timeline.now + _PROBE_SECONDS))
        while not self.membership_lost and self.engine.busy_with(names) and self.world.timeline.now < deadline:
            self.act()
            self.take_answers()
            self.take_reports()
            self.check()
            yield
        waits_for = self.requests_open + self.letters_open + len(self.answers) + len(self.reports)
        busy = self.engine.busy_with(names) and not self.membership_lost and seconds == DRAIN_SECONDS
        require(not busy, "6", f"member {self.number} drained for {seconds} s and waits for {waits_for} answers")
        if not self.membership_lost:
            failed = self.committer.failures
            yield from self._finish_commit(max(deadline, self.world.timeline.now + 1.0))
            whole = seconds == DRAIN_SECONDS and not self.committer.busy and self.committer.failures == failed
            if whole and not self.membership_lost:
                due = [item for item in self.engine.commit_plan({}) if item.partition.name in names]
                require(not due, "7", f"member {self.number} gives away what it has not committed: {due}")
        self.engine.draining = False
        self._drop(names)
        self._forget([name for name in names if name in self.fetch])
        then()

    def _finish_commit(self, deadline: float) -> Iterator[None]:
        for send in (True, False):
            while self.committer.busy and self.world.timeline.now < deadline:
                self.take_answers()
                self.take_reports()
                self.check()
                yield
            if send and not self.committer.busy:
                self.commit({})


def _index(entry: Entry) -> int:
    record = entry[3]
    assert isinstance(record, ModelRecord)
    return next(index for index, body in enumerate(record.bodies) if body is entry[2])
