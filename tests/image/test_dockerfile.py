"""What can be said of the image without building it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths  # type: ignore[import-untyped]
from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]


def instructions(name: str = "") -> list[tuple[str, str]]:
    """(instruction, value) in order; only those called `name`, if one is named."""
    with io.BytesIO((ROOT / "Dockerfile").read_bytes()) as file:
        parsed = DockerfileParser(fileobj=file).structure
    found = [(entry["instruction"], entry["value"]) for entry in parsed if entry["instruction"] != "COMMENT"]
    return [entry for entry in found if not name or entry[0] == name]


def final_stage() -> list[tuple[str, str]]:
    everything = instructions()
    last = max(at for at, (name, _) in enumerate(everything) if name == "FROM")
    return everything[last:]


def in_final_stage(name: str) -> list[str]:
    return [value for found, value in final_stage() if found == name]


def build_context(folder: Path) -> set[str]:
    """The files of `folder` that Docker would be given."""
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in patterns if line and not line.startswith("#")]
    return {path for path in exclude_paths(str(folder), patterns) if (folder / path).is_file()}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command: Sequence[str | Path] = [hadolint, "--no-color", "--failure-threshold", "style", ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_base_is_an_argument_with_an_official_default() -> None:
    assert ("ARG", "PYTHON_IMAGE=python:3.13-slim-bookworm") in instructions("ARG")
    bases = [value.split()[0] for _, value in instructions("FROM")]
    assert bases == ["${BUILD_IMAGE}", "dependencies", "${PYTHON_IMAGE}"]
    assert ("ARG", "BUILD_IMAGE=${PYTHON_IMAGE}") in instructions("ARG")


def test_the_user_is_a_number_and_not_root() -> None:
    [user] = in_final_stage("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), user


def test_the_command_is_started_without_a_shell() -> None:
    [entry_point], [command] = in_final_stage("ENTRYPOINT"), in_final_stage("CMD")
    assert json.loads(entry_point) == ["/opt/airship-connector/bin/airship-connector"]
    assert json.loads(command) == ["run"]


def test_the_final_stage_runs_nothing_and_takes_only_what_was_built() -> None:
    names = [name for name, _ in final_stage()]
    assert "RUN" not in names, "a base without a shell cannot run anything"
    assert "HEALTHCHECK" not in names, "the orchestrator probes /livez and /readyz"
    assert all(value.startswith("--from=") for value in in_final_stage("COPY"))


def test_nothing_is_fetched_but_by_pip_with_hashes() -> None:
    assert not instructions("ADD")
    runs = "\n".join(value for _, value in instructions("RUN"))
    assert "://" not in runs
    assert not re.search(r"\b(curl|wget|apt-get|apk)\b", runs)
    installs = re.findall(r"\binstall\b(.*?)&&", runs, re.DOTALL)
    assert len(installs) == 3
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)


def test_no_secret_is_an_argument_or_a_variable() -> None:
    named = " ".join(value for name, value in instructions() if name in {"ARG", "ENV"})
    assert not re.search(r"password|token|secret|index|pip_", named, re.IGNORECASE)
    assert "--mount=type=secret,id=pip.conf" in " ".join(value for _, value in instructions("RUN"))


def test_only_what_is_copied_is_in_the_build_context() -> None:
    context = build_context(ROOT)
    folders = {path.partition("/")[0] for path in context}
    assert folders <= {
        "connector",
        "requirements",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "Dockerfile",
        ".dockerignore",
    }
    assert {"connector/cli/main.py", "connector/py.typed", "requirements/runtime.txt", "pyproject.toml"} <= context
    assert any(path.startswith("connector/admin/page/") for path in context), "files that are not code are needed, too"


def test_what_a_working_tree_gathers_stays_out_of_the_build_context(tmp_path: Path) -> None:
    wanted = {"connector/cli/run.py", "connector/admin/page/status.html", "requirements/runtime.txt", "LICENSE"}
    gathered = {
        ".git/config",
        ".venv/bin/python",
        "connector.yaml",
        "connector/__pycache__/app.cpython-311.pyc",
        "connector/core/__pycache__/engine.cpython-311.pyc",
        "connector/stray.pyc",
        "dist/licences.txt",
        "requirements/dev.txt",
        "tests/unit/test_any.py",
    }
    for name in wanted | gathered:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert build_context(tmp_path) == wanted


@pytest.mark.parametrize("name", ["runtime", "build", "supply"])
def test_every_requirement_is_pinned_with_hashes_and_without_an_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    lines = re.sub(r"\\\n", " ", text).splitlines()
    wanted = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert len(wanted) > 1
    for line in wanted:
        assert re.match(r"[\w.-]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line
