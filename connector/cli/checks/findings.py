"""What a check found."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["ok", "warn", "fail", "skip"]
"""`skip`: could not be tried, because of what failed before it or because it is not set."""


class Finding(NamedTuple):
    check: str
    """What was looked at, in a word or two: `broker`, `topic orders`."""
    state: State
    found: str
    mend: str = ""
    """What to do about it; empty where nothing has to be done."""


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warn(check: str, found: str, mend: str) -> Finding:
    return Finding(check, "warn", found, mend)


def fail(check: str, found: str, mend: str) -> Finding:
    return Finding(check, "fail", found, mend)


def skip(check: str, found: str) -> Finding:
    return Finding(check, "skip", found)
