"""The pages show what was recorded last, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import PAGES, TABLES, with_tables


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- /" in text, "no table at all"
    assert text == with_tables(text), "write the page anew: python -m bench.report"


def test_every_table_stands_on_a_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in TABLES if f"<!-- {name} -->" not in pages} == set()


def test_what_stands_in_a_table_is_replaced_and_nothing_around_it() -> None:
    text = "before\n\n<!-- latency -->\n\n| old |\n\n<!-- /latency -->\n\nafter <!-- a remark -->\n"
    written = with_tables(text)
    assert written.startswith("before\n\n<!-- latency -->\n\n| events/s |")
    assert written.endswith("|\n\n<!-- /latency -->\n\nafter <!-- a remark -->\n")
    assert "old" not in written
    assert with_tables(written) == written
