"""Isolation: the refused event alone is rejected, whatever the answer points at, and within a bound on requests."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.isolation import Group, Remainder, suspect_index
from connector.core.outcomes import Refused

Event = tuple[int, str | None]  # (place, key)


def isolate(events: list[Event], bad: set[int], hint: str, lie: list[int]) -> tuple[list[int], list[int], int]:
    """Runs isolation to its end: (delivered in order, rejected, requests). The first request is counted."""
    remainder: Remainder[Event] = Remainder(lambda event: event[1])
    group: Group[Event] | None = Group(events, 0)
    delivered: list[int] = []
    rejected: list[int] = []
    requests = 0
    while group is not None:
        requests += 1
        assert requests < 10 * len(events) + 10
        refused = [index for index, event in enumerate(group.items) if event[0] in bad]
        if not refused:
            delivered += [event[0] for event in group.items]
            remainder.accepted()
        elif len(group.items) == 1:
            rejected.append(group.items[0][0])
            remainder.settled_otherwise()
        else:
            suspect = {"right": refused[0], "none": None, "wrong": lie[requests % len(lie)] % len(group.items)}[hint]
            remainder.refused(group, suspect)
        group = remainder.next()
    return delivered, rejected, requests


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Event], set[int]]:
    count = draw(st.integers(1, 100))
    key = st.sampled_from(["a", "b", "c", None]) if draw(st.booleans()) else st.integers(0, 999).map(str)
    events = [(place, draw(key)) for place in range(count)]
    bad = draw(st.sets(st.integers(0, count - 1), max_size=6))
    return events, bad


@settings(max_examples=300)
@given(batches(), st.sampled_from(["right", "none", "wrong"]), st.lists(st.integers(0, 99), min_size=1, max_size=5))
def test_bad_events_are_rejected_and_good_ones_delivered_in_the_order_of_their_keys(
    batch: tuple[list[Event], set[int]], hint: str, lie: list[int]
) -> None:
    events, bad = batch
    delivered, rejected, _ = isolate(events, bad, hint, lie)
    assert sorted(rejected) == sorted(bad)
    assert sorted(delivered) == sorted({place for place, _ in events} - bad)
    keys = dict(events)
    for key in {key for _, key in events if key is not None}:
        of_key = [place for place in delivered if keys[place] == key]
        assert of_key == sorted(of_key)


@pytest.mark.parametrize("count", [2, 3, 7, 50, 64, 99, 100])
def test_one_bad_event_is_found_within_the_bound(count: int) -> None:
    events: list[Event] = [(place, None) for place in range(count)]
    for bad in range(count):
        assert isolate(events, {bad}, "none", [0])[2] <= 2 * math.log2(count) + 1
        assert isolate(events, {bad}, "right", [0])[2] <= 3


def test_a_path_that_points_at_innocents_costs_requests_and_no_good_event() -> None:
    events: list[Event] = [(place, str(place)) for place in range(100)]
    delivered, rejected, requests = isolate(events, {70}, "wrong", [0])
    assert rejected == [70]
    assert len(delivered) == 99
    assert requests <= 2 * math.log2(100) + 1 + 2 * 3


def refusal(path: str | None = None, location: tuple[int, int] | None = None) -> Refused:
    return Refused(400, "refused", path, location, "")


@pytest.mark.parametrize(
    "path",
    ["[3].body.name", "3.body.name", "/3/body/name", "$[3].body.name", "$.3.body", "[3]", "3", "events[3].user", "/3"],
)
def test_every_spelling_of_a_path_is_read(path: str) -> None:
    assert suspect_index(refusal(path), [b"{}"] * 5) == 3


@pytest.mark.parametrize("path", ["body.name", "", "[5]", "/99/body", "name3", "3x", "\u0663", "[-1]", "body[3]x"])
def test_a_path_that_names_no_event_of_the_request_says_nothing(path: str) -> None:
    assert suspect_index(refusal(path), [b"{}"] * 5) is None


@given(
    st.lists(st.sampled_from([b'{"a":1}', '{"ü":\n "€"}'.encode(), b'{\n\n"x":2}']), min_size=1, max_size=20), st.data()
)
def test_a_location_names_the_event_that_it_lies_in(bodies: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(bodies) - 1))
    start = 1 + sum(len(body) + 1 for body in bodies[:index])
    body = b"[" + b",".join(bodies) + b"]"
    at = data.draw(st.integers(start, start + len(bodies[index]) - 1))
    while body[at] & 0xC0 == 0x80:  # within a character
        at -= 1
    line = body.count(b"\n", 0, at) + 1
    column = len(body[body.rfind(b"\n", 0, at) + 1 : at].decode()) + 1
    assert suspect_index(refusal(location=(line, column)), bodies) == index


def test_a_location_outside_says_nothing() -> None:
    assert suspect_index(refusal(location=(9, 1)), [b"{}"]) is None
    assert suspect_index(refusal(location=(1, 900)), [b"{}"]) is None
