"""What the yardsticks have in common: their arguments, the consumer as a plain program would open it, and the meter.

The figures are those of the whole process with its threads, start and end included: the benchmark subtracts a short
run from a long one.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import secrets
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

_KAFKA_SECONDS = 30.0
_STATUS = Path("/proc/self/status")
_RSS_MAX = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Result:
    events: int
    cpu_seconds: float
    """User and system, all threads."""
    wall_seconds: float
    """From the first record to the end."""
    rss_max_mb: float

    def print(self) -> None:
        json.dump(asdict(self), sys.stdout)
        print(flush=True)


class Meter:
    """Started with the first record, read at the end."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def read(self, events: int) -> Result:
        wall_seconds = time.monotonic() - self._started
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Result(
            events=events,
            cpu_seconds=round(usage.ru_utime + usage.ru_stime, 4),
            wall_seconds=round(wall_seconds, 4),
            rss_max_mb=round(_rss_max_bytes() / 1_000_000, 1),
        )


def _rss_max_bytes() -> int:
    """From Linux's own account of this program: `ru_maxrss` counts what the process was before it became this one."""
    found = _RSS_MAX.search(_STATUS.read_text()) if _STATUS.exists() else None
    return int(found[1]) * 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def parser(name: str, description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"python -m bench.yardsticks.{name}", description=description)
    made.add_argument("--bootstrap-servers", required=True)
    made.add_argument("--topic", required=True)
    made.add_argument("--count", type=int, required=True, help="stop after so many events, or at the topic's end")
    made.add_argument(
        "--property", action="append", default=[], metavar="NAME=VALUE", help="a librdkafka property of the consumer"
    )
    made.add_argument("--seconds-max", type=float, default=600.0, help="give up after so long without an end")
    return made


def open_consumer(arguments: argparse.Namespace) -> Consumer:
    """In a group of its own, with the client's defaults but for the start and the commits."""
    given = dict(item.split("=", 1) for item in arguments.property)
    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "group.id": f"yardstick-{secrets.token_hex(6)}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **given,
        }
    )
    consumer.subscribe([arguments.topic])
    return consumer


def events_to_read(consumer: Consumer, topic: str, count: int) -> int:
    """`count`, or what is in the topic if that is less."""
    partitions = consumer.list_topics(topic, timeout=_KAFKA_SECONDS).topics[topic].partitions
    there = 0
    for number in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_KAFKA_SECONDS)
        there += high - low
    if there == 0:
        sys.exit(f"{topic} holds no events: fill it with python -m bench.dataset")
    return min(count, there)


def raise_errors(messages: list[Message]) -> None:
    """Looked at only when a value is missing: a message is an error then."""
    for message in messages:
        if (error := message.error()) is not None:
            raise KafkaException(error)


def before(deadline: float, done: int, wanted: int) -> None:
    if time.monotonic() > deadline:
        sys.exit(f"{done} of {wanted} events when the time was over")
