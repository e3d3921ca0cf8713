"""Which patterns of topics mean the same to everyone who reads them.

Three programs do: Python when it chooses the route, librdkafka with POSIX extended expressions (classic protocol), the
broker with RE2 (new protocol). To POSIX `\\d` is the letter d: such a pattern would read nothing and say nothing.
"""

from __future__ import annotations

import re

PATTERN_LENGTH_MAX = 1000

_INSTEAD = {"d": "[0-9]", "w": "[A-Za-z0-9_]", "D": "[^0-9]", "W": "[^A-Za-z0-9_]"}


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern; None where all three agree."""
    if not pattern or len(pattern) > PATTERN_LENGTH_MAX:
        return f"found {len(pattern)} characters, expected a regular expression of 1 to {PATTERN_LENGTH_MAX}"
    if fault := _dialect_fault(pattern):
        return fault
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"found no regular expression: {error}"
    if compiled.fullmatch("__consumer_offsets"):
        return "found a pattern that takes Kafka's own topics such as __consumer_offsets, expected one such as [^_].*"
    return None


def _dialect_fault(pattern: str) -> str | None:
    in_set = False
    place = 0
    while place < len(pattern):
        character, following = pattern[place], pattern[place + 1 : place + 2]
        match character:
            case "\\" if in_set:
                return "found a backslash inside [...], which not every reader takes as Python does; expected none"
            case "\\":
                if following.isalnum():
                    instead = f"; write {_INSTEAD[following]}" if following in _INSTEAD else ""
                    return f"found \\{following}, which librdkafka does not know{instead}"
                place += 1
            case "[" if in_set:
                return "found [ inside [...], which not every reader takes as Python does; expected none"
            case "[":
                in_set = True
                # A ] that comes first is a member of the set.
                start = place + 2 if following == "^" else place + 1
                place = start if pattern[start : start + 1] == "]" else start - 1
            case "]":
                in_set = False
            case "(" if not in_set and following == "?":
                return "found (?, which librdkafka does not know; expected plain groups"
            case "*" | "+" | "?" | "}" if not in_set and following in {"?", "+", "*"}:
                return f"found {character}{following}, which librdkafka does not know; expected one of * + ? {{n,m}}"
            case _:
                pass
        place += 1
    return None
