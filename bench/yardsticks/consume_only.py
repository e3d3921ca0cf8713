"""What reading alone costs: poll for the first record, consume(499, 0) for the rest, nothing else.

python -m bench.yardsticks.consume_only --bootstrap-servers HOST:PORT --topic T --count N
"""

from __future__ import annotations

import time

from bench.yardsticks.metering import Meter, before, events_to_read, open_consumer, parser


def main() -> None:
    arguments = parser("consume_only", "Reads a topic and does nothing with it.").parse_args()
    consumer = open_consumer(arguments)
    wanted = events_to_read(consumer, arguments.topic, arguments.count)
    deadline = time.monotonic() + arguments.seconds_max
    events = 0
    meter = Meter()
    while events < wanted:
        first = consumer.poll(0.1)
        if first is None:
            before(deadline, events, wanted)
            continue
        if events == 0:
            meter = Meter()
        events += 1 + len(consumer.consume(499, 0))
    meter.read(events).print()
    consumer.close()


if __name__ == "__main__":
    main()
