"""What the consumer's properties do on a real broker: large records come, memory stays bounded."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from confluent_kafka import Consumer, Producer

from connector.kafka.properties import consumer_properties
from connector.settings import Settings
from tests.support.broker import Broker
from tests.support.topics import Topics

READER = """
import json, resource, sys, time
from confluent_kafka import Consumer
consumer = Consumer(json.loads(sys.argv[1]))
consumer.subscribe([sys.argv[2]])
read, until = 0, time.monotonic() + 60
while read < int(sys.argv[3]) and time.monotonic() < until:
    first = consumer.poll(1.0)
    if first is not None and first.error() is None:
        read += 1 + len(consumer.consume(499, 0))
        # Slower than the broker, so that what is fetched ahead piles up.
        time.sleep(0.02)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"read": read, "peak_megabytes": int(peak.split()[1]) // 1024}))
"""


def properties(broker: Broker, group: str) -> dict[str, object]:
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": broker.bootstrap_servers, "group_id": group},
            "airship": {"app_key": "A" * 22, "auth": {"bearer_token": "token"}},
            "routes": [{"topics": ["any"]}],
        }
    )
    return dict(consumer_properties(settings))


@pytest.mark.broker_can("admin")
def test_a_record_larger_than_a_fetch_is_read(broker: Broker, topics: Topics) -> None:
    size = 5_000_000
    topic = topics.create("large", 1, {"max.message.bytes": str(size + 1000)})
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "message.max.bytes": size + 1000})
    for value in (b"before", b"x" * size, b"after"):
        producer.produce(topic, value)
    assert producer.flush(30) == 0
    consumer = Consumer(properties(broker, topics.unique_name("group")))
    consumer.subscribe([topic])
    sizes: list[int] = []
    until = time.monotonic() + 30
    while len(sizes) < 3 and time.monotonic() < until:
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None
            sizes.append(len(message.value() or b""))
    consumer.close()
    assert sizes == [6, size, 5]


@pytest.mark.broker_can("retention")
def test_a_backlog_that_unpacks_to_many_times_its_size_stays_small_in_memory(broker: Broker, topics: Topics) -> None:
    topic = topics.create("compressed", 8)
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "compression.type": "zstd",
            "linger.ms": 100,
            "queue.buffering.max.messages": 500_000,
        }
    )
    event = json.dumps({"name": "purchased", "description": "Sneaker " * 80}).encode()
    for number in range(300_000):
        producer.produce(topic, event, key=str(number % 1000))
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0
    arguments = [json.dumps(properties(broker, topics.unique_name("group"))), topic, "100000"]
    done = subprocess.run(
        [sys.executable, "-c", READER, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    told = json.loads(done.stdout)
    assert told["read"] >= 100_000
    assert told["peak_megabytes"] < 120
