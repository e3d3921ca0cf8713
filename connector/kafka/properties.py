"""What librdkafka is told: the final properties of the consumer, of the dead-letter producer, of the admin client.

What delivery rests on is set here and cannot be set otherwise (connector/kafka/property_rules.py refuses it by name).
The rest is a choice with a reason, and `kafka.properties` or `dead_letters.properties` wins over it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from connector.kafka.msk_iam import tokens_for
from connector.kafka.property_names import CONSUMER_ONLY
from connector.settings import DeadLetterSettings, KafkaSettings, Property, Settings

ClientProperties: TypeAlias = dict[str, Any]
"""librdkafka's properties, and confluent-kafka's own, which are callbacks."""

CLIENT_ID = "airship-connector"

MESSAGE_BYTES_MAX = 100_000_000
"""The largest answer that the consumer takes (`receive.message.max.bytes`), so no record that was read is larger."""

# Memory. A fetched answer is unpacked at once, and librdkafka looks at its queue's limit only before it fetches: what
# stands in memory is the limit plus one unpacked answer of each broker. Hence a small answer and a small queue. Tried
# with a backlog of 75:1 in 8 partitions, read at 30,000 records a second: 86 MB resident at most, 194 MB with answers
# of 1 MB, 262 MB with librdkafka's own choices; read as fast as it goes, nothing is lost by it (a broker beside it
# answers within a millisecond). A record larger than an answer still comes: a broker sends the first batch whole.
_FETCH_BYTES_MAX = 128 * 1024
_CONSUMER_CHOICES: dict[str, Property] = {
    "fetch.max.bytes": _FETCH_BYTES_MAX,
    "max.partition.fetch.bytes": _FETCH_BYTES_MAX,
    "queued.max.messages.kbytes": 8 * 1024,
    "queued.min.messages": 20_000,
    # After it found the queue full librdkafka waits so long before it fetches again; with the default of a second a
    # small queue would stand empty most of the time.
    "fetch.queue.backoff.ms": 20,
}

_HEARTBEAT_MS_MAX = 3_000
"""librdkafka's default, and a third of a session is the rule."""

_CONNECTION_CHOICES: dict[str, Property] = {
    "client.id": CLIENT_ID,
    # Balancers and firewalls forget quiet connections without a word.
    "socket.keepalive.enable": True,
    # The default lets it wait ten seconds after the broker is back.
    "reconnect.backoff.max.ms": 3_000,
    # Own statistics say what is needed; these cost a callback with a large JSON text.
    "statistics.interval.ms": 0,
}

_PRODUCER_CHOICES: dict[str, Property] = {
    "message.max.bytes": MESSAGE_BYTES_MAX,
    # Above the largest record: one that does not fit into the queue alone would never be taken.
    "queue.buffering.max.kbytes": 2 * MESSAGE_BYTES_MAX // 1024,
    # A record that fitted into its topic because its batch was compressed has to fit into the dead letters, too.
    "compression.type": "zstd",
}


def consumer_properties(settings: Settings) -> ClientProperties:
    """For `Consumer`; callbacks are the caller's."""
    return consumer_properties_of(settings.kafka)


def producer_properties(settings: Settings) -> ClientProperties:
    """For the `Producer` of the dead letters: the connection of the consumer, and its own properties."""
    return producer_properties_of(settings.kafka, settings.dead_letters)


def connection_properties(settings: Settings) -> ClientProperties:
    """For `AdminClient` and any other client that neither joins the group nor writes."""
    kafka = settings.kafka
    return {**_CONNECTION_CHOICES, **_shared(kafka), "bootstrap.servers": kafka.bootstrap_servers}


def consumer_properties_of(kafka: KafkaSettings) -> ClientProperties:
    fixed: ClientProperties = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": kafka.group_id,
        "group.protocol": kafka.group_protocol,
        "max.poll.interval.ms": kafka.max_poll_interval_ms,
        "auto.offset.reset": kafka.auto_offset_reset,
        # An offset is stored and committed when its record is settled, by us alone.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": False,
        **_msk_iam(kafka),
    }
    choices: ClientProperties = {**_CONNECTION_CHOICES, **_CONSUMER_CHOICES}
    if kafka.group_instance_id is not None:
        fixed["group.instance.id"] = kafka.group_instance_id
    if kafka.group_protocol == "classic":
        # With the new protocol all three are the broker's, and librdkafka refuses them.
        fixed["session.timeout.ms"] = kafka.session_timeout_ms
        fixed["partition.assignment.strategy"] = "cooperative-sticky"
        # The default of 3 s alone would end a session of 3 s before its first heartbeat: a member that lives would be
        # thrown out again and again, and each time repeat what it had not committed.
        choices["heartbeat.interval.ms"] = min(_HEARTBEAT_MS_MAX, kafka.session_timeout_ms // 3)
    # To a consumer it is only a lower bound of fetch.max.bytes, so as small as may be; a user means the producer's.
    fixed["message.max.bytes"] = 1000
    return {**choices, **kafka.properties, **fixed}


def producer_properties_of(kafka: KafkaSettings, dead_letters: DeadLetterSettings) -> ClientProperties:
    fixed: ClientProperties = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        # With a finite one a report of failure may be false: the record was stored, and its retry repeats and reorders.
        "message.timeout.ms": 0,
        "delivery.report.only.error": False,
    }
    return {**_CONNECTION_CHOICES, **_PRODUCER_CHOICES, **_shared(kafka), **dead_letters.properties, **fixed}


def _shared(kafka: KafkaSettings) -> ClientProperties:
    own = {name: value for name, value in kafka.properties.items() if name not in CONSUMER_ONLY}
    return {**own, **_msk_iam(kafka)}


def _msk_iam(kafka: KafkaSettings) -> ClientProperties:
    if kafka.msk_iam_region is None:
        return {}
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": tokens_for(kafka.msk_iam_region),
    }
