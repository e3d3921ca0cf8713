"""docs/comparison.md: what it says of this connector stands in the fault matrix; no claim is without a source."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, text_of

PAGE = text_of(ROOT / "docs" / "comparison.md")
MATRIX = text_of(ROOT / "docs" / "fault-matrix.md")


def rows(text: str, header: str) -> dict[str, list[str]]:
    """First cell to the others, of the table that begins so."""
    table = text.partition(header)[2].partition("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {first: others for first, *others in cells}


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,.]*\d|\d", text))


def test_our_figures_are_those_of_the_fault_matrix() -> None:
    measured = rows(MATRIX, "| fault | runs |")
    compared = rows(PAGE, "| fault | this connector |")
    assert len(compared) == 8
    for fault, (ours, *_) in compared.items():
        assert fault in measured, fault
        _, times, _, lost, repeated, _, _, dead_letters, recovered = measured[fault]
        assert lost == "0"
        assert numbers(ours) <= numbers(" ".join([times, repeated, dead_letters, recovered])), (fault, measured[fault])
        if "nothing" in ours:
            assert repeated == "0", fault
        if "nothing dead-lettered" in ours:
            assert dead_letters == "none", fault
        if "these 50" in ours:
            assert dead_letters == "50", fault


def test_the_others_figures_are_those_of_the_fault_matrix() -> None:
    """It has them without the names."""
    beside = rows(MATRIX, "| fault | this connector | (1)")
    compared = rows(PAGE, "| fault | this connector |")
    assert set(beside) == set(compared)
    for fault, (_, *others) in beside.items():
        for theirs, ours in zip(others, compared[fault][1:], strict=True):
            assert numbers(theirs) <= numbers(ours), (fault, theirs, ours)


def test_every_difference_names_where_it_was_read() -> None:
    differences = rows(PAGE, "| here | elsewhere |")
    assert len(differences) >= 10
    for here, (elsewhere,) in differences.items():
        assert re.search(r"\w#\d+|KAFKA-\d+|documentation|not theirs to know", elsewhere), here
    for project in set(re.findall(r"\b([A-Za-z-]+)#\d+", PAGE)):
        assert project in PAGE.partition("Issues are named by their project")[2], project
