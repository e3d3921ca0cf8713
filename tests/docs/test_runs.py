"""Commands of the pages that need no network, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.forbid_writable_code import NOT_SUPPORTED
from tests.docs.pages import ROOT, blocks, text_of

PROGRAM = Path(sys.executable).with_name("airship-connector")
MAPPING = ROOT / "docs" / "mapping.md"


def run(line: str, directory: Path, *more: str, wrapper: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    name, *words = shlex.split(line, comments=True)
    assert name.endswith("airship-connector")
    return subprocess.run(
        [*wrapper, str(PROGRAM), *words, *more],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_demo_of_the_front_page(tmp_path: Path) -> None:
    """And without memory that is writable and executable, as the unit for systemd has it."""
    line = ".venv/bin/airship-connector demo"
    assert f"    {line}\n" in text_of(ROOT / "README.md")
    forbid = (sys.executable, str(Path(__file__).with_name("forbid_writable_code.py")))
    found = run(line, tmp_path, wrapper=forbid)
    if found.returncode == NOT_SUPPORTED:
        found = run(line, tmp_path)
    assert found.returncode == 0, found.stderr
    shown = " ".join(found.stdout.split())
    assert "20,000 produced" in shown
    assert "the sums agree" in shown
    assert list(tmp_path.iterdir()) == []


def test_the_ten_minutes_of_the_page_on_mapping(tmp_path: Path) -> None:
    """Its message, by its route, becomes its event."""
    message, event, *_ = [json.loads(block.text) for block in blocks(MAPPING) if block.language == "json"]
    route = next(block.text for block in blocks(MAPPING) if block.language == "yaml")
    (tmp_path / "connector.yaml").write_text(route, encoding="utf-8")
    (tmp_path / "messages.jsonl").write_text(json.dumps(message) + "\n", encoding="utf-8")
    line = next(
        block.text.splitlines()[0] for block in blocks(MAPPING) if block.text.startswith("airship-connector preview")
    )
    found = run(line, tmp_path, "--now", "2024-06-01T12:00:00Z", "--json")
    assert found.returncode == 0, found.stderr
    told: dict[str, Any] = json.loads(found.stdout)
    assert told["outcome"] == "event"
    assert told["events"] == [event]


@pytest.mark.parametrize(
    ("place", "wrong"),
    [("name", "Purchased"), ("propertis", {}), ("occurred", "${{ timestmp(created_at) }}")],
)
def test_the_errors_of_the_page_on_mapping_are_what_is_told(tmp_path: Path, place: str, wrong: object) -> None:
    shown = next(block.text for block in blocks(MAPPING) if block.text.startswith("routes[0].event.body.name:"))
    expected = next(line for line in shown.splitlines() if f".{place}: " in line)
    settings = yaml.safe_load(next(block.text for block in blocks(MAPPING) if block.language == "yaml"))
    event = settings["routes"][0]["event"]
    (event if place == "occurred" else event["body"])[place] = wrong
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (tmp_path / "messages.jsonl").write_text("{}\n", encoding="utf-8")
    found = run("airship-connector preview -c connector.yaml --topic orders --file messages.jsonl", tmp_path)
    assert found.returncode == 2
    assert expected in found.stderr


@pytest.mark.parametrize("name", [path.parent.name for path in sorted(ROOT.glob("examples/*/connector.yaml"))])
def test_the_preview_of_the_examples(name: str) -> None:
    [line] = re.findall(r"^ {4}(airship-connector preview .*)$", text_of(ROOT / "examples" / "README.md"), re.MULTILINE)
    found = run(line, ROOT / "examples" / name)
    assert found.returncode == 0, found.stderr
    expected = (ROOT / "examples" / name / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    outcomes = Counter(json.loads(row)["outcome"] for row in expected)
    for outcome, word in (("event", "sent"), ("skip", "skipped"), ("reject", "rejected")):
        counted = re.search(rf"^ *(\d+) +[\d.]+%  {word}\b", found.stdout, re.MULTILINE)
        assert counted is not None, found.stdout
        assert int(counted[1]) == outcomes[outcome], found.stdout


def test_the_schema_is_printed(tmp_path: Path) -> None:
    found = run("airship-connector schema", tmp_path)
    assert found.returncode == 0
    assert found.stdout == text_of(ROOT / "schemas" / "connector.schema.json")
