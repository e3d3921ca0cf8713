"""What a stranger's linter has against the chart, and why each remark stands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import SITUATIONS, rendered

CHECKOV = Path(sys.executable).parent.parent / "checkov" / "bin" / "checkov"

SKIPPED = {
    "CKV_K8S_8": "probes are for the job; the check of the settings and `helm test` run once",
    "CKV_K8S_9": "as CKV_K8S_8",
    "CKV_K8S_11": "a CPU limit throttles, and a throttled member misses its heartbeats",
    "CKV_K8S_15": "a tag is never moved, and a registry that is down must not stop a restart",
    "CKV_K8S_43": "image.digest is for whoever builds the image",
}
ALLOWED = {
    ("CKV_K8S_35", "restricted-pss"): "OpenTelemetry reads headers from a variable alone",
    ("CKV_K8S_40", "openshift"): "the platform gives the user id, a high one",
}
"""Other remarks, each in one situation."""


@pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed; make test-chart does")
def test_nothing_else_is_found(tmp_path: Path) -> None:
    for situation in SITUATIONS:
        # The user's own containers are the user's own.
        text = yaml.safe_dump_all(found for found in _own(situation))
        (tmp_path / f"{situation}.yaml").write_text(text, encoding="utf-8")
    command = [CHECKOV, "--framework", "kubernetes", "--directory", tmp_path, "--skip-download", "--output", "json"]
    done = subprocess.run(
        [*command, "--skip-check", ",".join(SKIPPED)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    told = json.loads(done.stdout)
    assert told["summary"]["parsing_errors"] == 0
    assert told["summary"]["resource_count"] >= 3 * len(SITUATIONS)
    found = {
        (failed["check_id"], Path(failed["file_path"]).stem): failed["check_name"]
        for failed in told["results"]["failed_checks"]
    }
    assert {key: name for key, name in found.items() if key not in ALLOWED} == {}
    assert found.keys() == ALLOWED.keys(), "what is not found any more need not be allowed"


def _own(situation: str) -> list[object]:
    objects: list[object] = []
    for found in json.loads(json.dumps(rendered(situation))):
        pod = found.get("spec", {}).get("template", {}).get("spec", {})
        if "containers" in pod:
            pod["containers"] = [container for container in pod["containers"] if container["name"] == "connector"]
        objects.append(found)
    return objects
