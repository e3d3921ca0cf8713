"""What an installation is made of: its list of parts (CycloneDX) and the licences of these, each of them permitted.

    python -m requirements.parts PYTHON DIRECTORY    writes sbom.cdx.json and licences.txt of what PYTHON has installed
    python -m requirements.parts PYTHON              prints the licences of what runtime.txt names

Ends with 1 when a part's licence is not among the permitted ones. Reaches no network.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = "airship-connector"
TOOL_SECONDS = 120

# What may be shipped beside code under Apache-2.0 without asking anybody: permissive, or (MPL) reciprocal for its own
# files alone. A licence has the name that its package gives it.
PERMITTED = frozenset({
    "3-Clause BSD License",
    "Apache Software License",
    "Apache-2.0",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT License",
    "MIT-0",
    "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)",
    "PSF-2.0",
    "Python Software Foundation License",
})  # fmt: skip


class Part(NamedTuple):
    name: str
    version: str
    licence: str


def licences(python: str, names: Sequence[str] = ()) -> list[Part]:
    """Of the packages `names`, or of all that `python` has, this product left out."""
    only = ["--packages", *names] if names else ["--ignore-packages", PRODUCT]
    rows = json.loads(_tool("pip-licenses", "--python", python, "--from", "mixed", "--format", "json", *only))
    return [Part(row["Name"], row["Version"], row["License"]) for row in rows]


def not_permitted(parts: Iterable[Part]) -> list[Part]:
    """An expression may name several licences: with AND all have to be permitted, and with OR they had better be."""
    return [part for part in parts if not set(re.split(r"\s+AND\s+|\s+OR\s+|;\s*", part.licence)) <= PERMITTED]


def runtime_names() -> list[str]:
    """The packages that runtime.txt names."""
    text = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    return re.findall(r"^([\w.-]+)==", text, re.MULTILINE)


def write_sbom(python: str, target: Path) -> None:
    """The same bytes for the same parts. The root is the product, with the version that is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    root = f"""[project]
name = {json.dumps(project["name"])}
version = {json.dumps(_version(python))}
description = {json.dumps(project["description"])}
license = {json.dumps(project["license"])}
dependencies = {json.dumps(needed)}
"""
    with tempfile.TemporaryDirectory() as directory:
        described = Path(directory) / "pyproject.toml"  # not the own one: that one's version is in the code
        described.write_text(root, encoding="utf-8")
        # validating takes 14 s of CPU and can only find that the tool is wrong: a test does it, on a few parts
        _tool(
            "cyclonedx-py", "environment", "--output-reproducible", "--no-validate", "--pyproject", str(described),
            "--output-file", str(target), python,
        )  # fmt: skip


def write_licences(python: str, target: Path) -> None:
    """Name, version, licence and the licence's text of each part."""
    arguments = ("--from", "mixed", "--format", "plain-vertical", "--ignore-packages", PRODUCT)
    texts = ("--with-license-file", "--with-notice-file", "--no-license-path", "--output-file", str(target))
    _tool("pip-licenses", "--python", python, *arguments, *texts)


def _version(python: str) -> str:
    return _output([python, "-c", f"import importlib.metadata; print(importlib.metadata.version('{PRODUCT}'))"]).strip()


def _tool(name: str, *arguments: str) -> str:
    return _output([str(Path(sys.executable).with_name(name)), *arguments])


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        sys.exit(f"{command[0]} did not end within {TOOL_SECONDS} s")
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m requirements.parts", description="Parts and their licences.")
    parser.add_argument("python", help="the Python of the installation")
    parser.add_argument("directory", type=Path, nargs="?", help="where sbom.cdx.json and licences.txt are written")
    arguments = parser.parse_args()
    if arguments.directory is None:
        found = licences(arguments.python, runtime_names())
        for part in found:
            print(f"{part.name:<40} {part.version:<14} {part.licence}")
    else:
        found = licences(arguments.python)
        arguments.directory.mkdir(parents=True, exist_ok=True)
        write_sbom(arguments.python, arguments.directory / "sbom.cdx.json")
        write_licences(arguments.python, arguments.directory / "licences.txt")
        print(f"written: {arguments.directory}/sbom.cdx.json and licences.txt, {len(found)} parts")
    for part in (refused := not_permitted(found)):
        print(
            f"{part.name} {part.version}: found the licence {part.licence!r}, expected one of PERMITTED in "
            "requirements/parts.py; replace the part, or have its licence judged and add it there",
            file=sys.stderr,
        )
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
