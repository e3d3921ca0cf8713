"""The judge itself: each kind of damage must be seen, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.core.commit_metadata import encode
from connector.core.progress import OffsetRange
from connector.core.records import NextOffset
from tests.chaos.account import Account, Copy, Exposure, Letter, Nature, Produced
from tests.chaos.score import judge
from tests.support.topics import Committed, Position

BAD = 4


def copy(number: int, at: float = 100.0, *, slot: int = 0, answered: bool = True) -> Copy:
    return Copy(number, slot, number + 1, at + number / 100, at + number / 100 + 0.05, answered)


def account() -> Account:
    """Ten records of one key in one partition; the fifth is no JSON and lies in the dead letters."""
    made = Account()
    for number in range(10):
        nature = Nature.NOT_JSON if number == BAD else Nature.GOOD
        made.produced.append(Produced(Position(0, number), "user-1", nature))
        if number != BAD:
            made.copies.append(copy(number))
    made.letters.append(Letter(Position(0, BAD), 100.0, "not_json"))
    return made


def kill(at: float, position: int, ahead: list[OffsetRange] | None = None, slot: int = 0) -> Exposure:
    text = encode(NextOffset(position), ahead) if ahead else ""
    return Exposure(slot, 90.0, at, at + 0.1, {0: Committed(position, text)}, 2.0)


def test_a_run_without_damage_has_nothing_to_say() -> None:
    score = judge(account())
    assert score.violations == []
    assert (score.produced, score.bad, score.lost, score.repeated, score.bound) == (10, 1, 0, 0, 0)


def lose_one(run: Account) -> None:
    del run.copies[3]


def repeat_one(run: Account) -> None:
    run.copies.append(copy(3, 101.0))


def repeat_one_that_was_committed(run: Account) -> None:
    run.exposures.append(kill(100.5, 5))
    run.copies.append(copy(3, 101.0))


def repeat_one_that_was_named_in_the_metadata(run: Account) -> None:
    run.exposures.append(kill(100.5, 3, [OffsetRange(7, 8)]))
    run.copies.append(copy(7, 101.0))


def repeat_one_of_another_member(run: Account) -> None:
    run.exposures.append(kill(100.5, 0, slot=1))
    run.copies.append(copy(3, 101.0))


def repeat_one_twice_for_one_kill(run: Account) -> None:
    run.exposures.append(kill(100.5, 0))
    run.copies += [copy(3, 101.0), copy(3, 102.0)]


def commit_nothing_for_long(run: Account) -> None:
    run.exposures.append(kill(103.0, 0))
    run.copies += [copy(number, 104.0) for number in range(10) if number != BAD]


def overtake(run: Account) -> None:
    run.copies[2] = copy(2, 101.0)


def store_what_is_bad(run: Account) -> None:
    run.copies.append(copy(BAD, 101.0))


def lose_a_letter(run: Account) -> None:
    run.letters.clear()


def letter_a_good_one(run: Account) -> None:
    run.letters.append(Letter(Position(0, 1), 100.0, "refused"))


def give_a_wrong_reason(run: Account) -> None:
    run.letters[0] = Letter(Position(0, BAD), 100.0, "refused")


def write_a_letter_twice(run: Account) -> None:
    run.letters.append(Letter(Position(0, BAD), 101.0, "not_json"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lose_one, "1 lost: 3"),
        (repeat_one, "1 repeated more often than allowed: 3"),
        (repeat_one_that_was_committed, "1 repeated more often than allowed: 3"),
        (repeat_one_that_was_named_in_the_metadata, "1 repeated more often than allowed: 7"),
        (repeat_one_of_another_member, "1 repeated more often than allowed: 3"),
        (repeat_one_twice_for_one_kill, "1 repeated more often than allowed: 3"),
        (commit_nothing_for_long, "in no commit, expected at most 2 s: 0, 1, 2, 3, 5, ..."),
        (overtake, "1 delivered after a later event of their key: 2"),
        (store_what_is_bad, "1 stored that must not be: 4"),
        (lose_a_letter, "1 bad records in no dead letter: 4"),
        (letter_a_good_one, "1 dead letters that must not be"),
        (give_a_wrong_reason, "1 dead letters that must not be"),
        (write_a_letter_twice, "1 dead letters written more often than allowed"),
    ],
)
def test_each_damage_is_seen(damage: Callable[[Account], None], said: str) -> None:
    run = account()
    damage(run)
    assert any(said in violation for violation in judge(run).violations), judge(run).violations


def test_what_a_kill_found_uncommitted_may_come_again_and_is_counted() -> None:
    run = account()
    run.exposures.append(kill(100.5, 3, [OffsetRange(7, 8)]))
    run.copies += [copy(number, 101.0) for number in (3, 5, 6, 8, 9)]
    score = judge(run)
    assert score.violations == []
    assert (score.repeated, score.bound) == (5, 5)


def test_what_was_stored_without_an_answer_may_come_again() -> None:
    run = account()
    run.copies[3] = copy(3, answered=False)
    run.copies.append(copy(3, 101.0))
    score = judge(run)
    assert score.violations == []
    assert (score.repeated, score.bound) == (1, 1)


def test_the_order_is_not_asked_for_where_partitions_changed_hands() -> None:
    run = account()
    run.ordered = False
    overtake(run)
    score = judge(run)
    assert score.inversions == 0
    assert not any("later event" in violation for violation in score.violations)


def test_a_letter_may_come_again_after_a_kill_that_took_its_evidence() -> None:
    run = account()
    run.exposures.append(kill(100.5, BAD))
    write_a_letter_twice(run)
    run.copies += [copy(number, 101.0) for number in range(5, 10)]
    score = judge(run)
    assert score.violations == []
    assert (score.letters_repeated, score.letters_bound) == (1, 1)


def test_recovery_is_until_every_partition_is_delivered_again() -> None:
    run = account()
    run.exposures.append(kill(100.5, 5))
    run.copies += [copy(number, 103.0) for number in range(5, 10)]
    assert judge(run).recoveries == [pytest.approx(103.05 - 100.5)]
