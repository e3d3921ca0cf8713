"""The loop: one thread owns the consumer and all state, so there is not one lock.

Each tick takes answers and delivery reports, reads a run or two, prepares them, sends what is due and commits. It
decides nothing: the engine does. Rebalance callbacks run inside the reads, on this thread. Every wait has a deadline.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from connector.airship.sender import Answered
from connector.core.actions import AnswerReport, CommitItem, SendRequest, WriteDeadLetter
from connector.core.departed import Departed
from connector.core.engine import Engine
from connector.core.outcomes import Blocked, Delivered, Refused, Retry, Split
from connector.core.partition import Partition
from connector.core.records import Answer, HttpAnswer, NextOffset, SourceRecord, TopicPartition, TransportFault
from connector.intake import Prepares
from connector.kafka.dead_letters import DeadLetters
from connector.kafka.source import Assigned, CommitAnswer, RecordSource
from connector.kafka.trouble import KafkaTrouble
from connector.schema_desk import SchemaDesk
from connector.telemetry.logs import EventLog
from connector.telemetry.port import OutcomeName, Telemetry

_POLL_SECONDS_BUSY = 0.005
"""Neither an answer nor a signal wakes a poll: it is this short while requests are in flight."""
_POLL_SECONDS_IDLE = 0.1
_COMMIT_ANSWER_SECONDS = 5.0
_COMMIT_EVENTS = 500
"""So many delivered since the last commit are worth the next one before its interval is over."""
_COMMIT_INTERVAL_SHARE_MIN = 0.1
_LISTEN_SECONDS = 1.0
"""By then the client has told what became of a membership while the process stood still; it takes it some 10 ms."""

log = EventLog("loop")


@dataclass(frozen=True, slots=True)
class LoopSettings:
    commit_interval_seconds: float
    drain_seconds: float
    session_seconds: float
    """Of the group: who is silent for longer is given up, and its partitions go to others."""


class Loop:
    """Implements the listeners of the source and of the dead letters."""

    def __init__(
        self,
        engine: Engine,
        intake: Prepares,
        schemas: SchemaDesk,
        send: Callable[[int, bytes, int, Mapping[str, str]], None],
        answers: queue.SimpleQueue[Answered],
        telemetry: Telemetry,
        settings: LoopSettings,
        beat: Callable[[float], None],
    ) -> None:
        self.engine = engine
        self._intake = intake
        self._schemas = schemas
        self._send = send
        self._answers = answers
        self._telemetry = telemetry
        self._settings = settings
        self._beat = beat
        self._commit_at = 0.0
        self._commit_started = 0.0
        self._delivered_since_commit = 0
        self._membership_lost = False
        self._seen_at = math.inf  # when this process was last seen to run
        self._listens_until = -math.inf
        self._departed = Departed()
        self.joined = False
        self.stopping = False
        self.last_delivery: float | None = None
        self.kafka = KafkaTrouble()
        self.source: RecordSource
        self.dead_letters: DeadLetters

    # -- one tick ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        now = time.monotonic()
        self._alive(now)
        self._take_answers(0.0)
        self.dead_letters.serve()
        self._look_up_schemas(now)
        self._act()
        self._read()
        self._act()
        now = time.monotonic()
        if not self.source.committing and now >= self._commit_due_at():
            self._commit_at = now + self._settings.commit_interval_seconds
            self._delivered_since_commit = 0
            self._commit(now)

    def _alive(self, now: float) -> None:
        """The heartbeat. Notices that the process stood still (stopped, or its machine was) past the session.

        Its partitions may be another's by then, who may have sent what it would send now, and later events of the
        same keys. So it listens before it sends anything.
        """
        self._beat(now)
        silent = now - self._seen_at
        self._seen_at = now
        if silent > self._settings.session_seconds:
            self._listens_until = now + _LISTEN_SECONDS
            log.warning(
                "the process stood still past its session, listens to the group first", seconds=round(silent, 1)
            )

    def _commit_due_at(self) -> float:
        """At the latest when the interval is over. A busy member commits up to ten times as often: what was delivered
        since the last commit is what a kill repeats."""
        if self._delivered_since_commit < _COMMIT_EVENTS:
            return self._commit_at
        return self._commit_at - self._settings.commit_interval_seconds * (1 - _COMMIT_INTERVAL_SHARE_MIN)

    def _read(self) -> None:
        now = time.monotonic()
        reading = self.engine.reading(now)
        if reading.pause:
            self.source.pause([partition.name for partition in reading.pause])
            self._mark(reading.pause, paused=True)
        if reading.resume:
            self.source.resume([partition.name for partition in reading.resume])
            self._mark(reading.resume, paused=False)
        if reading.poll and reading.records > 0:
            runs = self.source.read(reading.records, self._patience(now), self.engine.partitions.get)
            if runs:
                self._telemetry.polled(
                    {name.topic: len(records) for name, records in runs}, time.monotonic() - now, runs[0][1]
                )
            for name, records in runs:
                self._take_run(name, records)
            return
        if reading.poll:
            self.source.serve()
        self._take_answers(self._patience(now) if self.engine.in_flight else 0.02)

    def _mark(self, partitions: Collection[Partition], *, paused: bool) -> None:
        for partition in partitions:
            partition.paused = paused

    def _patience(self, now: float) -> float:
        longest = _POLL_SECONDS_BUSY if self.engine.in_flight or len(self.engine.rejects) else _POLL_SECONDS_IDLE
        if now < self._listens_until:
            return _POLL_SECONDS_BUSY
        due = self.engine.next_due(now)
        wait = longest if due is None else min(longest, max(0.0, due - now))
        return min(wait, self._schemas.patience(now))

    def _take_run(self, name: TopicPartition, records: Sequence[SourceRecord]) -> None:
        partition = self.engine.partitions[name]
        if records[0].offset() < partition.progress.next_offset:
            self._begin_anew(name, records[0].offset())
            partition = self.engine.partitions[name]
        fresh, ahead = self.engine.received(partition, records)
        if ahead:
            self._telemetry.settled("committed_ahead", ahead)
        if fresh:
            self._prepare(partition, fresh)

    def _begin_anew(self, name: TopicPartition, offset: int) -> None:
        """The log went back below what was read: the topic was made anew. What it holds now is all to be sent."""
        log.warning("the offsets went back: the topic was made anew", topic=name.topic, partition=name.partition)
        self.engine.drop([name])
        self.engine.assign(name, NextOffset(offset), None)

    def _prepare(self, partition: Partition, records: Sequence[SourceRecord]) -> None:
        prepared = self._intake.prepare(partition.name.topic, records, time.time())
        self.engine.offer(partition, len(records), prepared, time.monotonic())
        if prepared.skipped:
            self._telemetry.settled("skipped", len(prepared.skipped))
        if prepared.rejects:
            self._telemetry.rejected(prepared.rejects)

    def _look_up_schemas(self, now: float) -> None:
        for partition in self._schemas.ready(self.engine.partitions.values(), now):
            while records := self.engine.take_held(partition):
                self._prepare(partition, records)
                if partition.held_for is not None:
                    break

    def _act(self) -> None:
        now = time.monotonic()
        self._alive(now)
        if now < self._listens_until:
            return
        for action in self.engine.actions(now):
            match action:
                case SendRequest(request_id, batch):
                    headers = self._telemetry.batch_sent(
                        batch.batch_id,
                        [entries for _, entries in batch.runs],
                        requests=batch.requests,
                        body_bytes=batch.body_bytes,
                        waited_seconds=now - batch.opened_at,
                    )
                    self._send(request_id, batch.body(), batch.requests - 1, headers)
                case WriteDeadLetter(letter):
                    traceparent = self._telemetry.dead_letter_sent(letter.reject, self.dead_letters.topic)
                    self.dead_letters.write(letter, traceparent)
                case _:
                    assert_never(action)
        for batch in self.engine.take_abandoned():
            self._telemetry.batch_ended(batch.batch_id, now - batch.opened_at, "partitions_given_away")

    # -- answers -----------------------------------------------------------------------------------------------------

    def _take_answers(self, seconds: float) -> None:
        """All answers that are there; waits at most `seconds` for the first."""
        try:
            item = self._answers.get(timeout=seconds) if seconds > 0 else self._answers.get_nowait()
            while True:
                self._answered(item)
                item = self._answers.get_nowait()
        except queue.Empty:
            return

    def _answered(self, item: Answered) -> None:
        now = time.monotonic()
        report = self.engine.answered(item.request_id, item.answer, now)
        status = item.answer.status if isinstance(item.answer, HttpAnswer) else None
        name, reason, operation_id = _told(report, item.answer)
        batch_id = report.batch.batch_id
        self._telemetry.batch_answered(
            batch_id,
            name,
            item.seconds,
            status=status,
            reason=reason,
            operation_id=operation_id,
            detail=getattr(report.outcome, "detail", None),
        )
        if name == "delivered":
            self.last_delivery = now
            runs = [entries for partition, entries in report.runs if not partition.gone]
            self._telemetry.batch_delivered(runs)
            events = sum(map(len, runs))
            self._telemetry.settled("delivered", events)
            self._delivered_since_commit += events
            for partition, entries in report.runs:
                if partition.gone:
                    self._departed.settled(partition, [entry[0] for entry in entries])
        if report.stale_events:
            self._telemetry.answers_stale(report.stale_events)
        if report.rejects:
            self._telemetry.rejected(report.rejects)
        if report.ended:
            self._telemetry.batch_ended(batch_id, now - report.batch.opened_at)

    def dead_letter_reported(self, letter_id: int) -> None:
        letter = self.engine.dead_letter_reported(letter_id)
        self._telemetry.dead_letter_reported(letter.partition.name, letter.offset, self.dead_letters.topic)
        if letter.partition.gone:
            self._departed.settled(letter.partition, [letter.offset])
        else:
            self._telemetry.settled("dead_lettered", 1)

    def dead_letter_failed(self, letter_id: int, detail: str) -> None:
        letter = self.engine.rejects.failed(letter_id, detail, time.monotonic())
        self._telemetry.dead_letter_reported(letter.partition.name, letter.offset, self.dead_letters.topic, detail)

    def dead_letter_not_taken(self, letter_id: int) -> None:
        self.engine.rejects.not_taken(letter_id, time.monotonic())

    # -- commits -----------------------------------------------------------------------------------------------------

    def _commit(self, now: float) -> None:
        names = [name for name, partition in self.engine.partitions.items() if not len(partition.progress)]
        positions = {} if self.stopping else self.source.positions(names)
        self._offer(self.engine.commit_plan(positions), now)

    def _offer(self, plan: list[CommitItem], now: float) -> None:
        if plan:
            self._commit_started = now
            self._departed.offered(plan)
            self.source.commit(plan)

    def commit_answered(self, answer: CommitAnswer) -> None:
        for item in answer.done:
            self.engine.confirmed(item)
            self._departed.confirmed(item)
        seconds = time.monotonic() - self._commit_started
        error = answer.failed[0][1] if answer.failed else None
        names = [item.partition.name for item in answer.done] + [item.partition.name for item, _ in answer.failed]
        self._telemetry.committed(names, seconds, error)
        if answer.metadata_refused:
            self.engine.metadata_refused = True
        self._membership_lost = answer.membership_lost

    # -- rebalances and the end --------------------------------------------------------------------------------------

    def assigned(self, partitions: list[Assigned]) -> None:
        self.joined = True
        self.kafka.lost_since = None
        for item in partitions:
            self._departed.come_back(self.engine.assign(item.name, item.position, item.metadata))
            if item.expired:
                self._telemetry.expired(item.name, item.expired)
        names = [item.name for item in partitions]
        if names and (self.stopping or self.engine.flow.paused):
            self.source.pause(names)
            self._mark([self.engine.partitions[name] for name in names], paused=True)
        self._telemetry.rebalanced("assigned", names)

    def revoked(self, names: list[TopicPartition]) -> None:
        """What is in flight of these is waited for; what is not sent yet is the next owner's."""
        if any(name in self.engine.partitions for name in names) and not self.stopping:
            self.drain(names, time.monotonic() + self._settings.drain_seconds, self.source.ask_commit)
        self._drop(names)
        self._telemetry.rebalanced("revoked", names)

    def lost(self, names: list[TopicPartition]) -> None:
        self.kafka.lost_since = time.monotonic()
        self._drop(names)
        self._telemetry.rebalanced("lost", names)

    def _drop(self, names: list[TopicPartition]) -> None:
        for name in names:
            if name in self.engine.partitions:
                self._departed.leave(self.engine.partitions[name])
        self.engine.drop(names)

    def drain(self, names: Collection[TopicPartition], deadline: float, serve: Callable[[], None]) -> None:
        """Sends nothing more, waits for answers and reports of these partitions, and commits."""
        self.engine.draining = True
        self._membership_lost = False
        self._finish_commit(min(deadline, time.monotonic() + _COMMIT_ANSWER_SECONDS), serve)  # a probe of membership
        # Without an answer to the probe nothing can be known to be committed any more: no use in waiting for the rest.
        self._membership_lost = self._membership_lost or (self.source.committing and not self.stopping)
        while not self._membership_lost and self.engine.busy_with(names) and time.monotonic() < deadline:
            self._act()
            self._take_answers(0.01)
            self.dead_letters.serve()
            serve()
        if not self._membership_lost:
            self._finish_commit(max(deadline, time.monotonic() + 1.0), serve)
        self.engine.draining = False

    def _finish_commit(self, deadline: float, serve: Callable[[], None]) -> None:
        """Awaits the commit in flight, then commits what is due and awaits that too."""
        for send in (True, False):
            while self.source.committing and time.monotonic() < deadline:
                self._alive(time.monotonic())
                self._take_answers(0.005)
                self.dead_letters.serve()
                serve()
            if send and not self.source.committing:
                self._offer(self.engine.commit_plan({}), time.monotonic())

    @property
    def registry_trouble(self) -> tuple[float, str] | None:
        """Since when, and what: schemas that are needed cannot be looked up."""
        detail, since = self._schemas.cache.trouble(), self._schemas.cache.trouble_since()
        return None if detail is None or since is None else (since, detail)

    def kafka_trouble(self, code: str, detail: str) -> None:
        self.kafka.told(code, detail, time.monotonic())
        log.warning("trouble with Kafka", code=code, detail=detail)


def _told(report: AnswerReport, answer: Answer) -> tuple[OutcomeName, str | None, str | None]:
    match report.outcome:
        case Delivered(operation_id):
            return "delivered", None, operation_id
        case Retry(reason):
            return "retry", answer.kind if isinstance(answer, TransportFault) else reason, None
        case Split():
            return "split", None, None
        case Refused():
            return "refused", None, None
        case Blocked(reason):
            return "blocked", reason, None
        case _:
            assert_never(report.outcome)
