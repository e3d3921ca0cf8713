"""pydantic's errors in a user's words: what was found, what was expected, which known name is nearest.

A value is quoted only where the setting is known, is not secret and takes a single value; a text in the place of a
section could be anything, a token too.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from connector.configuration.catalogue import ITEM, Path, Setting, catalogue, dotted, names_in, setting_at
from connector.kafka.property_names import COMMON, CONSUMER_ONLY

_QUOTED_KINDS = {"text", "integer", "number", "boolean", "choice", "size"}
_SECRET_NAME = re.compile(r"password|secret|token|key|pem|jaas|credential", re.IGNORECASE)
_NAMES_SHOWN_MAX = 12


def unknown_keys(error: ValidationError) -> list[Path]:
    """Keys that no setting has."""
    return [detail["loc"] for detail in error.errors(include_url=False) if detail["type"] == "extra_forbidden"]


def described(error: ValidationError, tree: dict[str, Any]) -> Iterator[tuple[Path, str | None]]:
    """Every invalid place and what to say of it; None where another one says it. `tree` is what was validated."""
    misspelt = {(*path[:-1], near) for path in unknown_keys(error) if (near := _near_here(path))}
    told: set[Path] = set()
    for detail in error.errors(include_url=False, include_input=False):
        path, value, present = _place(detail["loc"], tree, missing=detail["type"] == "missing")
        if path in told:
            # A value that fits none of several types has an error for each of them.
            continue
        told.add(path)
        setting = setting_at(path)
        if detail["type"] == "extra_forbidden" or setting is None:
            yield path, f"unknown key; {_known(path)}"
        elif not present and path in misspelt:
            yield path, None
        elif not present:
            yield path, f"missing; expected {setting.expected}{_meaning(setting)}"
        else:
            inside = setting.path != tuple(ITEM if isinstance(step, int) else step for step in path)
            expected = "a text, a number, true or false" if inside else setting.expected
            yield path, f"found {found(value, setting, path)}, expected {expected}"


def found(value: object, setting: Setting, path: Path = ()) -> str:
    """A value as it may be shown."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return f"a list of {len(value)} items" if len(value) != 1 else "a list of one item"
        case _ if setting.kind not in _QUOTED_KINDS or _SECRET_NAME.search(str(path[-1]) if path else ""):
            return f"a text of {len(value)} characters" if isinstance(value, str) else "a single value"
        case bool():
            return "true" if value else "false"
        case str():
            shown = re.sub(r"//[^/@]*@", "//...@", value)
            return json.dumps(shown if len(shown) <= 60 else shown[:57] + "...", ensure_ascii=False)
        case _:
            return str(value)


def _place(location: tuple[int | str, ...], tree: object, *, missing: bool) -> tuple[Path, object, bool]:
    """The path of an error without what pydantic adds to it (a union), the value there, and whether there is one."""
    path: list[str | int] = []
    node = tree
    for number, step in enumerate(location):
        match node, step:
            case dict(), _ if step in node:
                node = node[step]
            case list(), int() if step < len(node):
                node = node[step]
            case _ if missing and number == len(location) - 1:
                return (*path, step), None, False
            case _:
                break
        path.append(step)
    return tuple(path), node, True


def _meaning(setting: Setting) -> str:
    return f" ({setting.description})" if setting.description and setting.kind not in {"section", "sections"} else ""


def _known(path: Path) -> str:
    section, name = path[:-1], str(path[-1])
    if near := nearest(section, name):
        return f"did you mean {near}?"
    names = names_in(section)
    shown = ", ".join(names[:_NAMES_SHOWN_MAX]) + (", ..." if len(names) > _NAMES_SHOWN_MAX else "")
    return f"expected one of {shown}" if names else "expected none here"


def nearest(section: Path, name: str) -> str | None:
    """The known setting that is most like `name`: in its own section first, then anywhere."""
    plain = _plain(name)
    if (
        section == ("kafka",)
        and name.lower().replace("_", ".") in COMMON | CONSUMER_ONLY
        and plain not in names_in(section)
    ):
        return f"kafka.properties: {{{name.lower().replace('_', '.')}: ...}}"
    if near_here := _near_here((*section, name)):
        return dotted((*section, near_here))
    elsewhere: dict[str, str] = {}
    for setting in catalogue().values():
        elsewhere.setdefault(setting.path[-1], setting.name)
    near = difflib.get_close_matches(plain, sorted(elsewhere), 1, 0.8)
    return elsewhere[near[0]] if near else None


def _near_here(path: Path) -> str | None:
    return next(iter(difflib.get_close_matches(_plain(str(path[-1])), names_in(path[:-1]), 1, 0.6)), None)


def _plain(name: str) -> str:
    """`groupId`, `group-id` and `group.id` are all meant as group_id."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(".", "_")
