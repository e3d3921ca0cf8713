"""The fault matrix as text: the table that a run prints, and the page docs/fault-matrix.md around it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from connector import __version__
from tests.chaos.runner import Row, spread

_HEAD = (
    "| fault | runs | times | events | lost | repeated | at most | out of order | dead letters | recovered in |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---|---|\n"
)

_PAGE = """\
# Fault matrix

What is lost, repeated and delayed when things break: measured, not promised. Real processes of the connector, Apache
Kafka, and the [sandbox](sandbox.md) as the endpoint, which remembers all it got. A run writes this page:

    {command}

`make chaos SEED=n` does the same with other random choices and prints the table; it ends with an error when a figure is
not what it must be. {machine}.
It took {minutes:.0f} minutes and killed the connector {kills} times.
{note}
{table}
Of all this: **{lost} lost, {violations} violations.**

## How to read it

- **times**: how often it was done in all runs together; for lost answers, refused events and bad values, how many.
- **lost**: good events that no endpoint stored, and bad ones that are in no dead letter. Must be 0.
- **repeated**: events stored once more than once. **at most** is computed from what is known from outside: for each
  kill, what the endpoint had stored from that process and the group's commit (position and metadata, read right after
  the kill) did not hold; and what the endpoint stored without being able to answer. It is checked for each event alone,
  not for the sum. What a kill found uncommitted must also be young: settled within two commit intervals (500 ms each,
  the default) and a second, else it is a violation; in a group of several with the classic protocol a session more,
  for a group whose leader died takes no commits until it is missed.
- **out of order**: first deliveries that came after a later event of their key, where no partition changed hands and
  the ordering is by key or partition. Elsewhere it is not promised, and a dash stands there.
- **dead letters**: the bad records that were produced, each of which must be there once, with the right reason; a
  number behind a plus is how many were written again after a kill took the evidence of the first writing.
- **recovered in**: the median and the longest. After a kill or a stand-still, from that moment until every partition
  that was being delivered is delivered again (the start of the new process, or the rest of the dead one's session, is
  in it). For all other faults from the end of the cause until the next event is delivered; for the dead-letter topic
  until everything is committed.

The runs vary the size of batches, the ordering and how fast the endpoint answers. An outage of the broker repeats
nothing even where it outlasts the session: what the member delivered meanwhile it knows, and it gets its partitions
back.
{beside}"""

_BESIDE = """
## Beside other ways

The same faults on other ways from Kafka to an HTTP endpoint: 50,000 events a run, two cores, one run each. They are for
orientation, another version or setting may do better. (1) a stream processor with dead letters as its fallback, (2) the
same, ordered and with endless retries, (3) a Connect sink in batches, (4) a plain loop: consume 100, post, commit.

| fault | this connector | (1) | (2) | (3) | (4) |
|---|---|---|---|---|---|
"""

_OTHERS = {
    "refused-events": (
        "4,898 good events in the dead letters",
        "4,676 good events in the dead letters",
        "stops, or is stuck",
        "crash loop",
    ),
    "unavailable": ("12,250 good events in the dead letters", "25 s in all", "stops, or 22 s in all", "24 s in all"),
    "unauthorized": ("7,501 good events in the dead letters", "nothing lost", "stops", "not run"),
    "throttled": ("stood still for 5 minutes", "33 s in all", "header not used", "not run"),
    "kill-five-times": ("23,271 repeated", "13,732 repeated", "5,300 to 38,200 repeated", "500 repeated"),
    "join-and-leave": ("5,229 repeated", "381 repeated", "not run", "not run"),
    "not-json": ("4,880 good events in the dead letters", "not run", "stops", "not run"),
    "lost-answers": ("1,301 repeated (2 %)", "1,346 repeated (2 %)", "1,300 repeated (2 %)", "not run"),
}


def table(rows: Sequence[Row]) -> str:
    return _HEAD + "".join(_line(row) for row in rows)


def page(rows: Sequence[Row], seed: int, broker: str, note: str = "") -> str:
    """`note`: what a reader of these figures should know of the run, such as what else the machine did."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return _PAGE.format(
        command=f"make chaos SEED={seed} MATRIX=docs/fault-matrix.md",
        machine=f"This run: connector {__version__}, Python {platform.python_version()}, {broker}, {cores} cores",
        minutes=sum(row.seconds for row in rows) / 60,
        kills=sum(row.kills for row in rows),
        note=f"\n{note}\n" if note else "",
        table=table(rows),
        lost=sum(row.lost for row in rows),
        violations=sum(len(row.violations) for row in rows),
        beside=_beside(rows),
    )


def _line(row: Row) -> str:
    order = str(row.inversions) if row.ordered else "–"
    letters = f"{row.bad:,}" + (f" + {row.letters_repeated}" if row.letters_repeated else "") if row.bad else "none"
    recovered = spread(row.recoveries) if row.recoveries else "–"
    return (
        f"| {row.fault} | {row.runs} | {row.incidents:,} | {row.events:,} | {row.lost} | {row.repeated:,} "
        f"| {row.bound:,} | {order} | {letters} | {recovered} |\n"
    )


def _beside(rows: Sequence[Row]) -> str:
    lines = [
        f"| {row.fault} | {_ours(row)} | " + " | ".join(_OTHERS[row.name]) + " |\n"
        for row in rows
        if row.name in _OTHERS
    ]
    return _BESIDE + "".join(lines) if lines else ""


def _ours(row: Row) -> str:
    recovered = f", goes on after {spread(row.recoveries)}" if row.recoveries else ""
    return f"{row.repeated:,} repeated, no good event in the dead letters{recovered}"
