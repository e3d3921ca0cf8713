"""The dead-letter topic and its ledger on a cluster: are they there, and what is in them."""

from __future__ import annotations

import logging
from concurrent.futures import TimeoutError as FutureTimeoutError

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from connector.app import dead_letter_topic, is_subscribed
from connector.core.records import SourceRecord
from connector.dlq.ledger import Ledger, ledger_topic
from connector.dlq.letter import Letter
from connector.dlq.memory import replay_group
from connector.errors import SettingsError, StartError
from connector.kafka.properties import connection_properties
from connector.kafka.topic_reader import TopicReader
from connector.settings import Settings

log = logging.getLogger("connector.kafka")

_ASK_SECONDS = 10.0


class DeadLetterTopic:
    """Raises SettingsError when the dead-letter topic does not exist, StartError when the cluster does not answer."""

    def __init__(self, settings: Settings, topic: str | None = None) -> None:
        self._settings = settings
        self._connection = connection_properties(settings)
        self._admin = AdminClient(dict(self._connection), logger=log)
        self.topic = topic or dead_letter_topic(settings)
        self.ledger_topic = ledger_topic(self.topic)
        self._present = self._topics()
        if self.topic not in self._present:
            where = settings.kafka.bootstrap_servers
            expected = "expected the topic that the job writes to (it makes it when it starts), or --dead-letter-topic"
            raise SettingsError([f"dead_letters.topic: {self.topic} does not exist on {where}; {expected}"])
        self._has_ledger = self.ledger_topic in self._present
        self._ledger_is_new = False  # made by this object: empty, and perhaps not known to every broker yet

    def _topics(self) -> set[str]:
        try:
            return set(self._admin.list_topics(timeout=_ASK_SECONDS).topics)
        except KafkaException as error:
            where = self._settings.kafka.bootstrap_servers
            raise StartError(f"the cluster at {where} does not answer: {error.args[0].str()}") from error

    def exists(self, topic: str) -> bool:
        return topic in self._present

    def read(self) -> TopicReader:
        return TopicReader(self._connection, self.topic, self._settings.kafka.group_id)

    def read_on(self) -> TopicReader:
        """From where the group's replays have left letters."""
        return TopicReader(self._connection, self.topic, replay_group(self._settings.kafka.group_id), resume=True)

    def letter(self, partition: int, offset: int) -> Letter | None:
        """The one that lies there; None where there is none."""
        record = self._record(self.topic, partition, offset)
        return None if record is None else Letter(record)

    def pointed_at(self, letter: Letter) -> SourceRecord | None:
        """The message that a pointer points at; None where it is not there any more."""
        topic, partition, offset = letter.facts.origin
        if topic is None or partition is None or offset is None or not self.exists(topic):
            return None
        record = self._record(topic, partition, offset)
        told = letter.facts.original_timestamp
        same = record is not None and (told is None or record.timestamp()[1] == told)
        return record if same else None  # else the topic was made anew

    def _record(self, topic: str, partition: int, offset: int) -> SourceRecord | None:
        with TopicReader(self._connection, topic, self._settings.kafka.group_id, starts={partition: offset}) as reader:
            first = next((record for chunk in reader.chunks() for record in chunk), None)
        return first if first is not None and first.offset() == offset else None

    def ledger(self) -> Ledger:
        """What this group has replayed. Empty where there is no ledger yet."""
        if not self._has_ledger:
            return Ledger("", self._settings.kafka.group_id)
        ledger = Ledger(self._topic_id(), self._settings.kafka.group_id)
        if not self._ledger_is_new:
            with TopicReader(self._connection, self.ledger_topic, self._settings.kafka.group_id) as reader:
                for chunk in reader.chunks():
                    for record in chunk:
                        ledger.take(record)
        return ledger

    def create_ledger(self) -> None:
        """One partition, compacted, so nothing in it expires. Raises StartError with the command that makes it."""
        if is_subscribed(self._settings, self.ledger_topic):
            found = f"a pattern reads {self.ledger_topic} as well, which remembers what was replayed"
            raise SettingsError([f"routes: {found}; expected patterns that do not match it"])
        if self._has_ledger:
            return
        new = NewTopic(self.ledger_topic, num_partitions=1, config={"cleanup.policy": "compact"})
        try:
            self._admin.create_topics([new], operation_timeout=_ASK_SECONDS)[self.ledger_topic].result(_ASK_SECONDS)
        except (KafkaException, FutureTimeoutError) as error:
            fault = error.args[0] if isinstance(error, KafkaException) else None
            if fault is None or fault.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                told = "no answer in time" if fault is None else fault.str()
                raise StartError(
                    f"the topic {self.ledger_topic}, which remembers what was replayed, is missing and could not be "
                    f"created: {told}; create it: kafka-topics.sh --create --topic {self.ledger_topic} --partitions 1 "
                    "--config cleanup.policy=compact"
                ) from error
        self._has_ledger = self._ledger_is_new = True

    def _topic_id(self) -> str:
        asked = self._admin.describe_topics(TopicCollection([self.topic]), request_timeout=_ASK_SECONDS)
        try:
            return str(asked[self.topic].result(_ASK_SECONDS).topic_id)
        except (KafkaException, FutureTimeoutError) as error:
            raise StartError(f"the id of {self.topic} cannot be asked for: {error}") from error
