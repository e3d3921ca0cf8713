"""docs/operations.md keeps up with what it talks about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from connector import status_of
from connector.core.outcomes import BlockReason
from connector.settings import Settings
from connector.telemetry import metrics_page
from connector.telemetry.port import RebalanceEvent
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


def test_every_reason_for_a_block_is_explained():
    own = re.findall(r'Trouble\(\s*"[a-z_]+", "([a-z_]+)"', Path(status_of.__file__).read_text())
    assert len(own) >= 3
    for reason in (*get_args(BlockReason), *own, "rejects_share", "rejects_run"):
        assert re.search(rf"^\| (`[a-z_]+`, )*`{reason}`(, `[a-z_]+`)* \|", TEXT, re.MULTILINE), reason


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
    source += "".join(f'"partitions {event}"' for event in get_args(RebalanceEvent))
    told = [part for part in TEXT.split("\n\n") if re.search(r"log\s+(line|has)", part) and not part.startswith("|")]
    named = {text for part in told for text in re.findall(r"`([a-zA-Z-]+ [a-zA-Z, -]+)`", part)}
    messages = {text for text in named if not text.startswith("airship-connector")}
    assert messages >= {"request failed, will be sent again", "dead letter not written", "delivery waits"}
    for message in messages:
        assert f'"{message}"' in source, message
