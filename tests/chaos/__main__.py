"""`make chaos`: real processes, a real broker, an endpoint with faults that remembers what it got; a table at the end.

SEED (in the environment, or --seed) chooses what happens, MATRIX (or --matrix) where the page is written. The machine's
scheduling is not in the seed: a run that failed may have to be repeated to fail again. Exits with 1 when anything was
lost, repeated beyond the bound, out of order or wrongly in the dead letters, and with 2 when there is no broker for it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.chaos.matrix import page, table
from tests.chaos.plan import PLAN, Scenario
from tests.chaos.runner import Row, run_scenario, seeds_of
from tests.support.broker import Broker
from tests.support.brokers import running_broker
from tests.support.parts import PartUnavailableError

BROKER_SETTINGS = {
    # so that a killed member of the new protocol is missed for seconds only
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.heartbeat.interval.ms": "500",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 1))
    parser.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join(scenario.name for scenario in PLAN)}")
    matrix = os.environ.get("MATRIX")
    parser.add_argument(
        "--matrix", type=Path, default=Path(matrix) if matrix else None, help="where the page with the table is written"
    )
    parser.add_argument("--note", default="", help="a sentence for the page, such as what else the machine did")
    arguments = parser.parse_args()
    unknown = set(arguments.only or ()) - {scenario.name for scenario in PLAN}
    if unknown:
        parser.error(f"found no scenario {', '.join(sorted(unknown))}")
    chosen = [scenario for scenario in PLAN if not arguments.only or scenario.name in arguments.only]
    try:
        with running_broker(BROKER_SETTINGS) as broker:
            rows = run_all(broker, chosen, arguments.seed, arguments.matrix, arguments.note)
    except PartUnavailableError as reason:
        print(f"no broker: {reason}", file=sys.stderr)
        sys.exit(2)
    print(table(rows))
    violations = [violation for row in rows for violation in row.violations]
    for violation in violations:
        print(f"VIOLATION: {violation}", file=sys.stderr)
    print(f"{sum(row.kills for row in rows)} kills of the connector, {len(violations)} violations")
    sys.exit(1 if violations else 0)


def run_all(broker: Broker, scenarios: list[Scenario], seed: int, matrix: Path | None, note: str) -> list[Row]:
    """The page is written after each scenario, so that a run that was interrupted leaves what it found."""
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", flush=True)

    rows: list[Row] = []
    for scenario in scenarios:
        if lacking := scenario.lacking(broker):
            tell(f"{scenario.name}: left out, {broker.description} cannot {', '.join(lacking)}")
            continue
        rows.append(run_scenario(broker, scenario, scenario.act, seeds_of(scenario, seed), tell))
        tell(rows[-1].line())
        if matrix:
            product = broker.description.partition(" at ")[0]
            matrix.write_text(page(rows, seed, product, note), encoding="utf-8")
    return rows


if __name__ == "__main__":
    main()
