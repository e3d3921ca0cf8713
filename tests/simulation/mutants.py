"""`python -m tests.simulation.mutants [NAME ...]`: breaks the engine in one place at a time and expects to be told.

Each mutant is one textual replacement in a copy of the sources. It is dead when the seeded worlds fail there, or else
the unit tests of the core do. A mutant whose text is not found exactly once is an error: the source has moved on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.mutant_list import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
WORLDS = 1000
SECONDS_MAX = 400.0


def run(arguments: Sequence[str], where: Path) -> tuple[int, str]:
    """Its exit code and what it printed. One that never ends counts as failed: worlds have their own bound."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=where, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return 124, f"did not end within {SECONDS_MAX:.0f} s"
    return done.returncode, done.stdout + done.stderr


def verdict(where: Path) -> str | None:
    """What killed the mutant that is in `where`; None when it survived."""
    code, told = run(["-m", "tests.simulation", "--worlds", str(WORLDS), "--seed", "1", "--first"], where)
    if code:
        broke = [line for line in told.splitlines() if " broke: " in line]
        return broke[0][:150] if broke else f"worlds: {told.strip()[-150:]}"
    code, told = run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/unit/core"], where)
    if code:
        failed = [line for line in told.splitlines() if line.startswith("FAILED")]
        return f"unit tests: {failed[0][:120]}" if failed else f"unit tests: {told.strip()[-150:]}"
    return None


def copied(into: Path) -> Path:
    for name in ("connector", "tests"):
        shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", into)
    return into


def try_one(mutant: Mutant, where: Path) -> bool:
    path = where / "connector" / mutant.path
    source = path.read_text()
    found = source.count(mutant.old)
    if found != 1:
        print(f"{mutant.name}: its text was found {found} times in {mutant.path}, expected once: mend mutant_list.py")
        return False
    path.write_text(source.replace(mutant.old, mutant.new))
    started = time.monotonic()
    try:
        killed_by = verdict(where)
    finally:
        path.write_text(source)
    print(f"{mutant.name}: {killed_by or 'SURVIVED'} ({time.monotonic() - started:.0f} s)", flush=True)
    return killed_by is not None


def main() -> int:
    wanted = set(sys.argv[1:])
    unknown = wanted - {mutant.name for mutant in MUTANTS}
    if unknown:
        print(f"no such mutant: {sorted(unknown)}; there are {[mutant.name for mutant in MUTANTS]}")
        return 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        where = copied(Path(directory))
        code, told = run(["-m", "tests.simulation", "--worlds", "20", "--seed", "1", "--first"], where)
        if code:
            print(f"the sources fail without any mutant:\n{told}")
            return 1
        results = [try_one(mutant, where) for mutant in MUTANTS if not wanted or mutant.name in wanted]
    print(f"{sum(results)} of {len(results)} mutants are dead")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
