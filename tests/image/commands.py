"""Commands that make images: bounded in time, and heard of only when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_LINES_MAX = 30


class CommandFailedError(Exception):
    """It ended with something else than 0, or not in time; with the end of its output."""


def run(command: Sequence[str | Path], seconds: float, given: str = "", directory: Path | None = None) -> str:
    """The output. Docker's is BuildKit's, a line for each step."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    try:
        done = subprocess.run(
            command,
            input=given,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            cwd=directory,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailedError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-_LINES_MAX:])
        raise CommandFailedError(f"{command[0]} ended with {done.returncode}; the end of its output:\n{end}")
    return done.stdout
