"""The producer of a replay: what is sent again and the mark that it was, in one transaction.

Its transactional id is that of the group and the dead-letter topic, so a second replay of them fences the first one
off. A transaction that is not committed leaves nothing: neither a message that readers of committed data see, nor a
mark.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaTopicPartition

from connector.dlq.choosing import Chosen
from connector.dlq.facts import Headers
from connector.dlq.ledger import ledger_topic
from connector.dlq.letter import Position
from connector.dlq.memory import ReplayMemory
from connector.errors import StartError
from connector.kafka.properties import producer_properties
from connector.settings import Settings

log = logging.getLogger("connector.kafka")

_TRANSACTION_MS = 15_000
"""A broker ends the transaction of a replay that was killed after this time; until then readers of committed data
wait behind it, unless another replay begins, which ends it at once."""
_ANSWER_SECONDS = 20.0
_ASK_SECONDS = 10.0
PARTITION_UA = -1
"""No partition is named: librdkafka's partitioner takes one."""
_FENCED = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}


def transactional_id(group: str, dead_letter_topic: str) -> str:
    return f"{group}.replay.{dead_letter_topic}"


class RememberingProducer:
    """Raises StartError for whatever keeps it from going on: nothing of the open transaction is sent then.

    The ledger is to be read after this is made: from then on no other replay of the group changes it.
    """

    def __init__(self, settings: Settings, dead_letter_topic: str) -> None:
        self._ledger_topic = ledger_topic(dead_letter_topic)
        self._refusal: str | None = None
        self._partitions: dict[str, int] = {}
        properties = producer_properties(settings)
        self._id = transactional_id(settings.kafka.group_id, dead_letter_topic)
        self._producer = Producer(
            {
                "partitioner": "murmur2_random",
                **properties,
                "transactional.id": self._id,
                "transaction.timeout.ms": _TRANSACTION_MS,
                "message.timeout.ms": _TRANSACTION_MS,  # a transaction cannot wait longer for its messages
                "logger": log,
            }
        )
        try:
            self._producer.init_transactions(_ANSWER_SECONDS)
        except KafkaException as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        """Whatever is in an open transaction is not sent. Waits for the messages' own time-out at most."""
        try:
            self._producer.close()
        except KafkaException as error:  # it was fenced, or is beyond repair: what it did is done or undone already
            log.debug("the producer of the replay was closed: %s", error.args[0].str())

    def __enter__(self) -> RememberingProducer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def partitions_of(self, topic: str) -> int:
        """0 for a topic that does not exist. Asked once, and before anything is sent there: a producer that does not
        know the leaders yet may reorder what it holds back."""
        if topic not in self._partitions:
            try:
                found = self._producer.list_topics(topic, timeout=_ASK_SECONDS).topics[topic]
            except KafkaException as error:
                raise self._trouble(error) from error
            self._partitions[topic] = 0 if found.error is not None else len(found.partitions)
        return self._partitions[topic]

    def send(self, messages: Sequence[tuple[Chosen, Headers]], memory: ReplayMemory) -> None:
        """The messages, to the topics and partitions that they came from, and their marks.

        Where the topic has not got the partition any more the key chooses one, as it does with Java's clients.
        """
        with self._transaction():
            for (letter, message), headers in messages:
                known = 0 <= message.partition() < self.partitions_of(message.topic())
                partition = message.partition() if known else PARTITION_UA
                about = f"letter {letter.position} to {message.topic()}"
                self._produce(message.topic(), message.key(), message.value(), headers, partition, about)
            memory.settle(chosen.letter.position for chosen, _ in messages)
            self._write(memory)

    def settle(self, memory: ReplayMemory, positions: Iterable[Position]) -> None:
        """Marks alone: these were sent otherwise. Without any it writes how far the group has come."""
        with self._transaction():
            memory.settle(positions)
            self._write(memory)

    def _write(self, memory: ReplayMemory) -> None:
        for key, value in memory.ledger.take_changes():
            self._produce(self._ledger_topic, key, value, [], PARTITION_UA, f"marks to {self._ledger_topic}")
        moved = [KafkaTopicPartition(memory.reader.topic, p, offset) for p, offset in memory.moved().items()]
        if moved:
            self._producer.send_offsets_to_transaction(moved, memory.reader.group_metadata, _ANSWER_SECONDS)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._producer.begin_transaction()
            yield
            self._producer.commit_transaction(_ANSWER_SECONDS)
        except KafkaException as error:
            raise self._trouble(error) from error

    def _produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, partition: int, about: str
    ) -> None:
        def reported(error: KafkaError | None, _message: KafkaMessage) -> None:
            if error is not None and error.code() != KafkaError._PURGE_QUEUE and self._refusal is None:
                self._refusal = f"{about}: {error.str()}"

        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition,
                    on_delivery=reported,
                    headers=headers,  # type: ignore[arg-type]  # a list is invariant, and this one is read only
                )
            except BufferError:
                self._producer.poll(0.1)  # it ends at the latest when the messages in the queue time out
            else:
                self._producer.poll(0)
                return

    def _trouble(self, error: KafkaException) -> StartError:
        fault = error.args[0]
        if fault.code() in _FENCED:
            return StartError(f"another replay of this group has begun (transactional id {self._id}): this one stops")
        if fault.txn_requires_abort():
            self._abort()
        return StartError(f"the replay cannot go on: {self._refusal or fault.str()} (transactional id {self._id})")

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(_ANSWER_SECONDS)
        except KafkaException as error:  # the broker ends it after its time-out
            self._refusal = self._refusal or str(error.args[0].str())
