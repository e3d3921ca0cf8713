"""Reads one topic from its start to where it ended when the reading began. Joins no group and commits nothing.

For commands that look at a topic: bounded in memory by the client's queue, and in time by a limit on silence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTopicPartition

from connector.core.records import SourceRecord
from connector.errors import StartError
from connector.settings import Property

log = logging.getLogger("connector.kafka")

_ASK_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_POLL_SECONDS = 0.2
_CHUNK_RECORDS = 1_000
_PASSING = {
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}
# What stands in memory is the queue's limit plus one unpacked answer of each broker (connector/kafka/properties.py).
_MEMORY: Mapping[str, Property] = {
    "fetch.max.bytes": 2 * 1024 * 1024,
    "max.partition.fetch.bytes": 1024 * 1024,
    "queued.max.messages.kbytes": 8 * 1024,
    "queued.min.messages": 10_000,
    "fetch.queue.backoff.ms": 20,
    "message.max.bytes": 1000,  # only a lower bound of fetch.max.bytes here
}


class TopicReader:
    """Close it in the end. Raises StartError for a topic that is not there, and for a cluster that does not answer."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        topic: str,
        group: str,
        *,
        starts: Mapping[int, int] | None = None,
        resume: bool = False,
    ) -> None:
        """`starts`: offsets to begin at; the other partitions are left out. `resume`: begin where `group` committed;
        without it `group` is only a name for quotas and logs."""
        self.topic = topic
        self._trouble = ""
        self._consumer = Consumer(
            {
                **connection,
                **_MEMORY,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "error_cb": self._on_error,
                "logger": log,
            }
        )
        self.next_offsets: dict[int, int] = {}
        """By partition, what is read next."""
        self.ends: dict[int, int] = {}
        """By partition, the last stable offset at the start."""
        self._paused: set[int] = set()  # read to the end
        try:
            self._find(starts)
            if resume:
                self._resume()
            unread = [p for p, end in self.ends.items() if self.next_offsets[p] < end]
            self._consumer.assign([KafkaTopicPartition(self.topic, p, self.next_offsets[p]) for p in unread])
        except KafkaException as error:
            self._consumer.close()
            raise StartError(f"{topic} cannot be read: {error.args[0].str()}{self._trouble}") from error
        except StartError:
            self._consumer.close()
            raise

    def _find(self, starts: Mapping[int, int] | None) -> None:
        found = self._consumer.list_topics(self.topic, timeout=_ASK_SECONDS).topics[self.topic]
        if found.error is not None:
            raise StartError(f"{self.topic} cannot be read: {found.error.str()}")
        for partition in sorted(found.partitions):
            if starts is None or partition in starts:
                place = KafkaTopicPartition(self.topic, partition)
                low, high = self._consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
                self.next_offsets[partition] = low if starts is None else max(low, starts[partition])
                self.ends[partition] = high

    def _resume(self) -> None:
        """A position outside the log is of a topic that was made anew."""
        for place in self._committed():
            if self.next_offsets[place.partition] < place.offset <= self.ends[place.partition]:
                self.next_offsets[place.partition] = place.offset

    def _committed(self) -> list[KafkaTopicPartition]:
        """Asked again while the group has no coordinator, or a transaction is about to end."""
        places = [KafkaTopicPartition(self.topic, p) for p in self.ends]
        until = time.monotonic() + _ASK_SECONDS
        while True:
            try:
                found = self._consumer.committed(places, timeout=max(0.1, until - time.monotonic()))
                refused = next((place.error for place in found if place.error is not None), None)
            except KafkaException as error:
                found, refused = [], error.args[0]
            if refused is None:
                return found
            if refused.code() not in _PASSING or time.monotonic() >= until:
                raise KafkaException(refused)
            time.sleep(_POLL_SECONDS)

    @property
    def group_metadata(self) -> object:
        """Of the group, for offsets that a producer commits in its transaction."""
        return self._consumer.consumer_group_metadata()

    @property
    def records_left(self) -> int:
        """At most: offsets can have holes."""
        return sum(max(0, end - self.next_offsets[p]) for p, end in self.ends.items())

    @property
    def at_end(self) -> bool:
        return self.records_left == 0

    def chunks(self) -> Iterator[list[SourceRecord]]:
        """All records in the order of each partition, some at a time. An empty chunk when none came for a moment."""
        heard = time.monotonic()
        while not self.at_end:
            before = self.records_left
            yield self.read()
            if self.records_left < before:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise StartError(
                    f"{self.topic}: nothing came for {_SILENCE_SECONDS:g} s, and {self.records_left} records are still "
                    f"to be read{self._trouble}"
                )

    def read(self, records_max: int = _CHUNK_RECORDS, seconds: float = _POLL_SECONDS) -> list[SourceRecord]:
        """What is there, at most so many; waits so long for the first."""
        first = self._consumer.poll(seconds)
        messages = [] if first is None else [first, *self._consumer.consume(records_max - 1, 0)]
        records = self._within(messages)
        self._move_on()
        return records

    def _within(self, messages: Sequence[Message]) -> list[SourceRecord]:
        """Without errors and without what was written after the start."""
        records: list[SourceRecord] = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._on_error(error)
                continue
            record = cast("SourceRecord", message)
            partition, offset = record.partition(), record.offset()
            if offset < self.ends[partition]:
                records.append(record)
                self.next_offsets[partition] = offset + 1
        return records

    def _move_on(self) -> None:
        """The client's own position passes control records and aborted ones. What is read to its end is paused."""
        places = [KafkaTopicPartition(self.topic, p) for p in self.ends if p not in self._paused]
        for place in self._consumer.position(places):
            end = self.ends[place.partition]
            if place.offset >= end or self.next_offsets[place.partition] >= end:
                self.next_offsets[place.partition] = end
        done = {p for p, end in self.ends.items() if self.next_offsets[p] >= end} - self._paused
        assigned = {place.partition for place in self._consumer.assignment()}
        self._consumer.pause([KafkaTopicPartition(self.topic, p) for p in done & assigned])
        self._paused |= done

    def pause(self, partitions: Iterable[int]) -> None:
        """Nothing of these is read until `resume`, whatever is in the client's queue."""
        self._consumer.pause([KafkaTopicPartition(self.topic, p) for p in set(partitions) - self._paused])

    def resume(self, partitions: Iterable[int]) -> None:
        self._consumer.resume([KafkaTopicPartition(self.topic, p) for p in set(partitions) - self._paused])

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._FATAL or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise StartError(f"{self.topic} cannot be read: {error.str()}")
        self._trouble = f"; the last trouble was {error.name()}: {error.str()}"

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
