"""docs/install.md: its files load, the unit is valid and tight, and both agree with what the program reads."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from connector.cli.main import command_line
from connector.configuration.load import load
from tests.docs.pages import ROOT, blocks, text_of

PAGE = ROOT / "docs" / "install.md"
UNIT = ROOT / "packaging" / "airship-connector.service"
COMPOSE = ROOT / "packaging" / "compose.yaml"
EXPOSURE_MAX = 1.5
SYSTEMD_LEAST = 250


def systemd_version() -> int:
    """0 where it is not found."""
    if shutil.which("systemd-analyze") is None:
        return 0
    told = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, timeout=30, check=False)
    version = re.match(r"systemd (\d+)", told.stdout)
    return int(version[1]) if version else 0


needs_systemd = pytest.mark.skipif(
    systemd_version() < SYSTEMD_LEAST,
    reason=f"found systemd-analyze {systemd_version()}, expected {SYSTEMD_LEAST} or newer",
)


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text_of(UNIT).splitlines():
        if name := re.match(r"(\w+)=(.*)", line):
            found.setdefault(name[1], []).append(name[2])
    return found


def credentials(text: str) -> dict[str, str]:
    return dict(re.findall(r"^LoadCredential=([^:\n]+):(.+)$", text, re.MULTILINE))


def settings_of_the_page() -> str:
    return next(block.text for block in blocks(PAGE) if block.text.startswith("kafka:"))


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """connector.yaml and secrets/ as the page has them, and the variables of the unit that lead to them."""
    (tmp_path / "connector.yaml").write_text(settings_of_the_page(), encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    named = re.findall(r"^secrets/(\S+)$", "".join(block.text for block in blocks(PAGE)), re.MULTILINE)
    assert len(named) == 3
    for name in named:
        value = "x" * 22 if name == "airship__app_key" else "a-secret"
        (tmp_path / "secrets" / name).write_text(f"{value}\n", encoding="utf-8")
    variables = dict(variable.split("=", 1) for variable in unit()["Environment"])
    assert variables["CONNECTOR_CONFIG"] == "/etc/airship-connector/connector.yaml"
    assert variables["CONNECTOR_SECRETS_DIR"] == "%d"
    return {"CONNECTOR_CONFIG": str(tmp_path / "connector.yaml"), "CONNECTOR_SECRETS_DIR": str(tmp_path / "secrets")}


def test_the_pages_settings_and_secrets_load(installed: dict[str, str]) -> None:
    settings = load(None, installed)
    assert settings.airship.app_key.get_secret_value() == "x" * 22
    assert settings.kafka.properties["sasl.password"] == "a-secret"
    assert settings.airship.auth.bearer_token is not None


def test_check_says_so_and_a_missing_secret_is_told(installed: dict[str, str]) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "connector", "check", "-c", installed["CONNECTOR_CONFIG"], "--settings-only"],
            env={**os.environ, **installed},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    found = check()
    assert (found.returncode, found.stdout) == (0, "ok    settings: valid, one route\n"), found.stderr
    Path(installed["CONNECTOR_SECRETS_DIR"], "airship__app_key").unlink()
    found = check()
    assert found.returncode == 2
    assert "airship.app_key" in found.stderr


def test_the_unit_hands_over_what_the_page_and_the_program_call_secret() -> None:
    named = credentials(text_of(UNIT)) | credentials("".join(block.text for block in blocks(PAGE)))
    assert {f"/etc/airship-connector/secrets/{name}" for name in named} == set(named.values())
    assert set(named) == set(re.findall(r"^    secrets/(\S+)$", text_of(PAGE), re.MULTILINE))


def test_the_unit_and_the_page_say_which_systemd() -> None:
    assert f"systemd {SYSTEMD_LEAST} or newer" in text_of(UNIT)
    assert f"systemd {SYSTEMD_LEAST} or newer" in " ".join(text_of(PAGE).split())


def test_the_unit_runs_a_command_that_there_is_where_the_page_installs_it() -> None:
    [line] = unit()["ExecStart"]
    program, *words = shlex.split(line)
    assert f"{program} check" in text_of(PAGE).replace("CONNECTOR_SECRETS_DIR=secrets ", "")
    assert words == ["run"]
    assert "run" in command_line.list_commands(command_line.make_context("airship-connector", ["run"]))


def test_a_stop_has_more_time_than_a_drain_takes(installed: dict[str, str]) -> None:
    drain = load(None, installed).delivery.drain_ms / 1000
    [grace] = unit()["TimeoutStopSec"]
    assert float(grace) > drain + 10
    service = yaml.safe_load(text_of(COMPOSE))["services"]["airship-connector"]
    assert float(service["stop_grace_period"].removesuffix("s")) > drain + 10


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    program = tmp_path / "airship-connector"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    copy.write_text(text_of(UNIT).replace("/opt/airship-connector/bin/airship-connector", str(program)), "utf-8")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stderr.replace(str(tmp_path), "")) == (0, "")


@needs_systemd
def test_the_unit_exposes_little() -> None:
    found = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    level = re.search(r"Overall exposure level for airship-connector.service: ([0-9.]+)", found.stdout)
    assert level is not None, found.stdout + found.stderr
    assert float(level[1]) <= EXPOSURE_MAX


def test_compose_is_as_tight_as_the_guide_of_the_image() -> None:
    service = yaml.safe_load(text_of(COMPOSE))["services"]["airship-connector"]
    guide = text_of(ROOT / "docs" / "image.md")
    assert service["read_only"] is True
    assert "--read-only" in guide
    assert service["cap_drop"] == ["ALL"]
    assert "--cap-drop ALL" in guide
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert f"--memory {service['mem_limit']}" in guide
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert all(volume.startswith("./") and volume.endswith(":ro") for volume in service["volumes"])
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    environment = service["environment"]
    assert mounted == [environment["CONNECTOR_CONFIG"], environment["CONNECTOR_SECRETS_DIR"]]
