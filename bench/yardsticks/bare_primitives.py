"""What the parts alone cost: consume, join the values, POST them with httpx over aiohttp, commit. Nothing else.

No validation, no order, no retry, no account of what was delivered: what is above this is what the connector adds.

    python -m bench.yardsticks.bare_primitives --bootstrap-servers HOST:PORT --topic T --count N [--endpoint URL]
        [--requests-max N]
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack

import httpx
from confluent_kafka import Consumer, KafkaError, KafkaException
from httpx_aiohttp import AiohttpTransport

from bench.yardsticks.cheapest_endpoint import cheapest_endpoint
from bench.yardsticks.metering import Meter, before, events_to_read, open_consumer, parser, raise_errors

BATCH_EVENTS = 100
REQUESTS_MAX = 16
_COMMIT_SECONDS = 0.5
REQUEST_SECONDS = 60.0
HEADERS = {
    "Authorization": "Bearer yardstick",
    "X-UA-Appkey": "yardstickyardstickyard",
    "Accept": "application/vnd.urbanairship+json; version=3",
    "Content-Type": "application/json",
}


class Poster:
    """One asyncio loop in a thread. At most `requests_max` requests at once: `post` waits for a place."""

    def __init__(self, url: str, requests_max: int) -> None:
        self._url = url
        self._requests_max = requests_max
        self._places = threading.Semaphore(requests_max)
        self._loop = asyncio.new_event_loop()
        self._faults: list[str] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="http")
        self._thread.start()
        self._client = httpx.AsyncClient(
            transport=AiohttpTransport(limits=httpx.Limits(max_connections=requests_max)),
            headers=HEADERS,
            timeout=REQUEST_SECONDS,
        )

    def post(self, body: bytes) -> None:
        self._take_place()
        asyncio.run_coroutine_threadsafe(self._send(body), self._loop)

    def wait(self) -> None:
        """Until nothing is in flight."""
        for _ in range(self._requests_max):
            self._take_place()
        self._places.release(self._requests_max)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(REQUEST_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(REQUEST_SECONDS)
        self._loop.close()

    async def _send(self, body: bytes) -> None:
        try:
            answer = await self._client.post(self._url, content=body)
            if answer.status_code != httpx.codes.OK:
                self._faults.append(f"status {answer.status_code}")
        except httpx.HTTPError as error:
            self._faults.append(f"{type(error).__name__}: {error}")
        finally:
            self._places.release()

    def _take_place(self) -> None:
        if not self._places.acquire(timeout=REQUEST_SECONDS + 5.0) or self._faults:
            raise SystemExit(f"the endpoint {self._url} failed: {self._faults[:3] or 'no answer'}")


def commit_last(consumer: Consumer) -> None:
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        # the commit before was the last one already
        if error.args[0].code() != KafkaError._NO_OFFSET:
            raise


def main() -> None:
    made = parser("bare_primitives", "Reads a topic and posts it in batches of 100, with nothing around it.")
    made.add_argument("--endpoint", metavar="URL", help="else the cheapest one is started")
    made.add_argument("--requests-max", type=int, default=REQUESTS_MAX, help="in flight at once")
    arguments = made.parse_args()
    with ExitStack() as cleanup:
        url = arguments.endpoint or cleanup.enter_context(cheapest_endpoint()).url
        consumer = open_consumer(arguments)
        cleanup.callback(consumer.close)
        poster = Poster(f"{url}/api/custom-events", arguments.requests_max)
        cleanup.callback(poster.close)
        wanted = events_to_read(consumer, arguments.topic, arguments.count)
        deadline = time.monotonic() + arguments.seconds_max
        events, values, meter = 0, list[bytes](), Meter()
        commit_due = 0.0
        while events < wanted:
            first = consumer.poll(0.1)
            now = time.monotonic()
            if first is None:
                before(deadline, events, wanted)
                continue
            if events == 0:
                meter = Meter()
            messages = [first, *consumer.consume(499, 0)]
            events += len(messages)
            run = [message.value() for message in messages]
            if None in run:
                raise_errors(messages)
            values += run  # type: ignore[arg-type]  # None was looked for
            while len(values) >= BATCH_EVENTS:
                poster.post(b"[" + b",".join(values[:BATCH_EVENTS]) + b"]")
                del values[:BATCH_EVENTS]
            if now >= commit_due:
                consumer.commit(asynchronous=True)
                commit_due = now + _COMMIT_SECONDS
        if values:
            poster.post(b"[" + b",".join(values) + b"]")
        poster.wait()
        commit_last(consumer)
        result = meter.read(events)
    result.print()


if __name__ == "__main__":
    main()
