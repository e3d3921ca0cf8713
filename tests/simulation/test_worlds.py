"""A thousand seeded worlds, and the seeds that once broke."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import connector
from tests.simulation.__main__ import shortest
from tests.simulation.chances import KINDS
from tests.simulation.guard_watch import GUARD_DOES
from tests.simulation.invariants import Violation
from tests.simulation.member import Member
from tests.simulation.mutant_list import MUTANTS
from tests.simulation.world import World

WORLDS = 1000

BROKE_ONCE = [
    504,  # everything was paused, half of the window was free and yet no room: resumed, and polled as if paused
    1223,  # a member that stopped while it was killed
    5940,  # a run of which all was skipped ended a row of rejects
    505_135,  # a letter waited out the back-off of one that was given away, and a drain waited for it
]


@pytest.mark.parametrize("seed", BROKE_ONCE)
def test_a_world_that_broke_once(seed: int) -> None:
    World(seed).run()


def test_a_thousand_worlds_keep_the_invariants_and_meet_every_fault() -> None:
    happened: Counter[str] = Counter()
    faultless = 0
    for seed in range(1, WORLDS + 1):
        world = World(seed)
        try:
            world.run()
        except Exception as broken:
            broken.add_note(f"seed {seed}; see it with: python -m tests.simulation --worlds 1 --seed {seed}")
            raise
        happened += world.chances.happened + world.guard_did
        faultless += world.chances.faultless
    assert {kind for kind in (*KINDS, *GUARD_DOES) if happened[kind] < 10} == set()
    assert faultless > 10


def test_a_world_is_its_seed() -> None:
    first, second = World(7, tracing=True), World(7, tracing=True)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert len(first.trace) > 20


def test_what_breaks_is_told_with_the_shortest_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Member.commit

    def above(member: Member, positions: object) -> None:
        for partition in member.engine.partitions.values():
            partition.progress.settle(list(partition.progress._outstanding)[:1])
        commit(member, {})

    monkeypatch.setattr(Member, "commit", above)
    broken, trace, without = shortest(3)
    assert isinstance(broken, Violation)
    assert trace
    assert without


def test_every_mutant_still_has_its_place_in_the_sources() -> None:
    sources = Path(connector.__file__).parent
    moved_on = [m.name for m in MUTANTS if (sources / m.path).read_text(encoding="utf-8").count(m.old) != 1]
    assert not moved_on, f"mend mutant_list.py: {moved_on}"
