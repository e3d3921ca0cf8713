"""The judge of a run: compares what was produced with what arrived. Pure.

Lost: good records that no endpoint stored, and bad ones that are in no dead letter. Must be 0.

Repeated: copies beyond the first. The bound is computed record by record. A copy loses its evidence when
  - the endpoint stored it and gave no 200 for it (a dropped answer), or
  - its member was killed (or thrown out of the group) and what the group had committed at that moment, by position and
    by the ranges in the metadata, does not hold it: it was in flight, or settled after the last commit.
A record may be repeated once for each copy that lost its evidence. The bound of a run is the sum of these copies; a
record that has more repetitions than such copies is a violation even where the sum would allow it.

That alone would let a connector pass that never commits. So the exposed copies of a kill are held against the clock:
a copy whose answer is older than two commit intervals (one that waits, one under way) and a second for a busy machine
must be in the commit; if it is not, it is overdue, which is a violation. (In a group of several under the classic
protocol a session is added: when the leader dies between joining and handing out the assignment, the group takes no
commit until the leader's session is over.)

Order: first deliveries of a key that came after a later one of it. Must be 0 while one member held everything.

Dead letters: each bad record once; again only where a kill took the evidence of the first one. Nothing else in there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.chaos.account import Account, Copy, Exposure, Nature, Settled
from tests.support.topics import Position

_EXAMPLES = 5
_RECOVERY_LOOKS_BACK_SECONDS = 2.0


@dataclass
class Score:
    produced: int = 0
    bad: int = 0
    lost: int = 0
    repeated: int = 0
    bound: int = 0
    ordered: bool = True
    """Whether the order of a key was promised; else inversions are not counted."""
    inversions: int = 0
    letters_repeated: int = 0
    letters_bound: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds from each kill until every partition that the killed one was delivering is delivered again."""
    violations: list[str] = field(default_factory=list)


def judge(account: Account) -> Score:
    good = {number for number, record in enumerate(account.produced) if record.nature is Nature.GOOD}
    score = Score(len(account.produced), len(account.produced) - len(good))
    arrived = Counter(copy.number for copy in account.copies)
    _lost(score, account, good, arrived)
    _repeated(score, account, arrived)
    _order(score, account)
    _letters(score, account)
    score.recoveries = [seconds for e in account.exposures if (seconds := _recovery(account, e)) is not None]
    return score


def _lost(score: Score, account: Account, good: set[int], arrived: Counter[int]) -> None:
    lettered = {letter.origin for letter in account.letters}
    missing = sorted(good - arrived.keys())
    unwritten = [
        number
        for number, record in enumerate(account.produced)
        if record.nature is not Nature.GOOD and record.position not in lettered
    ]
    score.lost = len(missing) + len(unwritten)
    if missing:
        score.violations.append(f"{len(missing)} lost: {_some(missing)}")
    if unwritten:
        score.violations.append(f"{len(unwritten)} bad records in no dead letter: {_some(unwritten)}")
    if stray := sorted(arrived.keys() - good):
        score.violations.append(f"{len(stray)} stored that must not be: {_some(stray)}")


def _repeated(score: Score, account: Account, arrived: Counter[int]) -> None:
    exposed: set[Copy] = set()
    for exposure in account.exposures:
        now_exposed = set(_exposed(account, exposure))
        exposed |= now_exposed
        last = exposure.at - exposure.commit_seconds
        overdue = [copy for copy in now_exposed if copy.answered and copy.ended < last]
        if overdue:
            age = exposure.at - min(copy.ended for copy in overdue)
            score.violations.append(
                f"{len(overdue)} settled up to {age:.2f} s before the kill of member {exposure.slot} at "
                f"{_clock(exposure.at)} and in no commit, expected at most {exposure.commit_seconds:g} s: "
                f"{_some(sorted(copy.number for copy in overdue))}"
            )
    exposed |= {copy for copy in account.copies if not copy.answered}
    allowed = Counter(copy.number for copy in exposed)
    score.repeated = sum(count - 1 for count in arrived.values())
    score.bound = sum(allowed.values())
    beyond = [number for number, count in arrived.items() if count - 1 > allowed[number]]
    if beyond:
        told = [_story(account, number) for number in sorted(beyond)[:_EXAMPLES]]
        score.violations.append(f"{len(beyond)} repeated more often than allowed: {_some(told)}")


def _exposed(account: Account, exposure: Exposure) -> Iterable[Copy]:
    """The copies of the killed member that the group's commit does not hold."""
    settled = exposure.settled()
    for copy in account.copies:
        own = copy.slot == exposure.slot and exposure.began <= copy.arrived <= exposure.until
        if own and not _held(settled, account.produced[copy.number].position):
            yield copy


def _order(score: Score, account: Account) -> None:
    seen: set[int] = set()
    last: defaultdict[tuple[str, int], int] = defaultdict(lambda: -1)
    early: list[int] = []
    for copy in sorted(account.copies, key=lambda copy: (copy.arrived, copy.slot, copy.sequence)):
        if copy.number in seen:
            continue
        seen.add(copy.number)
        record = account.produced[copy.number]
        stream = record.key, record.position.partition
        if record.position.offset < last[stream]:
            early.append(copy.number)
        last[stream] = max(last[stream], record.position.offset)
    score.ordered = account.ordered
    score.inversions = len(early) if account.ordered else 0
    if score.inversions:
        score.violations.append(f"{len(early)} delivered after a later event of their key: {_some(early)}")


def _letters(score: Score, account: Account) -> None:
    bad = {record.position: record.nature for record in account.produced if record.nature is not Nature.GOOD}
    reasons = {Nature.REFUSED: "refused", Nature.NOT_JSON: "not_json"}
    wrong = [
        letter for letter in account.letters if letter.origin not in bad or letter.reason != reasons[bad[letter.origin]]
    ]
    if wrong:
        score.violations.append(f"{len(wrong)} dead letters that must not be: {_some([tuple(w) for w in wrong])}")
    lost_evidence: set[tuple[Position, float]] = set()
    for exposure in account.exposures:
        settled = exposure.settled()
        lost_evidence |= {
            (letter.origin, letter.written)
            for letter in account.letters
            if exposure.began <= letter.written <= exposure.until and not _held(settled, letter.origin)
        }
    allowed = Counter(origin for origin, _ in lost_evidence)
    counts = Counter(letter.origin for letter in account.letters)
    score.letters_repeated = sum(count - 1 for count in counts.values())
    score.letters_bound = sum(allowed.values())
    beyond = [tuple(origin) for origin, count in counts.items() if count - 1 > allowed[origin]]
    if beyond:
        score.violations.append(f"{len(beyond)} dead letters written more often than allowed: {_some(beyond)}")


def _held(settled: dict[int, Settled], position: Position) -> bool:
    return position.partition in settled and position.offset in settled[position.partition]


def _recovery(account: Account, exposure: Exposure) -> float | None:
    """None where the killed one was delivering nothing, or nothing was left to deliver of its partitions."""
    since = exposure.at - _RECOVERY_LOOKS_BACK_SECONDS
    partitions: set[int] = set()
    back: dict[int, float] = {}
    for copy in account.copies:
        partition = account.produced[copy.number].position.partition
        own = copy.slot == exposure.slot and exposure.began <= copy.arrived <= exposure.until
        if own and copy.arrived >= since:
            partitions.add(partition)
        elif not own and copy.arrived > exposure.at:
            back[partition] = min(copy.arrived, back.get(partition, copy.arrived))
    if not partitions or not partitions <= back.keys():
        return None
    return max(back[partition] for partition in partitions) - exposure.at


def _story(account: Account, number: int) -> str:
    """Where a record came from, and when each copy of it was stored by whom."""
    position = account.produced[number].position
    copies = sorted((copy for copy in account.copies if copy.number == number), key=lambda copy: copy.arrived)
    stored = ", ".join(f"member {copy.slot} at {_clock(copy.arrived)}" for copy in copies)
    return f"{number} ({position.partition}@{position.offset}: {stored})"


def _clock(seconds: float) -> str:
    """As the connector's log lines tell the time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _some(found: Sequence[object]) -> str:
    shown = ", ".join(map(str, found[:_EXAMPLES]))
    return shown + (", ..." if len(found) > _EXAMPLES else "")
