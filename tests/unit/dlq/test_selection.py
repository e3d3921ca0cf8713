"""The filters, the counts and the hiding."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.cli.dlq_view import printable
from connector.dlq.hiding import hidden
from connector.dlq.letter import Letter, iso
from connector.dlq.selection import Selection, moment
from connector.dlq.sums import OTHERS, Sums
from connector.errors import SettingsError
from tests.unit.core.records import FakeRecord
from tests.unit.dlq.letters import foreign, written

NOW = datetime(2026, 5, 31, 12, 0, tzinfo=UTC)


def test_every_filter_must_match_and_one_of_its_values() -> None:
    letter = written(FakeRecord(7, b"key-ada", b"value-ada", "orders"), schema_id="id:42")
    matching = {
        "reasons": {"refused", "invalid_event"},
        "stages": {"validate"},
        "fields": {"body.name"},
        "topics": {"orders", "x"},
        "schema_ids": {"42"},
        "groups": {"shop"},
        "since": "2000-01-01T00:00:00.000Z",
        "until": "2999-01-01T00:00:00.000Z",
        "text": b"key-ada",
    }
    selection = Selection(**{name: frozenset(v) if isinstance(v, set) else v for name, v in matching.items()})  # type: ignore[arg-type]
    assert selection.matches(letter)
    for name, value in matching.items():
        other: Any = frozenset({"other"}) if isinstance(value, set) else b"nowhere"
        if name in {"since", "until"}:
            other = "2999-01-01T00:00:00.000Z" if name == "since" else "2000-01-01T00:00:00.000Z"
        assert not replace(selection, **{name: other}).matches(letter), name


def test_a_letter_that_names_no_group_matches_any() -> None:
    assert Selection(groups=frozenset({"shop"})).matches(foreign(("__connect.errors.topic", b"t")))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("30m", "2026-05-31T11:30:00.000Z"),
        ("7d", "2026-05-24T12:00:00.000Z"),
        ("2026-05-30", "2026-05-30T00:00:00.000Z"),
        ("2026-05-30T10:00:00+02:00", "2026-05-30T08:00:00.000Z"),
        ("2026-05-30T10:00:00.250Z", "2026-05-30T10:00:00.250Z"),
    ],
)
def test_moments(told: str, found: str) -> None:
    assert moment("--since", told, NOW) == found


@pytest.mark.parametrize("told", ["", "yesterday", "5", "-3d", "999999w", "2026-13-01"])
def test_what_is_no_moment_is_said(told: str) -> None:
    with pytest.raises(SettingsError, match=r"--since: found .*, expected 30m, 12h"):
        moment("--since", told, NOW)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_timestamp_is_a_time_or_none(milliseconds: int) -> None:
    found = iso(milliseconds / 1000)
    assert found is None or found.endswith("Z")


def test_counts_are_bounded_whatever_the_letters_say() -> None:
    sums = Sums()
    for number in range(1500):
        sums.add(foreign(("__connect.errors.topic", f"t{number}".encode() * 100)), replayed=number < 3)
    assert len(sums.by_topic) == 1001
    assert sums.by_topic[OTHERS] == 500
    assert (sums.total, sums.replayed) == (1500, 3)
    assert max(map(len, sums.by_topic)) <= 200
    json.dumps(sums.as_json())


def test_a_letter_from_outside_the_calendar_is_counted() -> None:
    class Strange(FakeRecord):
        def timestamp(self) -> tuple[int, int]:
            return (1, 2**62)

    sums = Sums()
    sums.add(Letter(Strange(1)), replayed=False)
    assert sums.by_day == {"(not told)": 1}


def test_the_form_is_shown_and_the_content_is_not() -> None:
    value = {
        "name": "Ada",
        "n": 7,
        "d": Decimal("1.5"),
        "ok": True,
        "none": None,
        "list": [1, 2, 3, "x", "y"],
        "o": {"a": [{}]},
    }
    assert hidden(value) == {
        "name": "<text of 3>",
        "n": "<number>",
        "d": "<number>",
        "ok": "<true or false>",
        "none": None,
        "list": ["<number>", "<number>", "<number>", "<2 more>"],
        "o": {"a": [{}]},
    }


@given(st.text())
def test_nothing_that_a_terminal_acts_on_is_printed(text: str) -> None:
    assert printable(text).isprintable()
