"""The dashboard asks for what is declared, and shows all of it. tests/integration runs its queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from connector.telemetry import metrics, metrics_page
from tests.unit.telemetry.test_alerts import RULES

DASHBOARD = RULES.with_name("dashboard.json")


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def queries() -> Iterator[tuple[str, str]]:
    """(panel, query) of everything that the dashboard asks."""
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def test_every_metric_asked_for_is_declared_and_every_declared_one_is_shown() -> None:
    asked: set[str] = set()
    for title, query in queries():
        names = set(re.findall(r"\b(?:connector|messaging|http_client|process)[a-z0-9_]+(?=\{)", query))
        assert names, title
        asked |= names
    assert asked <= metrics_page.sample_names()
    shown = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in asked}
    not_shown = {
        declaration.name
        for declaration in metrics.ALL
        if re.sub(r"_(bucket|total)$", "", metrics_page.sample_name(declaration)) not in shown
    }
    assert not_shown == {"connector.records.expired", "connector.window.bytes"}, "one has an alert, one is on the page"


def test_panels_do_not_overlap_and_each_says_what_it_shows() -> None:
    taken: set[tuple[int, int]] = set()
    ids: set[int] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["id"] not in ids
        ids.add(panel["id"])
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
