"""What a consumer group tells the broker: how far it has come in a topic, and who holds how much."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

_ASK_SECONDS = 10.0
_LOOK_SECONDS = 0.25


class GroupProgress:
    """The topic's ends are those of the moment it was made."""

    def __init__(self, bootstrap_servers: str, group: str, topic: str) -> None:
        self._group = group
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        self._ends = topic_ends(bootstrap_servers, topic)
        self._topic = topic
        self._ask_at = 0.0
        self._was_at_end = False

    def committed(self) -> int:
        """Records below the committed positions, all partitions together; 0 while nobody has committed."""
        wanted = [TopicPartition(self._topic, number) for number in self._ends]
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self._group, wanted)])
        try:
            found = asked[self._group].result(_ASK_SECONDS).topic_partitions
        except KafkaException:
            return 0  # the group does not exist yet
        return sum(max(0, position.offset) for position in found)

    def is_at_end(self) -> bool:
        """May be asked at any rate: the broker is asked four times a second at most, which costs it next to nothing."""
        now = time.monotonic()
        if not self._was_at_end and now >= self._ask_at:
            self._ask_at = now + _LOOK_SECONDS
            self._was_at_end = self.committed() >= sum(self._ends.values())
        return self._was_at_end


def shares(bootstrap_servers: str, group: str) -> list[int]:
    """How many partitions each member holds; empty while there is no such group."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        described = admin.describe_consumer_groups([group])[group].result(_ASK_SECONDS)
    except KafkaException:
        return []
    return [len(member.assignment.topic_partitions) for member in described.members]


def topic_ends(bootstrap_servers: str, topic: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench-ends", "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, timeout=_ASK_SECONDS).topics[topic].partitions
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ASK_SECONDS)[1]
            for number in partitions
        }
    finally:
        consumer.close()
