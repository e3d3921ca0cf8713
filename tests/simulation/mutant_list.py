"""The mutants: where, what stands there, what is put in its place."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    path: str
    """Below `connector/`."""
    old: str
    new: str


ENGINE, PROGRESS, GATE, GUARD = "core/engine.py", "core/progress.py", "core/ordering.py", "core/guard.py"

MUTANTS = (
    # the eight that the design names
    Mutant(
        "commit the highest offset",
        PROGRESS,
        "return NextOffset(next(iter(self._outstanding), self.next_offset))",
        "return self.next_offset",
    ),
    Mutant(
        "settle a reject when it is produced",
        ENGINE,
        "                actions.append(WriteDeadLetter(letter))",
        "                actions.append(WriteDeadLetter(letter))\n"
        "                self._settle(letter.partition, [letter.offset], letter.weight)",
    ),
    Mutant(
        "drop the epoch check when a batch is delivered",
        ENGINE,
        "            if not partition.gone:\n                self._settle(partition, [entry[0] for entry in entries]",
        "            if True:\n                self._settle(partition, [entry[0] for entry in entries]",
    ),
    Mutant(
        "a 200 with ok: false is delivered",
        "core/outcomes.py",
        'if body is None or body.get("ok") is not True:',
        'if body is None or "ok" not in body:',
    ),
    Mutant("park nothing", GATE, "            if holder is batch:", "            if True:"),
    Mutant(
        "release a parked record before its predecessor is settled",
        ENGINE,
        "                self._dispatch.wait_until(",
        "                for partition, entries in batch.runs:\n"
        "                    release(self._batching, batch, partition, [entry[1] for entry in entries], now)\n"
        "                self._dispatch.wait_until(",
    ),
    Mutant(
        "forget the events after a refused one",
        "core/isolation.py",
        "        second = Group([group.items[index] for index in aside], group.requests, group.hints_left)",
        "        second = Group([group.items[aside[0]]], group.requests, group.hints_left)",
    ),
    Mutant(
        "commit one above the position",
        ENGINE,
        "            position = partition.progress.position\n",
        "            position = NextOffset(partition.progress.position + 1)\n",
    ),
    # rebalance
    Mutant("keep the dropped partition alive", ENGINE, "                partition.gone = True\n", ""),
    Mutant(
        "leave what is not sent of a dropped partition in the batches",
        ENGINE,
        "        self._batching.drop_gone()\n",
        "",
    ),
    Mutant("leave the rejects of a dropped partition in the queue", ENGINE, "        self.rejects.drop_gone()\n", ""),
    Mutant(
        "do not take the records of a dropped partition out of the window",
        ENGINE,
        "                self.window_records -= len(partition.progress)\n",
        "",
    ),
    Mutant(
        "a drain waits for nothing",
        ENGINE,
        "        return in_flight or self.rejects.outstanding_of(partitions, held_back=self.guard_tripped)",
        "        return False",
    ),
    Mutant(
        "a drain waits for a dead-letter topic that is down",
        "core/reject_queue.py",
        "            and self.blocked_since is None\n            and any(",
        "            and any(",
    ),
    Mutant(
        "send while draining",
        ENGINE,
        "        while not self.draining and (request",
        "        while (request",
    ),
    Mutant(
        "a retried batch keeps the events of a dropped partition",
        ENGINE,
        "        if without_gone(batch) and not batch.events and batch.remainder is not None:",
        "        if False:",
    ),
    # metadata
    Mutant(
        "read no metadata back",
        ENGINE,
        "        ahead = commit_metadata.decode(metadata, position)",
        "        ahead = []",
    ),
    Mutant(
        "the ranges in the metadata begin one too low",
        PROGRESS,
        "                ranges.append(OffsetRange(below, offset))",
        "                ranges.append(OffsetRange(below - 1, offset))",
    ),
    Mutant(
        "the ranges in the metadata end one too high",
        PROGRESS,
        "                ranges.append(OffsetRange(below, offset))",
        "                ranges.append(OffsetRange(below, offset + 1))",
    ),
    Mutant(
        "metadata of another position counts",
        "core/commit_metadata.py",
        " or numbers[0] != committed:",
        ":",
    ),
    Mutant(
        "what was named and has not arrived yet is not named again",
        PROGRESS,
        "            if start < r.end:\n                ranges.append(OffsetRange(start, r.end))",
        "            if start < r.end and False:\n                ranges.append(OffsetRange(start, r.end))",
    ),
    Mutant(
        "take a commit as done when it is sent",
        ENGINE,
        "                plan.append(CommitItem(partition, position, metadata))",
        "                plan.append(CommitItem(partition, position, metadata))\n"
        "                partition.committed, partition.committed_metadata = position, metadata",
    ),
    # pacing, isolation, rejects, window
    Mutant(
        "the breaker never closes", "core/pacing.py", "self.blockage = self.breaker_open_since = self.last", "self.last"
    ),
    Mutant(
        "a probe that fails is the last one",
        "core/dispatch.py",
        "        if request_id == self._probe_id:\n            self._probe_id = None\n",
        "",
    ),
    Mutant(
        "a blocked batch is forgotten",
        ENGINE,
        "                self._dispatch.next(batch)\n            case _",
        "                pass\n            case _",
    ),
    Mutant(
        "the suspect is rejected without a request of its own",
        ENGINE,
        "== 1:\n            partition, entry = group.items[0]\n            says = f",
        "<= 2:\n            partition, entry = group.items[0]\n            says = f",
    ),
    Mutant(
        "the suspect's successors of the same key are not put aside with it",
        "core/isolation.py",
        "if index == suspect or (key is not None and self._key_of(group.items[index]) == key)",
        "if index == suspect",
    ),
    Mutant(
        "a record with several events is settled by the first",
        ENGINE,
        "            self._expect_several(partition, entries)\n",
        "            pass\n",
    ),
    Mutant(
        "a letter that failed is dropped",
        "core/reject_queue.py",
        "letter = self._keep(letter_id)\n        self.blocked_since",
        "letter = self._written.pop(letter_id)\n        self.blocked_since",
    ),
    Mutant(
        "a part's key is freed while the rest of the batch holds it",
        ENGINE,
        "if not partition.gone and key_of((partition, entry)) not in held:",
        "if not partition.gone:",
    ),
    Mutant(
        "a key is freed whoever holds it",
        GATE,
        "if key is not None and holders.get(key) is batch:",
        "if key is not None and key in holders:",
    ),
    Mutant(
        "held records are not tracked",
        ENGINE,
        "        partition.progress.track(offsets, first_ms if kind else None)\n",
        "        if not partition.held:\n            partition.progress.track(offsets, first_ms if kind else None)\n",
    ),
    Mutant(
        "resume although there is no room",
        "core/flow.py",
        "held_bytes > self._limits.bytes_max or room <= 0:",
        "held_bytes > self._limits.bytes_max:",
    ),
    Mutant(
        "a batch ends in the middle of a record",
        "core/batching.py",
        "if start < end < len(entries) and entries[end - 1][0] == entries[end][0]:",
        "if False:",
    ),
    Mutant(
        "a parked record comes free in parts",
        GATE,
        "if queue and freed and queue[0][0] == freed[-1][0] and",
        "if False and",
    ),
    Mutant("read without a limit", "core/flow.py", "            self._limits.records_max - records,\n", ""),
    Mutant(
        "the position ignores what control records passed",
        ENGINE,
        "max(position, positions.get(name, 0), partition.committed or 0)",
        "position",
    ),
    # the guard, and what waits for a schema
    Mutant("the guard never trips by a run", GUARD, "if self._run >= self._limits.run_max:", "if False:"),
    Mutant(
        "the guard trips by a share of any few",
        GUARD,
        "elif verdicts >= self._limits.verdicts_min and rejects",
        "elif rejects",
    ),
    Mutant("a tripped guard goes on reading", GUARD, "            return 0\n", "            return None\n"),
    Mutant(
        "a tripped guard goes on writing",
        ENGINE,
        "        if not self.guard_tripped:\n            while",
        "        if True:\n            while",
    ),
    Mutant(
        "the guard never heals", GUARD, "        self._run = 0\n        self.trip = None\n", "        self._run = 0\n"
    ),
    Mutant(
        "what was read before the guard tripped is a sample",
        GUARD,
        "        if now < self.trip.sample_at:\n            return  #",
        "        if False:\n            return  #",
    ),
    Mutant(
        "a bad sample heals",
        GUARD,
        "            self._trip(self.trip.cause, self.trip.rejects, self.trip.of, now)\n        elif",
        "            self._heal()\n        elif",
    ),
    Mutant(
        "a sample that is all rejects heals where the share may be all",
        GUARD,
        " or self._sample_bad >= of)",
        ")",
    ),
    Mutant(
        "what the endpoint has not judged yet is no part of the sample",
        ENGINE,
        "self.delivery_guard.reading_allowed(now, on_the_way)",
        "self.delivery_guard.reading_allowed(now)",
    ),
    Mutant(
        "a sample that too few came for is never judged",
        GUARD,
        "if trip is None or undecided or now < trip.sample_at + _SAMPLE_SECONDS_MAX:",
        "if True:",
    ),
    Mutant(
        "a drain waits for what a tripped guard holds",
        ENGINE,
        "self.rejects.outstanding_of(partitions, held_back=self.guard_tripped)",
        "self.rejects.outstanding_of(partitions, held_back=False)",
    ),
    Mutant(
        "after a letter is written the others wait out their back-off",
        "core/reject_queue.py",
        "        self._failures = 0\n        self._next_at = 0.0\n",
        "        self._failures = 0\n",
    ),
    Mutant(
        "what waited for a schema is prepared all at once",
        ENGINE,
        "while partition.held and taken_bytes <= bytes_max // _HELD_SLICES:",
        "while partition.held:",
    ),
    Mutant(
        "what waits for a second schema goes behind what came after it",
        ENGINE,
        "            partition.held.extendleft(reversed(prepared.rest))",
        "            partition.held.extend(prepared.rest)",
    ),
    Mutant(
        "what was settled before a partition left ends one too high when it comes back",
        "core/departed.py",
        "OffsetRange(position, left.progress.position)",
        "OffsetRange(position, left.progress.position + 1)",
    ),
    Mutant(
        "what was settled before a partition left counts whoever committed since",
        "core/departed.py",
        " not in left.commits:",
        " not in left.commits and False:",
    ),
)
