"""Replay to the topic that a message came from, for whoever reads it.

The message goes back to its partition, so that its key keeps its place; key, value and headers are those that it had.
One header is added: how often it was replayed, which ends a loop. The timestamp is the current one, as a topic's
retention would delete an old one at once, or the broker refuse it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from connector.dlq.choosing import Choosing, Chosen
from connector.dlq.facts import Headers
from connector.dlq.remembering import RememberingProducer
from connector.kafka import letter_format as names
from connector.kafka.topic_reader import TopicReader

_BATCH_MESSAGES = 1_000
"""In one transaction, at most; with a rate, what it allows in a second."""
_WAIT_SECONDS = 0.1


def headers_for_source(chosen: Chosen) -> Headers:
    own = chosen.message.headers() or []
    return [*own, (names.REPLAYS, str(chosen.letter.replays + 1).encode())]


def replay_to_source(
    reader: TopicReader,
    choosing: Choosing,
    producer: RememberingProducer,
    rate: float | None,
    stopped: Callable[[], bool],
    on_progress: Callable[[], None],
) -> None:
    """Until the end of the reader, or until it is stopped: what was begun is finished then."""
    size = _BATCH_MESSAGES if rate is None else max(1, min(_BATCH_MESSAGES, int(rate)))
    due = time.monotonic()
    for batch in _batches(reader, choosing, size):
        if rate is not None:
            while time.monotonic() < due and not stopped():
                time.sleep(min(_WAIT_SECONDS, max(0.0, due - time.monotonic())))
                on_progress()
            due = max(due, time.monotonic()) + len(batch) / rate
        if stopped():
            return
        if batch:
            producer.send([(chosen, headers_for_source(chosen)) for chosen in batch], choosing.memory)
            choosing.account.replayed += len(batch)
        on_progress()
    if choosing.memory.has_moved:
        producer.settle(choosing.memory, [])


def _batches(reader: TopicReader, choosing: Choosing, size: int) -> Iterator[list[Chosen]]:
    """Chosen letters, some at a time; an empty batch where a stretch of the topic had none."""
    for chunk in reader.chunks():
        chosen = choosing.choose(chunk)
        for start in range(0, max(1, len(chosen)), size):
            yield chosen[start : start + size]
