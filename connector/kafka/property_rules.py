"""Which librdkafka properties a user may not set, and why.

A property is refused when delivery rests on it, or when a setting of its own stands for it. What the client itself
has against the others is found out in property_trial.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from connector.kafka.property_names import CONSUMER_ONLY, PRODUCER_ONLY
from connector.settings import Property

Place: TypeAlias = Literal["kafka", "dead_letters"]
"""The section whose `properties` are meant: the consumer's and the connection's, or the producer's."""

# Values by which a property may stand all the same, because they are what is set anyway.
_CONSUMER_ALLOWED: dict[str, set[str]] = {
    "enable.auto.commit": {"false"},
    "enable.auto.offset.store": {"false"},
    "isolation.level": {"read_committed"},
    "partition.assignment.strategy": {"cooperative-sticky"},
    "enable.partition.eof": {"false"},
}
_CONSUMER_REFUSED: dict[str, str] = {
    "bootstrap.servers": "has a setting: kafka.bootstrap_servers",
    "metadata.broker.list": "has a setting: kafka.bootstrap_servers",
    "group.id": "has a setting: kafka.group_id",
    "group.instance.id": "has a setting: kafka.group_instance_id",
    "group.protocol": "has a setting: kafka.group_protocol",
    "session.timeout.ms": "has a setting: kafka.session_timeout_ms",
    "max.poll.interval.ms": "has a setting: kafka.max_poll_interval_ms",
    "auto.offset.reset": "has a setting: kafka.auto_offset_reset",
    "enable.auto.commit": "would commit records that are not settled, and a restart would lose them",
    "auto.commit.enable": "would commit records that are not settled, and a restart would lose them",
    "auto.commit.interval.ms": "has no effect here; how often is committed is delivery.commit_interval_ms",
    "enable.auto.offset.store": "would store offsets of records that are not settled, and a commit would lose them",
    "offset.store.method": "would keep the offsets outside the group, where the next member cannot see them",
    "offset.store.path": "would keep the offsets outside the group, where the next member cannot see them",
    "offset.store.sync.interval.ms": "would keep the offsets outside the group, where the next member cannot see them",
    "isolation.level": "would send records of transactions that were aborted; expected read_committed",
    "partition.assignment.strategy": "would take every partition from every member at each rebalance; "
    "expected cooperative-sticky (with group_protocol: consumer use group.remote.assignor)",
    "group.protocol.type": "would make a group that no other consumer understands",
    "enable.partition.eof": "would put markers between the records; the end of a topic is asked of the broker",
    "consume.callback.max.messages": "has no effect here: records are read without callbacks",
    "max.poll.records": "has no effect here: what is read at once follows delivery.window",
    "share.acknowledgement.mode": "belongs to share groups, which keep no order",
}
_PRODUCER_ALLOWED: dict[str, set[str]] = {
    "enable.idempotence": {"true"},
    "acks": {"all", "-1"},
    "request.required.acks": {"all", "-1"},
    "message.timeout.ms": {"0"},
    "delivery.timeout.ms": {"0"},
    "delivery.report.only.error": {"false"},
    "queuing.strategy": {"fifo"},
    "enable.gapless.guarantee": {"false"},
}
_PRODUCER_REFUSED: dict[str, str] = {
    "bootstrap.servers": "is the source's: dead letters are written to the cluster of kafka.bootstrap_servers",
    "metadata.broker.list": "is the source's: dead letters are written to the cluster of kafka.bootstrap_servers",
    "enable.idempotence": "would let a retry repeat or reorder dead letters; expected true",
    "acks": "would report dead letters as written that a broker can still lose; expected all",
    "request.required.acks": "would report dead letters as written that a broker can still lose; expected all",
    "message.timeout.ms": "would report dead letters as failed that are then stored; expected 0",
    "delivery.timeout.ms": "would report dead letters as failed that are then stored; expected 0",
    "retries": "would give a dead letter up while the broker can still be reached again",
    "message.send.max.retries": "would give a dead letter up while the broker can still be reached again",
    "transactional.id": "would keep dead letters invisible: no transaction is ever begun or committed",
    "transaction.timeout.ms": "belongs to transactions, and no transaction is ever begun",
    "delivery.report.only.error": "would hide the reports that dead letters are settled by; expected false",
    "queuing.strategy": "would write the newest dead letter first; expected fifo",
    "enable.gapless.guarantee": "would end the producer for good when one record is too large; expected false",
}
_ANYWHERE_REFUSED: dict[str, str] = {
    "test.mock.num.brokers": "would put a cluster inside this process in the place of the real one",
    "test.mock.broker.rtt": "belongs to a cluster inside this process, and the real one is used",
    "log.queue": "would keep the client's log lines where nothing reads them",
    "enabled_events": "is set by the client's own callbacks",
}
# What Java's client calls otherwise.
_JAVA_NAMES = {
    "sasl.jaas.config": "sasl.username and sasl.password",
    "ssl.truststore.location": "ssl.ca.location (PEM)",
    "ssl.truststore.type": "ssl.ca.location (PEM)",
    "ssl.truststore.password": "ssl.ca.location (PEM needs no password)",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "ssl.keystore.type": "ssl.keystore.location (PKCS#12)",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "max.request.size": "message.max.bytes",
    "buffer.memory": "queue.buffering.max.kbytes",
}


def refused(place: Place, properties: Mapping[str, Property]) -> Iterator[tuple[str, str]]:
    """The names that may not be set in this place, each with the reason."""
    if place == "kafka":
        reasons, allowed, foreign, owner = _CONSUMER_REFUSED, _CONSUMER_ALLOWED, PRODUCER_ONLY, "dead_letters"
    else:
        reasons, allowed, foreign, owner = _PRODUCER_REFUSED, _PRODUCER_ALLOWED, CONSUMER_ONLY, "kafka"
    for name, value in properties.items():
        if str(value).lower() in allowed.get(name, ()):
            continue
        if reason := reasons.get(name) or _ANYWHERE_REFUSED.get(name):
            yield name, reason
        elif java := _JAVA_NAMES.get(name):
            yield name, f"is a name of Java's client; here it is {java}"
        elif name.endswith("_cb") or name in {"logger", "on_commit"}:
            yield name, "is a callback, which a text cannot be"
        elif name in foreign:
            yield name, f"is a property of the other client; it belongs in {owner}.properties"
