"""What a person at the command line reads: errors and marks, with colour on a terminal only."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click


def colours(stream: TextIO) -> bool:
    """On a terminal, unless NO_COLOR says otherwise (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_error(text: str, stream: TextIO | None = None) -> None:
    """One text, without a traceback. Several lines are several faults: each is one line that a program can read."""
    out = stream if stream is not None else sys.stderr
    mark = click.style("error:", fg="red", bold=True) if colours(out) else "error:"
    lines = text.splitlines() or ["no reason given"]
    if len(lines) == 1:
        print(mark, lines[0], file=out)
        return
    print(mark, f"{len(lines)} faults", file=out)
    for line in lines:
        print(f"  {line}", file=out)
