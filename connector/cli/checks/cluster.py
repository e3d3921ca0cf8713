"""Kafka: is it reachable, are the topics there, may this client do what the job does?

Nothing is read, joined or written. Rights are what the cluster itself says that this client may do (Describe with the
authorised operations), because trying them out would disturb the group that is running.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]

from connector.app import dead_letter_topic
from connector.cli.checks.cluster_admin import ClusterAdmin, Refused
from connector.cli.checks.findings import Finding, fail, ok, skip, warn
from connector.kafka.properties import connection_properties
from connector.settings import Settings

_ACLS = "kafka-acls.sh --add --allow-principal User:NAME"


def check_cluster(settings: Settings, seconds: float) -> Iterator[Finding]:
    admin = ClusterAdmin(connection_properties(settings), seconds)
    metadata = admin.metadata()
    if isinstance(metadata, Refused):
        yield _unreachable(settings, metadata)
        yield from (skip(name, "not tried: no broker was reached") for name in ("topics", "dead letters", "group"))
        return
    servers = settings.kafka.bootstrap_servers
    many = f"{len(metadata.brokers)} brokers" if len(metadata.brokers) != 1 else "one broker"
    yield ok("broker", f"{many} reached by {servers}, cluster {metadata.cluster_id}")
    admin.forget_reasons()
    yield from _source_topics(settings, admin, metadata)
    yield from _dead_letters(settings, admin, metadata)
    yield from _group(settings, admin)
    yield from _broker_limits(settings, admin, metadata)
    reason = admin.reason()
    if reason is not None:
        yield warn(
            "listeners",
            f"a broker could not be reached at the address that the cluster names: {reason.said}",
            "make every broker's advertised.listeners reachable from here",
        )


def _unreachable(settings: Settings, refused: Refused) -> Finding:
    servers, said = settings.kafka.bootstrap_servers, refused.said
    found = f"{servers} does not answer: {said}"
    match refused.code:
        case KafkaError._AUTHENTICATION:
            return fail(
                "broker",
                f"{servers} refused the credentials: {said}",
                "correct sasl.mechanism, sasl.username and sasl.password in kafka.properties",
            )
        case KafkaError._RESOLVE:
            return fail("broker", found, "correct the host in kafka.bootstrap_servers, or the name service")
        case _ if "PLAINTEXT broker listener" in said:
            return fail("broker", found, "that port speaks no TLS: name its TLS port, or take security.protocol away")
        case _ if "security.protocol" in said or "SSL listener" in said:
            return fail("broker", found, "that port may speak TLS: set kafka.properties: {security.protocol: ssl}")
        case _ if "certificate verify failed" in said:
            return fail("broker", found, "name the authority that signed its certificate: ssl.ca.location (PEM)")
        case KafkaError._SSL:
            return fail("broker", found, "correct the ssl.* properties, and security.protocol for that port")
        case _ if "refused" in said:
            return fail("broker", found, "start it, or correct the port in kafka.bootstrap_servers")
        case _:
            return fail("broker", found, "look at the network between (firewall, NetworkPolicy) and the address")


def _source_topics(settings: Settings, admin: ClusterAdmin, metadata: Any) -> Iterator[Finding]:
    named = list(dict.fromkeys(topic for route in settings.routes for topic in route.topics or ()))
    matched: list[str] = []
    for route in settings.routes:
        if route.topics_pattern is None:
            continue
        taken = sorted(topic for topic in metadata.topics if re.fullmatch(route.topics_pattern, topic))
        matched += [topic for topic in taken if topic not in named and topic not in matched]
        what = f"topics like {route.topics_pattern}"
        if taken:
            yield ok(what, f"{len(taken)} now: {', '.join(taken[:5])}{', ...' if len(taken) > 5 else ''}")
        else:
            yield warn(what, "there is none that this client may see", "create one, or allow Describe on them")
    for topic, answer in admin.topics([*named, *matched]).items():
        yield _source_topic(topic, answer, metadata)


def _source_topic(topic: str, answer: Any | Refused, metadata: Any) -> Finding:
    check = f"topic {topic}"
    allow = f"{_ACLS} --operation Read --operation Describe --topic {topic}"
    if isinstance(answer, Refused):
        match answer.code:
            case KafkaError.UNKNOWN_TOPIC_OR_PART:
                return fail(check, "is not there", f"correct the route, or kafka-topics.sh --create --topic {topic}")
            case KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return fail(check, "this client may not see it, or it is not there", f"create it, or {allow}")
            case _ if topic in metadata.topics:
                count = len(metadata.topics[topic].partitions)
                return warn(check, f"{_partitions(count)}; rights unknown: {answer.said}", "none if the job reads it")
            case _:
                return fail(check, f"could not be described: {answer.said}", "look at the brokers")
    leaderless = [p.id for p in answer.partitions if p.leader is None or p.leader.id < 0]
    if leaderless:
        return fail(check, f"partitions without a leader: {leaderless[:10]}", "look at the brokers that hold them")
    what = _partitions(len(answer.partitions))
    match _allowed(answer, AclOperation.READ):
        case True:
            return ok(check, f"{what}, may be read")
        case False:
            return fail(check, f"{what}, but this client may not read it", allow)
        case None:
            return ok(check, f"{what}; the cluster does not tell rights")


def _dead_letters(settings: Settings, admin: ClusterAdmin, metadata: Any) -> Iterator[Finding]:
    topic = dead_letter_topic(settings)
    check = f"dead letters {topic}"
    answer = admin.topics([topic])[topic]
    allow = f"{_ACLS} --operation Write --operation Describe --topic {topic}"
    create = f"kafka-topics.sh --create --topic {topic}"
    if isinstance(answer, Refused):
        if answer.code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            yield _missing_dead_letters(settings, admin, check, create)
        elif answer.code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            yield fail(check, "this client may not see it, or it is not there", f"{create}, and {allow}")
        elif topic in metadata.topics:
            yield warn(check, f"is there; rights unknown: {answer.said}", "none if the job starts")
        else:
            yield warn(check, f"could not be described: {answer.said}", "none if the job starts")
        return
    match _allowed(answer, AclOperation.WRITE):
        case True:
            yield ok(check, "is there, may be written")
        case False:
            yield fail(check, "this client may not write it", allow)
        case None:
            yield ok(check, "is there; the cluster does not tell rights")
    yield from _dead_letter_settings(settings, admin, topic)


def _missing_dead_letters(settings: Settings, admin: ClusterAdmin, check: str, create: str) -> Finding:
    if not settings.dead_letters.create:
        return fail(check, "is not there, and dead_letters.create is false", create)
    operations = admin.cluster_operations()
    if operations is None or AclOperation.CREATE in operations:
        return ok(check, "is not there yet; the job creates it at its start")
    return warn(
        check,
        "is not there, and this client may not create topics of any name",
        f"{create}, or allow Create on it",
    )


def _dead_letter_settings(settings: Settings, admin: ClusterAdmin, topic: str) -> Iterator[Finding]:
    """What the topic would do to dead letters, where this client may read its configuration."""
    mine = admin.topic_settings(topic)
    if mine is None:
        return
    check = f"dead letters {topic}"
    if "compact" in mine.get("cleanup.policy", ""):
        yield fail(
            check,
            "is compacted: it keeps one dead letter of a key, and refuses those without a key",
            f"kafka-configs.sh --alter --topic {topic} --add-config cleanup.policy=delete",
        )
    limit = int(mine.get("max.message.bytes", 0))
    for source in dict.fromkeys(name for route in settings.routes for name in route.topics or ()):
        theirs = admin.topic_settings(source)
        largest = int(theirs.get("max.message.bytes", 0)) if theirs else 0
        if 0 < limit < largest:
            yield warn(
                check,
                f"takes records of {limit} bytes, and {source} holds them up to {largest}: large rejects lose a part",
                f"kafka-configs.sh --alter --topic {topic} --add-config max.message.bytes={largest + 65536}",
            )


def _group(settings: Settings, admin: ClusterAdmin) -> Iterator[Finding]:
    name = settings.kafka.group_id
    check = f"group {name}"
    answer = admin.group(name)
    allow = f"{_ACLS} --operation Read --group {name}"
    if isinstance(answer, Refused):
        match answer.code:
            case KafkaError.GROUP_AUTHORIZATION_FAILED:
                yield fail(check, "this client may not see or join it", allow)
            case KafkaError.GROUP_ID_NOT_FOUND:
                yield ok(check, f"is new: it starts at the {settings.kafka.auto_offset_reset} records")
            case _:
                yield warn(check, f"rights unknown: {answer.said}", "none if the job joins it")
        return
    members = len(answer.members)
    state = f"{members} members" if members != 1 else "one member"
    match _allowed(answer, AclOperation.READ):
        case True:
            yield ok(check, f"may be joined, {state} now")
        case False:
            yield fail(check, "this client may not join it", allow)
        case None:
            yield ok(check, f"{state} now; the cluster does not tell rights")


def _broker_limits(settings: Settings, admin: ClusterAdmin, metadata: Any) -> Iterator[Finding]:
    """Limits of the broker on the group, where this client may read its configuration."""
    limits = admin.broker_settings(next(iter(metadata.brokers))) if metadata.brokers else None
    if limits is None:
        return
    kafka = settings.kafka
    if kafka.group_protocol == "consumer":
        protocols = limits.get("group.coordinator.rebalance.protocols", "")
        if "consumer" not in protocols:
            yield fail("group protocol", "the broker does not know `consumer`", "set kafka.group_protocol: classic")
        return
    low = int(limits.get("group.min.session.timeout.ms", 0))
    high = int(limits.get("group.max.session.timeout.ms", kafka.session_timeout_ms))
    if not low <= kafka.session_timeout_ms <= high:
        yield fail(
            "session",
            f"kafka.session_timeout_ms is {kafka.session_timeout_ms}, and the broker takes {low} to {high}",
            "set it to a value between, or change group.min.session.timeout.ms at the broker",
        )


def _allowed(answer: Any, operation: Any) -> bool | None:
    """None where the cluster does not say."""
    operations: Sequence[Any] | None = answer.authorized_operations
    return None if operations is None else operation in operations


def _partitions(count: int) -> str:
    return f"{count} partitions" if count != 1 else "one partition"
