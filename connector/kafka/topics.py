"""What is asked of the cluster beside reading and writing: are the topics there, where do they end.

Uses the admin client alone, whose answers are futures: the loop never waits for one while it runs.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as KafkaTopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from connector.core.records import NextOffset, TopicPartition

log = logging.getLogger("connector.kafka")

_ASK_SECONDS = 5.0
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Topics:
    def __init__(self, properties: Mapping[str, Any]) -> None:
        """`properties`: those of the connection alone."""
        self._admin = AdminClient(dict(properties), logger=log)
        self._asked: dict[TopicPartition, Future[ListOffsetsResultInfo]] = {}
        self.ends: dict[TopicPartition, NextOffset] = {}
        """The last stable offsets, as last asked."""
        self.partition_counts: dict[str, int] = {}
        """Of all topics, when `present` last asked."""
        self.cluster_id: str | None = None
        """As the cluster said when `present` last asked."""

    def present(self) -> set[str] | str:
        """The names of all topics; as a text, why the cluster does not answer. Waits at most 5 s."""
        try:
            metadata = self._admin.list_topics(timeout=_ASK_SECONDS)
        except KafkaException as error:
            return str(error.args[0].str())
        found, self.cluster_id = metadata.topics, metadata.cluster_id
        self.partition_counts = {name: len(topic.partitions) for name, topic in found.items()}
        return set(found)

    def create(self, topic: str, partitions: int = -1) -> str | None:
        """Creates a topic, with the cluster's defaults; a text if that was refused. Waits at most 5 s."""
        try:
            made = self._admin.create_topics(
                [NewTopic(topic, num_partitions=partitions)], operation_timeout=_ASK_SECONDS
            )
            made[topic].result(_ASK_SECONDS)
        except KafkaException as error:
            fault = error.args[0]
            return None if fault.code() == KafkaError.TOPIC_ALREADY_EXISTS else str(fault.str())
        except TimeoutError:
            return "the cluster did not answer in time"
        return None

    def ask_ends(self, names: Collection[TopicPartition]) -> None:
        """Asks for the ends of these; `take_ends` has them later. Without effect while an earlier question is open."""
        if names and not self._asked:
            request = {KafkaTopicPartition(*name): _LATEST for name in names}
            answers = self._admin.list_offsets(
                request, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ASK_SECONDS
            )
            self._asked = {TopicPartition(p.topic, p.partition): future for p, future in answers.items()}

    def take_ends(self, held: Collection[TopicPartition]) -> None:
        """Takes answers that are there, and forgets the ends of partitions that are not `held`."""
        unanswered: set[str] = set()
        for name, future in list(self._asked.items()):
            if future.done():
                del self._asked[name]
                if future.exception() is None:
                    self.ends[name] = NextOffset(future.result().offset)
                else:
                    unanswered.add(name.topic)
        if unanswered:
            # Nothing else makes this client look for a new leader: FENCED_LEADER_EPOCH was answered for ever.
            self._admin.describe_topics(TopicCollection(list(unanswered)), request_timeout=_ASK_SECONDS)
        for name in [name for name in self.ends if name not in held]:
            del self.ends[name]
