"""From the gate into the batches and out again: limits, order by key, and records that stay whole."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from connector.core.admission import admit, release
from connector.core.batching import Batch, Batching, BatchLimits
from connector.core.partition import Partition
from connector.core.progress import Progress
from connector.core.records import Entry, NextOffset, TopicPartition
from tests.unit.core.records import entry

Record = tuple[bytes | None, list[int]]
"""Its ordering key, and the sizes of its events."""

RECORDS = st.lists(
    st.tuples(st.sampled_from([None, b"a", b"b"]), st.lists(st.integers(1, 30), min_size=1, max_size=6)), max_size=12
)


def entries_of(offset: int, record: Record) -> list[Entry]:
    key, sizes = record
    return [entry(offset, key, b"%d" % index + b" " * (size - 1)) for index, size in enumerate(sizes)]


def partition() -> Partition:
    return Partition(TopicPartition("orders", 0), 1, Progress(NextOffset(0)), None)


def fits(record: Record, limits: BatchLimits) -> bool:
    return len(record[1]) <= limits.events_max and 2 + sum(record[1]) + len(record[1]) <= limits.bytes_max


@given(RECORDS, st.integers(1, 8), st.integers(20, 90), st.integers(1, 4), st.data())
def test_records_stay_whole_in_order_and_within_the_limits(
    records: list[Record], events_max: int, bytes_max: int, run_records: int, data: st.DataObject
) -> None:
    limits = BatchLimits(events_max, bytes_max, 0.0)
    batching, orders = Batching(limits), partition()
    sent: list[Batch] = []
    under_way: list[Batch] = []

    def send() -> None:
        while (batch := batching.take(0.0, idle=True)) is not None:
            sent.append(batch)
            under_way.append(batch)

    def settle() -> None:
        batch = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        entries = [entry for _, entries in batch.runs for entry in entries]
        release(batching, batch, orders, [entry[1] for entry in entries], 0.0)

    for first in range(0, len(records), run_records):
        run = range(first, min(first + run_records, len(records)))
        admit(batching, orders, [entry for offset in run for entry in entries_of(offset, records[offset])], 0.0)
        if data.draw(st.booleans()):
            send()
        if under_way and data.draw(st.booleans()):
            settle()
    send()
    while under_way:
        settle()
        send()

    travelled: list[Entry] = []
    for batch in sent:
        entries = [entry for _, entries in batch.runs for entry in entries]
        assert len(entries) <= events_max
        assert len(batch.body()) <= bytes_max or len(entries) == 1
        for offset, count in Counter(one[0] for one in entries).items():
            assert count == len(records[offset][1]) or not fits(records[offset], limits)
        travelled += entries
    everything = [entry for offset, record in enumerate(records) for entry in entries_of(offset, record)]
    assert sorted(map(place, travelled)) == sorted(map(place, everything))
    for key in (b"a", b"b"):
        assert all(place(one) < place(other) for one, other in pairwise(one for one in travelled if one[1] == key))


def place(entry: Entry) -> tuple[int, bytes]:
    return entry[0], entry[2]


def test_a_record_that_needs_more_than_a_batch_fills_batches_of_its_own() -> None:
    batching, orders = Batching(BatchLimits(4, 10_000, 0.0)), partition()
    admit(batching, orders, entries_of(0, (None, [5])) + entries_of(1, (None, [5] * 10)) + [entry(2)], 0.0)
    batches = [batch for batch in iter(lambda: batching.take(0.0, idle=True), None) if batch is not None]
    assert [Counter(entry[0] for _, run in batch.runs for entry in run) for batch in batches] == [
        {0: 1},
        {1: 4},
        {1: 4},
        {1: 2, 2: 1},
    ]


def test_parked_records_come_free_whole_and_as_many_as_fit() -> None:
    batching, orders = Batching(BatchLimits(4, 10_000, 0.0)), partition()
    for offset, events in enumerate((1, 3, 2, 9)):
        admit(batching, orders, entries_of(offset, (b"a", [5] * events)), 0.0)
        batching.seal()
    seen = []
    while (batch := batching.take(0.0, idle=True)) is not None:
        entries = [entry for _, run in batch.runs for entry in run]
        seen.append(dict(Counter(entry[0] for entry in entries)))
        release(batching, batch, orders, [entry[1] for entry in entries], 0.0)
    assert seen == [{0: 1}, {1: 3}, {2: 2}, {3: 4}, {3: 4}, {3: 1}]
