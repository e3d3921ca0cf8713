"""docs/operations.md keeps up with what it talks about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from connector.core.outcomes import BlockReason
from connector.settings import Settings
from connector.telemetry import metrics_page
from tests.unit.telemetry.test_alerts import rules

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_alert_leads_to_a_section():
    assert set(re.findall(r"Alert `(\w+)`", TEXT)) == {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_metric_it_names_exists():
    named = set(re.findall(r"\b((?:connector|messaging_client|http_client|process)_[a-z_]+)(?=[`{\[])", TEXT))
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in metrics_page.sample_names()}
    assert len(named) >= 12
    assert named <= families, named - families


@pytest.mark.parametrize("reason", get_args(BlockReason))
def test_every_reason_for_a_block_is_explained(reason: str):
    assert f"| `{reason}` |" in TEXT


def test_its_links_lead_somewhere():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert target in headings
    for target in re.findall(r"\]\((?!#)([^)#]+)\)", TEXT):
        assert (PAGE.parent / target).exists()


def test_the_settings_it_names_exist():
    named = set(re.findall(r"`((?:airship|delivery|dead_letters|log|kafka|admin)\.[a-z_.]+)[:`]", TEXT))
    assert len(named) >= 10
    for name in named:
        assert setting(Settings, name.split(".")), name


def setting(model: Any, path: list[str]) -> bool:
    """Whether the models have such a key."""
    field = model.model_fields.get(path[0])
    if field is None:
        return False
    kinds = (field.annotation, *get_args(field.annotation))
    inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return len(path) == 1 or (inner is not None and setting(inner, path[1:]))


def test_the_log_lines_it_names_are_logged():
    source = "".join(path.read_text() for path in (PAGE.parents[1] / "connector").rglob("*.py"))
    named = re.findall(r"[Tt]he log line\n?\s?`([^`]+)`", TEXT)
    assert len(named) == 3
    for message in named:
        assert f'"{message}"' in source
