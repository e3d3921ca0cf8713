"""The alert rules: they fire when they should and not otherwise, and ask only for metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.telemetry import metrics, metrics_page

RULES = Path(__file__).parents[3] / "helm" / "airship-connector" / "files" / "prometheus-rules.yaml"
CASES = Path(__file__).with_name("alert_cases.yaml")
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool on this machine (Debian: apt-get install prometheus)"
)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_are_well_formed():
    promtool("check", "rules", str(RULES))


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path):
    plain = yaml.safe_load(RULES.read_text())
    for group in plain["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)  # promtool would want each text word for word
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(plain))
    (tmp_path / "cases.yaml").write_text(CASES.read_text().replace("RULES", "rules.yaml"))
    promtool("test", "rules", str(tmp_path / "cases.yaml"))


def test_each_alert_has_a_case_in_which_it_fires():
    fired = {
        check["alertname"]
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for check in test["alert_rule_test"]
        if check["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


def test_each_alert_says_what_it_means_and_what_to_do():
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert set(rule["annotations"]) == {"summary", "description", "runbook"}
            assert rule["annotations"]["runbook"].endswith(("?", "."))


def test_the_rules_ask_only_for_metrics_that_there_are():
    there = metrics_page.sample_names() | {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        asked = set(re.findall(r"\b(?:connector|messaging|http_client|process)[a-z0-9_:]+(?=[{\[) ]|$)", rule["expr"]))
        asked -= {label.replace(".", "_") for declaration in metrics.ALL for label in declaration.attributes}
        assert asked
        assert asked <= there, f"{rule.get('alert') or rule['record']}: {asked - there}"
