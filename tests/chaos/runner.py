"""Runs scenarios on one broker, judges them, and sums the runs of a scenario up in a row."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.plan import Act, Scenario
from tests.chaos.scene import opened
from tests.chaos.score import Score, judge
from tests.support.broker import Broker


@dataclass
class Row:
    """What the matrix shows of a scenario."""

    name: str
    fault: str
    runs: int = 0
    incidents: int = 0
    kills: int = 0
    events: int = 0
    bad: int = 0
    lost: int = 0
    repeated: int = 0
    bound: int = 0
    ordered: bool = False
    """Whether the order was promised in any run."""
    inversions: int = 0
    letters_repeated: int = 0
    letters_bound: int = 0
    recoveries: list[float] = field(default_factory=list)
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def add(self, score: Score) -> None:
        self.events += score.produced
        self.bad += score.bad
        self.lost += score.lost
        self.repeated += score.repeated
        self.bound += score.bound
        self.ordered = self.ordered or score.ordered
        self.inversions += score.inversions
        self.letters_repeated += score.letters_repeated
        self.letters_bound += score.letters_bound
        self.recoveries += score.recoveries

    def line(self) -> str:
        recovered = f", recovered in {spread(self.recoveries)}" if self.recoveries else ""
        return (
            f"{self.name}: {self.runs} runs, {self.incidents} incidents, {self.events} events, lost {self.lost}, "
            f"repeated {self.repeated} of at most {self.bound}, inversions {self.inversions}, bad {self.bad}, "
            f"dead letters repeated {self.letters_repeated} of at most {self.letters_bound}{recovered}"
        )


def spread(seconds: list[float]) -> str:
    """The median, and the longest where it differs."""
    middle, longest = statistics.median(seconds), max(seconds)
    return f"{middle:.1f} s" if len(seconds) == 1 else f"{middle:.1f} s (at most {longest:.1f} s)"


def seeds_of(scenario: Scenario, seed: int) -> Iterator[int]:
    """A seed for each run: what a run does follows from its name and its seed alone."""
    return iter(range(seed, seed + scenario.runs))


def run_scenario(
    broker: Broker, scenario: Scenario, act: Act, seeds: Iterator[int], tell: Callable[[str], None]
) -> Row:
    """Every run, whatever became of those before it. A run that broke keeps its logs and says where."""
    row = Row(scenario.name, scenario.fault)
    began = time.monotonic()
    for seed in seeds:
        directory = Path(tempfile.mkdtemp(prefix="airship-connector-chaos-"))
        violations = _run(broker, row, act, seed, directory, tell)
        if violations:
            row.violations += [f"{scenario.name}, seed {seed}: {violation}" for violation in violations]
            tell(f"VIOLATION in {scenario.name}, seed {seed}; the logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    row.seconds = time.monotonic() - began
    return row


def _run(broker: Broker, row: Row, act: Act, seed: int, directory: Path, tell: Callable[[str], None]) -> list[str]:
    row.runs += 1
    random = Random(f"{row.name} {seed}")
    try:
        with opened(broker, directory, random) as scene:
            scene.tell = lambda line: tell(f"{row.name}, seed {seed}: {line}")
            act(scene)
            score = judge(scene.finish())
            row.incidents += scene.incidents
            row.kills += scene.kills
            row.recoveries += scene.recoveries
    except Exception as failure:  # noqa: BLE001  a run that breaks is a result; the others go on
        return ["".join(traceback.format_exception(failure)).strip()]
    row.add(score)
    return score.violations
