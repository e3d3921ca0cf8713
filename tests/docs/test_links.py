"""Every link leads somewhere, and every page is led to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, name_of, prose, spans

_LINK = re.compile(r"\]\(([^()\s]+)\)")
_PLACE = re.compile(
    r"(?:bench|ci|connector|docs|examples|helm|packaging|requirements|schemas|tests)/[\w./-]+\w|[A-Z]+\.md|Makefile"
)


def links(page: Path) -> list[str]:
    return [link for link in _LINK.findall(prose(page)) if not re.match(r"https?://", link)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    """From the root, or from where the page or what it is about lies."""
    roots = [ROOT, page.parent, ROOT / "connector", ROOT / "helm" / "airship-connector"]
    named = [span for span in spans(page) if _PLACE.fullmatch(span)]
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_the_front_page_leads_to_every_page() -> None:
    readme = ROOT / "README.md"
    led_to = {(ROOT / link.partition("#")[0]).resolve() for link in links(readme)}
    assert [name_of(page) for page in PAGES if page != readme and page not in led_to] == []
