"""The same job with arroyo's own strategies: batches of 100, POST in threads or in line, commit.

    python -m bench.peers.arroyo_loop --bootstrap-servers HOST:PORT --topic T --count N --endpoint URL [--in-line]

In threads 16 requests are in flight at once, as with the others; in line it is one, which costs less.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, MutableSequence
from typing import TypeAlias

import httpx
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.commit import CommitPolicy
from arroyo.processing.processor import StreamProcessor
from arroyo.processing.strategies import BatchStep, CommitOffsets, RunTask, RunTaskInThreads
from arroyo.processing.strategies.abstract import ProcessingStrategy, ProcessingStrategyFactory
from arroyo.types import BaseValue, Commit, Message, Partition, Topic

from bench.yardsticks.bare_primitives import BATCH_EVENTS, HEADERS, REQUEST_SECONDS, REQUESTS_MAX
from bench.yardsticks.metering import Meter, parser

Batch: TypeAlias = MutableSequence[BaseValue[KafkaPayload]]

_LINGER_SECONDS = 0.05
_COMMIT_SECONDS = 0.5
_COMMITS = CommitPolicy(_COMMIT_SECONDS, None)


class Posting(ProcessingStrategyFactory[KafkaPayload]):
    """One client for all threads; counts what was answered."""

    def __init__(self, url: str, *, in_line: bool) -> None:
        self._url = url
        self._in_line = in_line
        limits = httpx.Limits(max_connections=REQUESTS_MAX, max_keepalive_connections=REQUESTS_MAX)
        self._client = httpx.Client(headers=HEADERS, timeout=REQUEST_SECONDS, limits=limits, trust_env=False)
        self.answered = 0
        self.counted = threading.Lock()

    def create_with_partitions(
        self, commit: Commit, partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        del partitions
        then = CommitOffsets(commit)
        if self._in_line:
            return BatchStep(BATCH_EVENTS, _LINGER_SECONDS, RunTask(self._post, then))
        return BatchStep(BATCH_EVENTS, _LINGER_SECONDS, RunTaskInThreads(self._post, REQUESTS_MAX, REQUESTS_MAX, then))

    def _post(self, message: Message[Batch]) -> None:
        body = b"[" + b",".join([value.payload.value for value in message.payload]) + b"]"
        self._client.post(self._url, content=body).raise_for_status()
        with self.counted:
            self.answered += len(message.payload)


def main() -> None:
    made = parser("arroyo_loop", "Reads a topic, posts it in batches of 100 and commits, with arroyo.")
    made.add_argument("--endpoint", metavar="URL", required=True)
    made.add_argument("--in-line", action="store_true", help="one request at a time, without threads")
    arguments = made.parse_args()
    consumer = KafkaConsumer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "group.id": f"arroyo-{secrets.token_hex(6)}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
        }
    )
    posting = Posting(f"{arguments.endpoint}/api/custom-events", in_line=arguments.in_line)
    processor = StreamProcessor(consumer, Topic(arguments.topic), posting, _COMMITS, join_timeout=REQUEST_SECONDS)
    meter = Meter()
    while posting.answered < arguments.count:
        processor._run_once()  # what `run` does until a signal comes
    processor._shutdown()
    meter.read(posting.answered).print()


if __name__ == "__main__":
    main()
