"""`python -m tests.limits [--short]`: feeds millions of events through trouble and says whether every limit held."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.limits import plan as limits
from tests.limits.runs import large_records, small_events
from tests.support.brokers import running_broker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
    parser.add_argument("--short", action="store_true", help="as continuous integration does it")
    parser.add_argument("--only", choices=("small", "large"), help="one of the two runs")
    chosen = parser.parse_args()
    plan = limits.SHORT if chosen.short else limits.LONG

    def say(line: str) -> None:
        print(line, flush=True)

    faults: list[str] = []
    with running_broker() as broker, tempfile.TemporaryDirectory(prefix="limits-") as directory:
        broker.create_topic("limits-dead", 1)
        for name, run in (("small", small_events), ("large", large_records)):
            if chosen.only in {None, name}:
                topics = (f"limits-{name}", "limits-dead")
                faults += run(broker.bootstrap_servers, topics, plan, Path(directory), say)
    say(
        f"the limits: RSS {limits.RSS_MAX_SMALL_MB} MB, with large records {limits.RSS_MAX_MB} MB;"
        f" {limits.PAUSES_PER_MINUTE_MAX:g} pauses a minute of each partition after the first {limits.PAUSES_FREE} of a"
        f" phase; no rebalance with max.poll.interval.ms {limits.MAX_POLL_INTERVAL_MS}"
    )
    for fault in faults:
        say(f"BROKEN: {fault}")
    say(f"{len(faults)} limits broken" if faults else "every limit held")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
