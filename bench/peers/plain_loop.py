"""The loop that one writes first: take up to 100 messages, POST them with httpx, commit, again. One request at a time.

    python -m bench.peers.plain_loop --bootstrap-servers HOST:PORT --topic T --count N --endpoint URL

`httpx.post` as its documentation shows it makes a client, and with it a TLS context, for each request; one client that
keeps its connection is what such a loop is at its best, and what is measured.
"""

from __future__ import annotations

import time

import httpx

from bench.yardsticks.bare_primitives import BATCH_EVENTS, HEADERS, REQUEST_SECONDS
from bench.yardsticks.metering import Meter, before, events_to_read, open_consumer, parser, raise_errors


def main() -> None:
    made = parser("plain_loop", "Reads a topic, posts it in batches of 100 and commits each.")
    made.add_argument("--endpoint", metavar="URL", required=True)
    arguments = made.parse_args()
    consumer = open_consumer(arguments)
    wanted = events_to_read(consumer, arguments.topic, arguments.count)
    deadline = time.monotonic() + arguments.seconds_max
    events, meter = 0, Meter()
    with httpx.Client(headers=HEADERS, timeout=REQUEST_SECONDS, trust_env=False) as client:
        while events < wanted:
            messages = consumer.consume(BATCH_EVENTS, 0.1)
            if not messages:
                before(deadline, events, wanted)
                continue
            values = [message.value() for message in messages]
            if None in values:
                raise_errors(messages)
            body = b"[" + b",".join(value for value in values if value is not None) + b"]"
            client.post(f"{arguments.endpoint}/api/custom-events", content=body).raise_for_status()
            consumer.commit(asynchronous=False)
            events += len(messages)
    meter.read(events).print()
    consumer.close()


if __name__ == "__main__":
    main()
