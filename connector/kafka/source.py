"""The only user of the Kafka consumer: reads runs, tells of rebalances, commits.

All callbacks run on the thread that calls `read`, `serve` or `close`. No exception leaves one: librdkafka would lose
the records that the running call had already taken. A callback's exception is stored and raised by the call instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
)
from confluent_kafka import TopicPartition as KafkaTopicPartition

from connector.core.actions import CommitItem
from connector.core.records import NextOffset, SourceRecord, TopicPartition
from connector.errors import BrokerFatal

log = logging.getLogger("connector.kafka")

_COMMITTED_SECONDS_MAX = 10.0
_ASK_SECONDS = 0.5
_MEMBERSHIP_LOST = {
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.FENCED_INSTANCE_ID,
    getattr(KafkaError, "STALE_MEMBER_EPOCH", 113),
}
# Looked up once: `map` over a method of the class takes half the time of a comprehension that calls it.
_error, _partition, _topic = Message.error, Message.partition, Message.topic
_METADATA_REFUSED = {KafkaError.OFFSET_METADATA_TOO_LARGE}


class Assigned(NamedTuple):
    name: TopicPartition
    position: NextOffset
    """Where reading starts; 0 where the group has no commit."""
    metadata: str | None
    expired: int
    """Records between the committed position and the start of the log: retention deleted them."""


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    done: list[CommitItem]
    failed: list[tuple[CommitItem, str]]
    """With the error's name and what it says."""
    membership_lost: bool
    metadata_refused: bool


class Listener(Protocol):
    def assigned(self, partitions: list[Assigned]) -> None: ...
    def revoked(self, names: list[TopicPartition]) -> None: ...
    def lost(self, names: list[TopicPartition]) -> None: ...
    def commit_answered(self, answer: CommitAnswer) -> None: ...
    def kafka_trouble(self, code: str, detail: str) -> None: ...


class RecordSource(Protocol):
    """What the loop reads from: a consumer group's member, or the dead letters of a replay."""

    @property
    def committing(self) -> bool: ...
    def read(
        self, count: int, seconds: float, holder_of: Callable[[TopicPartition], object | None]
    ) -> list[tuple[TopicPartition, list[SourceRecord]]]: ...
    def serve(self) -> None: ...
    def pause(self, names: Iterable[TopicPartition]) -> None: ...
    def resume(self, names: Iterable[TopicPartition]) -> None: ...
    def positions(self, names: Collection[TopicPartition]) -> dict[TopicPartition, int]: ...
    def end_of(self, name: TopicPartition, seconds: float) -> NextOffset | None: ...
    def commit(self, plan: list[CommitItem]) -> None: ...
    def ask_commit(self) -> None: ...
    def close(self) -> None: ...


class Source:
    """A member of a consumer group."""

    def __init__(self, properties: Mapping[str, Any], listener: Listener) -> None:
        self._listener = listener
        self._failure: BaseException | None = None
        self._committing: list[CommitItem] | None = None
        self._late_answers = 0  # callbacks still to come of commits that were answered by asking
        self._closed = False
        self._reset = str(properties.get("auto.offset.reset"))
        self._consumer = Consumer(
            {**properties, "on_commit": self._on_commit, "error_cb": self._on_error, "logger": log},
        )

    # -- reading -----------------------------------------------------------------------------------------------------

    def subscribe(self, topics: Sequence[str]) -> None:
        """Topic names, and patterns that begin with `^`."""
        self._consumer.subscribe(
            list(topics),
            on_assign=self._guarded(self._on_assign),
            on_revoke=self._guarded(self._on_revoke),
            on_lost=self._guarded(self._on_lost),
        )

    def read(
        self, count: int, seconds: float, holder_of: Callable[[TopicPartition], object | None]
    ) -> list[tuple[TopicPartition, list[SourceRecord]]]:
        """At most `count` records, as runs of one partition; waits at most `seconds` for the first.

        `holder_of` gives the epoch that holds a partition: a record that was polled before a rebalance, which the
        second call ran, is dropped if its partition changed hands.
        """
        first = self._consumer.poll(seconds)
        self._raise_failure()
        if first is None:
            return []
        if first.error() is not None:
            self._on_event(first)
            return []
        name = _name_of(first)
        holder = holder_of(name)
        messages = [first]
        if count > 1:
            messages += self._consumer.consume(count - 1, 0)
            self._raise_failure()
            if holder is None or holder_of(name) is not holder:
                del messages[0]
        if any(map(_error, messages)):
            for message in messages:
                if message.error() is not None:
                    self._on_event(message)
            messages = [message for message in messages if message.error() is None]
        return [run for run in _runs(messages) if holder_of(run[0]) is not None]

    def serve(self) -> None:
        """Callbacks and the heartbeat of the poll interval; everything is paused, so no record comes."""
        message = self._consumer.poll(0)
        self._raise_failure()
        if message is not None:
            if message.error() is None:
                raise AssertionError(f"a record of {_name_of(message)} came while everything was paused")
            self._on_event(message)

    def pause(self, names: Iterable[TopicPartition]) -> None:
        self._consumer.pause([KafkaTopicPartition(*name) for name in names])

    def resume(self, names: Iterable[TopicPartition]) -> None:
        self._consumer.resume([KafkaTopicPartition(*name) for name in names])

    def positions(self, names: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The consumer's own positions; those that it does not know are left out."""
        if not names:
            return {}
        answer = self._consumer.position([KafkaTopicPartition(*name) for name in names])
        return {TopicPartition(p.topic, p.partition): p.offset for p in answer if p.offset >= 0}

    def end_of(self, name: TopicPartition, seconds: float) -> NextOffset | None:
        """The last stable offset, asked of the broker; None when it does not answer in time."""
        try:
            _, high = self._consumer.get_watermark_offsets(KafkaTopicPartition(*name), timeout=seconds)
        except KafkaException:
            return None
        return NextOffset(high)

    # -- commits -----------------------------------------------------------------------------------------------------

    @property
    def committing(self) -> bool:
        return self._committing is not None

    def commit(self, plan: list[CommitItem]) -> None:
        """Sends a commit without waiting for it; the answer comes to the listener. One is in flight at most."""
        assert self._committing is None
        offsets = [
            KafkaTopicPartition(*item.partition.name, offset=item.position, metadata=item.metadata) for item in plan
        ]
        self._committing = plan
        try:
            self._consumer.store_offsets(offsets=offsets)
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._answer_commit(error.args[0], [])

    def ask_commit(self) -> None:
        """For use inside a callback, where no callback of a commit can come: asks the group whether it arrived.

        The consumer must not be polled there: a nested call on this thread clears the client's call state, so that the
        next callback of the outer call aborts the process, and one on another thread waits for the outer call for ever
        (both seen). Waits at most _ASK_SECONDS; the listener hears of an answer.
        """
        plan = self._committing
        if plan is None:
            return
        names = [KafkaTopicPartition(*item.partition.name) for item in plan]
        try:
            answer = self._consumer.committed(names, timeout=_ASK_SECONDS)
        except KafkaException as error:
            if error.args[0].code() in _MEMBERSHIP_LOST:
                self._late_answers += 1
                self._answer_commit(error.args[0], [])
            return
        stands = {TopicPartition(p.topic, p.partition): (p.offset, p.metadata or "") for p in answer if not p.error}
        if all(stands.get(item.partition.name) == (item.position, item.metadata) for item in plan):
            self._late_answers += 1
            self._answer_commit(None, [])

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaTopicPartition]) -> None:
        if self._late_answers:
            self._late_answers -= 1
            return
        try:
            self._answer_commit(error, partitions)
        except BaseException as failure:  # noqa: BLE001  raised by the call that ran this callback
            self._failure = self._failure or failure

    def _answer_commit(self, error: KafkaError | None, partitions: list[KafkaTopicPartition]) -> None:
        plan, self._committing = self._committing, None
        if plan is None:
            return
        errors = {TopicPartition(p.topic, p.partition): p.error for p in partitions if p.error is not None}
        answered = {TopicPartition(p.topic, p.partition) for p in partitions}
        done: list[CommitItem] = []
        failed: list[tuple[CommitItem, KafkaError]] = []
        for item in plan:
            own = errors.get(item.partition.name)
            if own is None and error is not None and (not errors or item.partition.name not in answered):
                own = error
            if own is None:
                done.append(item)
            else:
                failed.append((item, own))
        codes = {fault.code() for _, fault in failed}
        self._listener.commit_answered(
            CommitAnswer(
                done,
                [(item, f"{fault.name()}: {fault.str()}") for item, fault in failed],
                membership_lost=bool(codes & _MEMBERSHIP_LOST),
                metadata_refused=bool(codes & _METADATA_REFUSED),
            )
        )

    # -- callbacks ---------------------------------------------------------------------------------------------------

    def _guarded(
        self, callback: Callable[[list[KafkaTopicPartition]], None]
    ) -> Callable[[Consumer, list[KafkaTopicPartition]], None]:
        def guarded(_consumer: Consumer, partitions: list[KafkaTopicPartition]) -> None:
            try:
                callback(partitions)
            except BaseException as failure:  # noqa: BLE001  raised by the call that ran this callback
                self._failure = self._failure or failure

        return guarded

    def _on_assign(self, partitions: list[KafkaTopicPartition]) -> None:
        if not partitions:
            self._listener.assigned([])
            return
        try:
            committed = self._consumer.committed(partitions, timeout=_COMMITTED_SECONDS_MAX)
            assigned = [self._start_of(partition) for partition in committed]
        except KafkaException as error:
            raise BrokerFatal(f"the committed offsets could not be read, so nothing is started: {error}") from error
        self._consumer.incremental_assign(
            [
                KafkaTopicPartition(*item.name, offset=item.position if item.position or known else OFFSET_INVALID)
                for item, known in assigned
            ]
        )
        self._consumer.resume(partitions)  # a pause survives a rebalance
        self._listener.assigned([item for item, _ in assigned])  # which may pause them

    def _start_of(self, partition: KafkaTopicPartition) -> tuple[Assigned, bool]:
        """Where to start, and whether that is the group's own commit."""
        if partition.error is not None:
            raise KafkaException(partition.error)
        name = TopicPartition(partition.topic, partition.partition)
        low, high = self._consumer.get_watermark_offsets(partition, timeout=_COMMITTED_SECONDS_MAX)
        if partition.offset < 0:
            # Named here and not left to librdkafka: else the position stays unknown while there is nothing to read.
            start = {"earliest": low, "latest": high}.get(self._reset)
            return Assigned(name, NextOffset(start or 0), None, 0), start is not None
        if partition.offset < low:  # librdkafka would jump without an event, and to the end where that is the reset
            return Assigned(name, NextOffset(low), None, low - partition.offset), True
        if partition.offset > high:
            log.warning(
                "the committed position is beyond the end of the log: the topic was made anew", extra=_extra(name)
            )
            return Assigned(name, NextOffset(low), None, 0), True  # the topic was made anew: all of it is to be sent
        return Assigned(name, NextOffset(partition.offset), partition.metadata, 0), True

    def _on_revoke(self, partitions: list[KafkaTopicPartition]) -> None:
        self._listener.revoked([TopicPartition(p.topic, p.partition) for p in partitions])

    def _on_lost(self, partitions: list[KafkaTopicPartition]) -> None:
        self._listener.lost([TopicPartition(p.topic, p.partition) for p in partitions])

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._FATAL:
            self._failure = self._failure or _fatal(error)
        else:
            self._listener.kafka_trouble(error.name(), error.str())

    def _on_event(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._FATAL:
            raise _fatal(error)
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise BrokerFatal(
                f"no usable position in {_name_of(message)}, and auto_offset_reset is `error`: {error.str()}"
            )
        self._listener.kafka_trouble(error.name(), error.str())

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Leaves the group. Calls the listener's `revoked`; commits nothing and sends no heartbeats meanwhile."""
        if not self._closed:
            self._closed = True
            self._consumer.close()
            self._raise_failure()


def _fatal(error: KafkaError) -> BrokerFatal:
    text = f"the Kafka client cannot go on: {error.str()}"
    if "group id does not exist" in text:  # with the code of a fatal error, its own is only in the text
        text += " as one of this protocol; stop all members before kafka.group_protocol is changed (docs/upgrading.md)"
    return BrokerFatal(text)


def _name_of(message: Message) -> TopicPartition:
    topic, partition = message.topic(), message.partition()
    return TopicPartition(topic or "", -1 if partition is None else partition)


def _runs(messages: list[Message]) -> list[tuple[TopicPartition, list[SourceRecord]]]:
    """One `consume` nearly always holds records of one partition, so that is looked for first."""
    if not messages:
        return []
    if len(set(map(_partition, messages))) == 1 and len(set(map(_topic, messages))) == 1:
        return [(_name_of(messages[0]), cast("list[SourceRecord]", messages))]
    runs: dict[TopicPartition, list[SourceRecord]] = {}
    for message in messages:
        runs.setdefault(_name_of(message), []).append(cast("SourceRecord", message))
    return list(runs.items())


def _extra(name: TopicPartition) -> dict[str, Any]:
    return {"topic": name.topic, "partition": name.partition}
