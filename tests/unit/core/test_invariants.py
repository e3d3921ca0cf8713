"""The seven invariants in seeded worlds. `tests/mutants.py` shows that each broken rule of the core is noticed here."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.core.world import run_world

WORLDS_PER_TEST = 50


@pytest.mark.parametrize("first", range(0, 400, WORLDS_PER_TEST))
def test_the_invariants_hold_in_every_world(first: int) -> None:
    faults: Counter[str] = Counter()
    for seed in range(first, first + WORLDS_PER_TEST):
        faults += run_world(seed).faults
    missing = {"crash", "lost", "revoked", "503", "401", "413", "lost answer", "commit failed", "settled ahead"} - set(
        faults
    )
    assert not missing, f"no world had these: {missing}"
