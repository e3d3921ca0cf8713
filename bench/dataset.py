"""The topics that every benchmark reads: the same records whatever reads them, made once, quickly.

Three shapes, each from a pool of records that are built once and then only given a user and a number:

    event        a Custom Event that is passed through unchanged, 650 to 700 bytes
    order        a JSON order for a route of ten fields (`bench.orders.ORDER_ROUTE`)
    order-avro   the same orders as Avro in Confluent's framing

The key is the user's id, which the value holds too. The number counts up over the whole topic and stands where the
endpoint sees it (`transaction`), so that the order per user can be checked from what arrived.

    python -m bench.dataset --bootstrap-servers HOST:PORT --topic T --count 1000000
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

import fastavro
import httpx
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench import orders
from tests.support.broker import wait_for_leaders

Shape: TypeAlias = Literal["event", "order", "order-avro"]
Compression: TypeAlias = Literal["none", "lz4", "zstd", "gzip", "snappy"]

PARTITIONS = 8
USERS = 200_000
EVENT_BYTES = (650, 700)
_EVENT_BYTES_AIM = 670
_POOL_SIZE = 256
_SEED = 20_250_101
_SECONDS_MAX = 900.0
_ADMIN_SECONDS = 30.0

# as wide as what replaces them, because Avro writes the length in front of a string
_USER = "user-########"
_NUMBER = "############"
_PADDING = "Made to last, easy to repair, and sent to you without any plastic. Returns are free for thirty days. " * 3


@dataclass(frozen=True, slots=True)
class Produced:
    events: int
    value_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pool:
    """Templates of one shape; `fill` makes the value of a record."""

    templates: list[bytes]

    def fill(self, index: int, user: bytes, number: int) -> bytes:
        return self.templates[index % len(self.templates)] % {b"user": user, b"number": b"%012d" % number}


def user_key(user: int) -> bytes:
    return b"user-%08d" % user


def event_pool(now: datetime, size: int = _POOL_SIZE) -> Pool:
    chance = random.Random(_SEED)
    return Pool([_template(_json(_an_event(chance, now))) for _ in range(size)])


def order_pool(now: datetime, size: int = _POOL_SIZE) -> Pool:
    chance = random.Random(_SEED)
    made = [orders.an_order(chance, now, _USER, _NUMBER) for _ in range(size)]
    return Pool([_template(_json({**order, "created_at": _iso(order["created_at"])})) for order in made])


def avro_order_pool(now: datetime, schema_id: int, size: int = _POOL_SIZE) -> Pool:
    """The orders of `order_pool`, with `schema_id` in the framing."""
    chance = random.Random(_SEED)
    schema = fastavro.parse_schema(dict(orders.ORDER_SCHEMA))
    templates = []
    for _ in range(size):
        out = io.BytesIO(b"\x00" + schema_id.to_bytes(4, "big"))
        out.seek(5)
        fastavro.schemaless_writer(out, schema, orders.an_order(chance, now, _USER, _NUMBER))
        templates.append(_template(out.getvalue()))
    return Pool(templates)


def _an_event(chance: random.Random, now: datetime) -> dict[str, Any]:
    items: list[dict[str, Any]] = [
        {"text": orders.product_name(chance), "price": orders.price(chance), "quantity": chance.randint(1, 4)}
        for _ in range(2)
    ]
    properties: dict[str, Any] = {
        "description": "",
        "brand": orders.product_name(chance),
        "colors": chance.sample(["red", "blue", "green", "black", "white", "amber"], 2),
        "items": items,
        "discount": chance.randint(0, 30) / 100,
        "gift": chance.random() < 0.1,
        "location": {"state": orders.state(chance), "zip": orders.zip_code(chance)},
    }
    event = {
        "occurred": _iso(orders.moment(chance, now)),
        "user": {"named_user_id": _USER},
        "body": {
            "name": "purchased",
            "value": round(sum(item["price"] * item["quantity"] for item in items), 2),
            "transaction": _NUMBER,
            "interaction_id": f"your.store/us/en_us/pd/shoe/pid-{chance.randrange(10**8):08d}",
            "interaction_type": "url",
            "properties": properties,
            "session_id": orders.session_id(chance),
        },
    }
    missing = _EVENT_BYTES_AIM + chance.randint(-15, 15) - len(_json(event))
    properties["description"] = _PADDING[: max(0, missing)]
    return event


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _template(value: bytes) -> bytes:
    user, number = _USER.encode(), _NUMBER.encode()
    assert value.count(user) == value.count(number) == 1, value
    return value.replace(b"%", b"%%").replace(user, b"%(user)b").replace(number, b"%(number)b")


def produce_dataset(
    bootstrap_servers: str,
    topic: str,
    count: int,
    *,
    pool: Pool,
    users: int = USERS,
    compression: Compression = "none",
    progress: Callable[[int], None] | None = None,
) -> Produced:
    """Writes `count` records to the topic, which exists and is empty. Which user comes when is the same every time."""
    chance = random.Random(_SEED)
    keys = [user_key(user) for user in chance.choices(range(users), k=count)]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,  # keeps the order per key through retries
            "compression.type": compression,
            "linger.ms": 50,
            "batch.size": 900_000,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 262_144,
            "log_level": 0,
        }
    )
    wait_for_leaders(producer, topic, _partition_count(producer, topic))
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    started = time.monotonic()
    value_bytes = 0
    for number, key in enumerate(keys):
        value = pool.fill(number, key, number)
        value_bytes += len(value)
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10_000 == 0:
            producer.poll(0)
            _check(failed, started, number)
            if progress is not None:
                progress(number)
    left = producer.flush(_SECONDS_MAX - (time.monotonic() - started))
    _check(failed, started, count - left)
    if left:
        raise TimeoutError(f"{topic}: {left} of {count} records were not delivered within {_SECONDS_MAX:g} s")
    return Produced(count, value_bytes, time.monotonic() - started)


def _check(failed: list[KafkaError], started: float, number: int) -> None:
    if failed:
        raise KafkaException(failed[0])
    if time.monotonic() - started > _SECONDS_MAX:
        raise TimeoutError(f"{number} records after {_SECONDS_MAX:g} s")


def _partition_count(producer: Producer, topic: str) -> int:
    return len(producer.list_topics(topic, timeout=_ADMIN_SECONDS).topics[topic].partitions)


def create_topic(bootstrap_servers: str, topic: str, partitions: int = PARTITIONS) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    created = admin.create_topics([NewTopic(topic, partitions, 1)], operation_timeout=_ADMIN_SECONDS)
    created[topic].result(_ADMIN_SECONDS)
    wait_for_leaders(admin, topic, partitions)


def register_order_schema(registry_url: str, topic: str) -> int:
    answer = httpx.post(
        f"{registry_url}/subjects/{topic}-value/versions",
        json={"schema": json.dumps(orders.ORDER_SCHEMA), "schemaType": "AVRO"},
        timeout=_ADMIN_SECONDS,
        trust_env=False,
    )
    return int(answer.raise_for_status().json()["id"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dataset", description="Creates a topic and fills it.")
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--shape", choices=get_args(Shape), default="event")
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    parser.add_argument("--compression", choices=get_args(Compression), default="none")
    parser.add_argument("--schema-registry", metavar="URL", help="for order-avro: where the schema is registered")
    arguments = parser.parse_args()
    if arguments.shape == "order-avro" and arguments.schema_registry is None:
        parser.error("order-avro needs --schema-registry")

    now = datetime.now(UTC)
    match arguments.shape:
        case "event":
            pool = event_pool(now)
        case "order":
            pool = order_pool(now)
        case _:
            pool = avro_order_pool(now, register_order_schema(arguments.schema_registry, arguments.topic))
    create_topic(arguments.bootstrap_servers, arguments.topic, arguments.partitions)
    produced = produce_dataset(
        arguments.bootstrap_servers,
        arguments.topic,
        arguments.count,
        pool=pool,
        users=arguments.users,
        compression=arguments.compression,
    )
    json.dump(asdict(produced), sys.stdout)
    print()


if __name__ == "__main__":
    main()
