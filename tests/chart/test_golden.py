from __future__ import annotations

import pytest

from tests.chart.golden import GOLDEN, golden_text
from tests.chart.rendering import SITUATIONS


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_render_is_as_it_was_reviewed(situation: str) -> None:
    golden = (GOLDEN / f"{situation}.yaml").read_text(encoding="utf-8")
    assert golden_text(situation) == golden, "look at the change; if it is meant: python -m tests.chart.golden"


def test_there_is_a_golden_render_for_each_situation() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == SITUATIONS
