"""docs/operations.md keeps up with alerts, reasons and log lines; tests/docs has what holds of every page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from connector import status_of
from connector.core.outcomes import BlockReason
from connector.telemetry.port import RebalanceEvent
from tests.unit.telemetry.test_alerts import rules

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_alert_leads_to_a_section():
    assert set(re.findall(r"Alert `(\w+)`", TEXT)) == {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_reason_for_a_block_is_explained():
    own = re.findall(r'Trouble\(\s*"[a-z_]+", "([a-z_]+)"', Path(status_of.__file__).read_text())
    assert len(own) >= 3
    for reason in (*get_args(BlockReason), *own, "rejects_share", "rejects_run"):
        assert re.search(rf"^\| (`[a-z_]+`, )*`{reason}`(, `[a-z_]+`)* \|", TEXT, re.MULTILINE), reason


def test_the_log_lines_it_names_are_logged():
    source = "".join(path.read_text() for path in (PAGE.parents[1] / "connector").rglob("*.py"))
    source += "".join(f'"partitions {event}"' for event in get_args(RebalanceEvent))
    told = [part for part in TEXT.split("\n\n") if re.search(r"log\s+(line|has)", part) and not part.startswith("|")]
    named = {text for part in told for text in re.findall(r"`([a-zA-Z-]+ [a-zA-Z, -]+)`", part)}
    messages = {text for text in named if not text.startswith("airship-connector")}
    assert messages >= {"request failed, will be sent again", "dead letter not written", "delivery waits"}
    for message in messages:
        assert f'"{message}"' in source, message
