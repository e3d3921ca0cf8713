"""`python -m tests.mutants`: breaks one rule of the core at a time, and expects the tests of the core to notice.

Each mutant is a replacement in one file that must match exactly once, tried in a copy. `tests/README.md` lists them.
Ends with 1 if one survives, or does not match any more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
_SECONDS_MAX = 300


class Mutant(NamedTuple):
    what: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "commit the highest offset",
        "progress.py",
        "return NextOffset(next(iter(self._outstanding), self.next_offset))",
        "return self.next_offset",
    ),
    Mutant(
        "commit one above the position",
        "progress.py",
        "return NextOffset(next(iter(self._outstanding), self.next_offset))",
        "return NextOffset(next(iter(self._outstanding), self.next_offset - 1) + 1)",
    ),
    Mutant(
        "settle a reject when it is produced",
        "engine.py",
        "                actions.append(WriteDeadLetter(letter))",
        "                actions.append(WriteDeadLetter(letter))\n"
        "                self._settle(letter.partition, [letter.offset], letter.weight)",
    ),
    Mutant(
        "drop the epoch check of an answer",
        "engine.py",
        "            if not partition.gone:\n                self._settle(partition, [entry[0] for entry in entries]",
        "            if True:\n                self._settle(partition, [entry[0] for entry in entries]",
    ),
    Mutant(
        "take a 200 with ok: false as delivered",
        "outcomes.py",
        'if body is None or body.get("ok") is not True:',
        "if body is None:",
    ),
    Mutant("park nothing", "ordering.py", "            if holder is batch:", "            if holder is not None:"),
    Mutant(
        "release a parked record before its predecessor is settled",
        "engine.py",
        "            actions.append(SendRequest(self._next_request_id, batch))",
        "            actions.append(SendRequest(self._next_request_id, batch))\n"
        "            for partition, entries in list(batch.runs):\n"
        "                self._release(batch, partition, [entry[1] for entry in entries], now)",
    ),
    Mutant(
        "forget the events after a refused one",
        "isolation.py",
        "        self._stack.append(second)\n        self._stack.append(first)",
        "        self._stack.append(first)",
    ),
    Mutant(
        "free a key that another batch holds",
        "ordering.py",
        "if key is not None and holders.get(key) is batch:",
        "if key is not None and key in holders:",
    ),
    Mutant(
        "send what belongs to a partition that was given away",
        "batching.py",
        "        if not any(partition.gone for partition, _ in self.runs):",
        "        if True:",
    ),
    Mutant(
        "reject by inference, without a request of its own",
        "engine.py",
        "        elif len(group.items) == 1:\n            partition, entry = group.items[0]\n"
        '            fault = Fault(outcome.path or ""',
        "        elif len(group.items) <= 2:\n            partition, entry = group.items[0]\n"
        '            fault = Fault(outcome.path or ""',
    ),
    Mutant(
        "take metadata of another position",
        "commit_metadata.py",
        "len(numbers) % 2 == 0 or numbers[0] != committed:",
        "len(numbers) % 2 == 0:",
    ),
    Mutant(
        "name an outstanding offset as settled",
        "progress.py",
        "                ranges.append(OffsetRange(below, offset))\n            below",
        "                ranges.append(OffsetRange(below, offset + 1))\n            below",
    ),
    Mutant(
        "settle a record with the first of its events",
        "progress.py",
        "            if events > 2:",
        "            if events > 99:",
    ),
    Mutant(
        "leave the breaker open for ever",
        "pacing.py",
        "        self.blockage = self.breaker_open_since = self.last_failure = None",
        "        self.blockage = self.last_failure = None",
    ),
    Mutant(
        "take a failed commit as done",
        "engine.py",
        "                plan.append(CommitItem(partition, position, metadata))",
        "                plan.append(CommitItem(partition, position, metadata))\n"
        "                self.confirmed(plan[-1])",
    ),
    Mutant(
        "send while draining",
        "engine.py",
        "while len(self.in_flight) < self._limits.requests_max and not self.draining:",
        "while len(self.in_flight) < self._limits.requests_max:",
    ),
    Mutant(
        "lose the records that wait for a schema",
        "engine.py",
        "            self._hold(partition, prepared.rest)\n",
        "            self._settle(partition, [record.offset() for record in prepared.rest], 0)\n",
    ),
    Mutant(
        "lose a dead letter that the producer did not take",
        "reject_queue.py",
        "        self.waiting.appendleft(self._written.pop(letter_id))\n        self._next_at = now + 0.01",
        "        self._written.pop(letter_id)\n        self._next_at = now + 0.01",
    ),
    Mutant(
        "trip the guard never",
        "guard.py",
        '            self._trip("share", rejects, verdicts, now)',
        "            pass",
    ),
    Mutant(
        "let the guard never sample",
        "guard.py",
        "        return max(0, SAMPLE_RECORDS - self._sample_good - self._sample_bad)",
        "        return 0",
    ),
)


def main() -> int:
    survivors = 0
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        shutil.copytree(ROOT / "connector", copy / "connector", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("__init__.py", "unit/core"):
            source = ROOT / "tests" / name
            target = copy / "tests" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        shutil.copy(ROOT / "pyproject.toml", copy)
        if not _passes(copy):
            print("the tests of the core fail without a mutant")
            return 1
        for mutant in MUTANTS:
            path = copy / "connector" / "core" / mutant.file
            text = path.read_text()
            if text.count(mutant.old) != 1:
                print(f"matches {text.count(mutant.old)} times: {mutant.what}")
                survivors += 1
                continue
            path.write_text(text.replace(mutant.old, mutant.new))
            survived = _passes(copy)
            path.write_text(text)
            survivors += survived
            print(f"{'SURVIVED' if survived else 'died'}: {mutant.what}", flush=True)
    print(f"{len(MUTANTS) - survivors} died, {survivors} survived")
    return 1 if survivors else 0


def _passes(copy: Path) -> bool:
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "tests/unit/core",
    ]
    try:
        return subprocess.run(command, cwd=copy, capture_output=True, timeout=_SECONDS_MAX, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


if __name__ == "__main__":
    sys.exit(main())
