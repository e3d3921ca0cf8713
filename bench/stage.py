"""What every part of the benchmark stands on: a broker, an endpoint, a schema registry, topics that are filled once.

The endpoint and the registry are processes or threads of the benchmark, never of what is measured. The registry is the
tests' stub of Confluent's API: each system asks it once for one schema id, and any registry would be asked once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from bench.dataset import (
    PARTITIONS,
    USERS,
    Compression,
    Pool,
    Shape,
    avro_order_pool,
    create_topic,
    event_pool,
    order_pool,
    produce_dataset,
)
from bench.orders import ORDER_SCHEMA
from bench.yardsticks.cheapest_endpoint import cheapest_endpoint
from tests.support.brokers import running_broker
from tests.support.directories import data_directory
from tests.support.registry_stub import registry_stub

SCHEMA_ID = 7


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is in a topic. `templates`: 1 makes values that differ in user and number alone."""

    shape: Shape
    count: int
    users: int = USERS
    compression: Compression = "none"
    templates: int = 256


@dataclass(slots=True)
class Stage:
    bootstrap_servers: str
    endpoint_url: str
    """Of the cheapest endpoint, without a path."""
    registry_url: str
    directory: Path
    descriptions: dict[str, str]
    _topics: dict[Dataset, str] = field(default_factory=dict)
    _names: int = 0

    def topic(self, dataset: Dataset) -> str:
        """A topic that holds it; made when it is first asked for."""
        if dataset not in self._topics:
            name = self.name(dataset.shape)
            create_topic(self.bootstrap_servers, name, PARTITIONS)
            produce_dataset(
                self.bootstrap_servers,
                name,
                dataset.count,
                pool=_pool(dataset),
                users=dataset.users,
                compression=dataset.compression,
            )
            self._topics[dataset] = name
        return self._topics[dataset]

    def name(self, kind: str) -> str:
        """Of a topic, group or file that nothing else on this stage has."""
        self._names += 1
        return f"bench-{kind}-{self._names}"


def _pool(dataset: Dataset) -> Pool:
    now = datetime.now(UTC)
    match dataset.shape:
        case "event":
            return event_pool(now, dataset.templates)
        case "order":
            return order_pool(now, dataset.templates)
        case "order-avro":
            return avro_order_pool(now, SCHEMA_ID, dataset.templates)
        case _:
            assert_never(dataset.shape)


@contextmanager
def running_stage() -> Iterator[Stage]:
    schemas = {str(SCHEMA_ID): {"schema": json.dumps(ORDER_SCHEMA)}}
    with (
        running_broker() as broker,
        cheapest_endpoint() as endpoint,
        registry_stub(schemas=schemas) as registry,
        data_directory("bench") as directory,
    ):
        descriptions = {
            "broker": broker.description.split(" at ", maxsplit=1)[0],
            "endpoint": endpoint.description.split(" at ", maxsplit=1)[0],
        }
        yield Stage(broker.bootstrap_servers, endpoint.url, registry.url, directory, descriptions)
