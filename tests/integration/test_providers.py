"""The real parts themselves: what the other tests, the chaos runs and the benchmarks stand on."""

from __future__ import annotations

import pytest

from tests.support.broker import Broker
from tests.support.topics import (
    COMPACTED,
    Record,
    Topics,
    end_offsets,
    produce,
    produce_compacted,
    produce_transaction,
    read_to_end,
)


def test_what_is_produced_is_read_to_the_end_in_order(broker: Broker, topics: Topics) -> None:
    topic = topics.create("order", partitions=3)
    records = [Record(b"%d" % n, b"k%d" % (n % 7), [("h", b"\x00\xff"), ("n", None)]) for n in range(500)]

    written = produce(broker.bootstrap_servers, topic, records)

    read = read_to_end(broker.bootstrap_servers, topic)
    assert len(read) == 500
    values = {(m.partition(), m.offset()): m.value() for m in read}
    assert [values[position] for position in written] == [record.value for record in records]
    by_key: dict[bytes, list[int]] = {}
    for message in read:
        by_key.setdefault(message.key(), []).append(int(message.value()))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert read[0].headers() == [("h", b"\x00\xff"), ("n", None)]
    assert sum(end_offsets(broker.bootstrap_servers, topic).values()) == 500


@pytest.mark.broker_can("transactions")
def test_a_transaction_leaves_holes(broker: Broker, topics: Topics) -> None:
    topic = topics.create("holes", partitions=1)
    produce(broker.bootstrap_servers, topic, [b"0"])
    produce_transaction(broker.bootstrap_servers, topic, [b"1", b"2"], commit=False)
    produce_transaction(broker.bootstrap_servers, topic, [b"4"], commit=True)

    assert [m.offset() for m in read_to_end(broker.bootstrap_servers, topic)] == [0, 4]
    everything = read_to_end(broker.bootstrap_servers, topic, "read_uncommitted")
    assert [m.offset() for m in everything] == [0, 1, 2, 4]
    assert end_offsets(broker.bootstrap_servers, topic) == {0: 6}


@pytest.mark.broker_can("compaction")
def test_compaction_leaves_holes(broker: Broker, topics: Topics) -> None:
    topic = topics.create("compacted", partitions=2, settings=COMPACTED)
    records = [Record(b"%d" % n, b"k%d" % (n % 4), partition=n % 2) for n in range(40)]

    left = produce_compacted(broker.bootstrap_servers, topic, records, partitions=2)

    own = [position for position in left if position.offset < 20]
    assert [(p.partition, p.offset) for p in own] == [(0, 18), (0, 19), (1, 18), (1, 19)]
