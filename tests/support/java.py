"""Programs from Maven Central on the local Java: which Java there is, and jars resolved once into the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.directories import cache_directory, exclusive, made_atomically
from tests.support.parts import PartUnavailableError

_VERSION_SECONDS = 20.0
_MAVEN_SECONDS = 600.0
_VERSION = re.compile(r'version "(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    program: Path
    major: int

    @property
    def home(self) -> Path:
        return self.program.resolve().parents[1]


def find_java(major_min: int) -> Java:
    """The first one that is new enough: JAVA_HOME, PATH, /usr/lib/jvm. Raises `PartUnavailableError`."""
    found = []
    for program in _java_programs():
        java = _identify(program)
        if java is None:
            continue
        if java.major >= major_min:
            return java
        found.append(f"{java.major} at {program}")
    raise PartUnavailableError(
        f"Java {major_min} or newer is needed, found {', '.join(found) or 'none'} (JAVA_HOME, PATH and /usr/lib/jvm)"
    )


def _java_programs() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if program := shutil.which("java"):
        yield Path(program)
    yield from sorted(Path("/usr/lib/jvm").glob("*/bin/java"))


@cache
def _identify(program: Path) -> Java | None:
    try:
        answer = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _VERSION.search(answer.stderr + answer.stdout)
    return Java(program, int(version[1])) if version else None


def resolved_from_maven(pom: Path, java: Java) -> Path:
    """The directory with everything that the pom depends on; downloaded by Maven if it is not in the cache yet."""
    name = f"{pom.stem.removesuffix('.pom')}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    target = cache_directory() / name
    if target.is_dir():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise PartUnavailableError(f"Maven is needed once to download {pom.name}, found no mvn on PATH")
    # one at a time: Maven's local repository does not stand two downloads of the same file
    with exclusive(target, _MAVEN_SECONDS):
        if not target.is_dir():
            with made_atomically(target) as draft:
                _copy_dependencies(maven, pom, draft, java)
    return target


def _copy_dependencies(maven: str, pom: Path, target: Path, java: Java) -> None:
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
    environment = {**os.environ, "JAVA_HOME": str(java.home)}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_MAVEN_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise PartUnavailableError(f"Maven did not resolve {pom.name} within {_MAVEN_SECONDS:g} s") from None
    if answer.returncode != 0:
        errors = [line for line in answer.stdout.splitlines() if "ERROR" in line]
        raise PartUnavailableError(f"Maven could not resolve {pom.name}: {errors[0] if errors else answer.returncode}")
