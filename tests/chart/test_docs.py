"""docs/deployment.md and the chart's README: their values render, their commands name what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from connector.configuration.catalogue import catalogue
from docs.chart_values import values
from tests.chart.rendering import CHART, ROOT, SITUATIONS, manifests, merged, render, values_of, workload

PAGE = ROOT / "docs" / "deployment.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(text: str) -> Iterator[str]:
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() + "\n"


def is_command(block: str) -> bool:
    return bool(re.match(r"(helm|kubectl|make) ", block))


EXAMPLES = [block for block in blocks(TEXT) if not is_command(block)]
COMMANDS = [line for block in blocks(TEXT) if is_command(block) for line in block.splitlines()]
FIRST: dict[str, Any] = yaml.safe_load(EXAMPLES[0])


@pytest.mark.parametrize("block", EXAMPLES)
def test_the_values_of_the_page_render(block: str) -> None:
    assert render(merged(FIRST, **yaml.safe_load(block)))


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 11
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_name_what_is_there(command: str) -> None:
    """They are run in a cluster by test_cluster.py, as far as they change one."""
    words = command.split()
    deployed = workload(render(FIRST, release="airship-connector"))["metadata"]["name"]
    match words:
        case ["helm", "install" | "upgrade", "airship-connector", path, "--values", "values.yaml"]:
            assert ROOT / path == CHART
        case ["helm", "rollback", "airship-connector"] | ["helm", "test", "airship-connector", "--logs"]:
            pass
        case ["kubectl", "create", "secret", "generic", name, *literals]:
            assert name == FIRST["existingSecret"]
            keys = {re.sub(r"--from-literal=([^=]+)=.*", r"\1", literal) for literal in literals}
            assert keys == {"app-key", "bearer-token"}
        case ["kubectl", "rollout", "restart", target] | ["kubectl", "port-forward", target, "8080"]:
            assert target == f"deployment/{deployed}"
        case ["kubectl", "logs", target]:
            names = {
                f"{found['kind'].lower()}/{found['metadata']['name']}" for found in render(FIRST, release=deployed)
            }
            assert target in names
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case _:
            pytest.fail(f"no test for: {command}")


def test_the_values_and_situations_it_names_exist() -> None:
    known = {row.path for row in values()}
    known |= {path.rsplit(".", depth)[0] for path in known for depth in (1, 2, 3) if path.count(".") >= depth}
    roots = {path.partition(".")[0] for path in known}
    named = {
        name for name in re.findall(r"`([a-z]\w+(?:\.\w+)+)(?:: [a-z0-9-]+)?`", TEXT) if name.partition(".")[0] in roots
    }
    values_named = {name for name in named if not name.startswith("config.")}
    assert len(values_named) > 10
    assert values_named <= known
    settings = {setting.name for setting in catalogue().values()}
    assert {name.removeprefix("config.") for name in named - values_named} <= settings | {"kafka.properties"}
    for situation in re.findall(r"`ci/([a-z-]+)-values\.yaml`", TEXT):
        assert situation in SITUATIONS


def test_it_counts_the_situations() -> None:
    assert f"{['Ten', 'Eleven', 'Twelve', 'Thirteen'][len(SITUATIONS) - 10]} whole situations" in TEXT


def test_what_it_says_of_the_defaults_is_so() -> None:
    deployment = workload(render(FIRST))["spec"]["template"]["spec"]
    assert deployment["securityContext"]["runAsUser"] == 65532
    assert "uid and gid 65532" in TEXT
    notes = manifests(values_of("plain"))["templates/NOTES.txt"]
    assert "helm -n messaging test" in notes
