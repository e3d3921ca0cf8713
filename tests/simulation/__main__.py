"""`python -m tests.simulation --worlds N --seed S`: runs worlds, says how fast and which faults, or where it broke."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.chances import KINDS
from tests.simulation.guard_watch import GUARD_DOES
from tests.simulation.world import World

_TRACE_LINES = 60


def failure_of(seed: int, without: frozenset[str] = frozenset()) -> tuple[Exception, list[str]] | None:
    """What breaks in the world of `seed`, with its trace; None when nothing does."""
    world = World(seed, without, tracing=True)
    try:
        world.run()
    except Exception as broken:  # noqa: BLE001  an assertion of the engine is as much a failure as one of ours
        return broken, world.trace
    return None


def shortest(seed: int) -> tuple[Exception, list[str], frozenset[str]]:
    """The shortest trace found by leaving out one kind of fault after the other while the world still breaks."""
    without: frozenset[str] = frozenset()
    best = failure_of(seed)
    assert best is not None, f"seed {seed} broke once and does not now: a world depends on more than its seed"
    for kind in KINDS:
        fewer = failure_of(seed, without | {kind})
        if fewer is not None and len(fewer[1]) <= len(best[1]):
            best, without = fewer, without | {kind}
    return *best, without


def tell(seed: int) -> None:
    broken, trace, without = shortest(seed)
    print(f"\nseed {seed} broke: {type(broken).__name__}: {broken}")
    print(f"kinds of faults left in it: {sorted(set(KINDS) - without)}")
    print(f"the last {min(len(trace), _TRACE_LINES)} of {len(trace)} lines of its trace:")
    print("\n".join(trace[-_TRACE_LINES:]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="of the first world; the next has the next one")
    parser.add_argument(
        "--first", action="store_true", help="on a failure tell only what broke, not the shortest trace"
    )
    chosen = parser.parse_args()
    happened: Counter[str] = Counter()
    started = time.monotonic()
    for seed in range(chosen.seed, chosen.seed + chosen.worlds):
        world = World(seed)
        try:
            world.run()
        except Exception as broken:  # noqa: BLE001  told in full from further runs with a trace
            if chosen.first:
                print(f"seed {seed} broke: {type(broken).__name__}: {broken}")
            else:
                tell(seed)
            return 1
        happened += world.chances.happened + world.guard_did
    seconds = time.monotonic() - started
    print(
        f"{chosen.worlds} worlds, {chosen.worlds / seconds:.1f} a second, no invariant broken; what happened in them:"
    )
    for kind in (*KINDS, *GUARD_DOES):
        print(f"  {happened[kind]:8d}  {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
