"""YAML as a tree of plain values, with the line of each of them, and every fault in it that can be told from the text.

Scalars are resolved as JSON would resolve them (YAML 1.2's JSON schema): `NO` is a text and not false, `2020-05-02` is
no date, `01234` keeps its zero. A key that stands twice is a fault, not a silent choice of the last one.
No text of a value is quoted in a fault: it could be a secret that was put in unquoted.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

from connector.configuration.catalogue import Path

TEXT_BYTES_MAX = 1 << 20
NODES_MAX = 100_000
DEPTH_MAX = 50
_TOO_DEEP = f"found values inside each other without end, expected at most {DEPTH_MAX} levels"

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]  # the base is chosen by what PyYAML was built with
    """Resolves scalars only as JSON does."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", list("-0123456789")),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


class YamlTree:
    """What a text of YAML holds. `tree` is {} when it could not be read at all; then there is a fault."""

    def __init__(self, text: str) -> None:
        self.tree: dict[str, Any] = {}
        self.lines: dict[Path, int] = {(): 1}
        self.faults: list[tuple[Path, int | None, str]] = []
        self._nodes = 0
        root = self._compose(text)
        if root is None:
            return
        tree = self._value(root, (), ())
        if isinstance(tree, dict):
            self.tree = tree
        elif not self.faults:
            self.faults.append(((), _line(root), f"found {_shape(root)}, expected sections such as `kafka:`"))

    def _compose(self, text: str) -> yaml.Node | None:
        if len(text) > TEXT_BYTES_MAX:
            self.faults.append(((), None, f"found {len(text)} characters, expected at most {TEXT_BYTES_MAX}"))
            return None
        try:
            if self._is_too_deep(text):
                return None
            root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.faults.append(((), mark.line + 1 if mark else None, _problem(error)))
            return None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.faults.append(
                ((), line, f"found the character U+{ord(_character(error)):04X}, which YAML does not allow")
            )
            return None
        if root is None:
            self.faults.append(((), None, "found nothing in it, expected sections such as `kafka:`"))
        return root

    def _is_too_deep(self, text: str) -> bool:
        """Looked for in the events: composing calls itself for every level in C, and a crash of C is no exception."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_MAX:
                    mark = event.start_mark
                    self.faults.append(((), mark.line + 1 if mark else None, _TOO_DEEP))
                    return True
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        return False

    def _value(self, node: yaml.Node, path: Path, around: tuple[int, ...]) -> Any:
        """The value of a node. `around` holds the nodes that it stands in: an alias may lead back to one of them."""
        self.lines.setdefault(path, _line(node))
        self._nodes += 1
        if id(node) in around or len(around) > DEPTH_MAX or self._nodes > NODES_MAX:
            self._fault(path, node, _TOO_DEEP)
            return None
        around = (*around, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, around)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, place), around) for place, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, around: tuple[int, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    found = self._value(source, path, around)
                    if isinstance(found, dict):
                        merged = found | merged
                    else:
                        self._fault(path, value, f"found {_shape(value)} after <<, expected a mapping")
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                self._fault(path, key, "found a key that is no text; put it in quotes")
                continue
            inside = (*path, key.value)
            if key.value in own:
                self._fault(inside, key, f"stands here for the second time; the first is in line {self.lines[inside]}")
                continue
            self.lines[inside] = _line(key)
            own[key.value] = self._value(value, inside, around)
        return merged | own

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str" | "merge":
                return text
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "int" if re.fullmatch(r"-?\d{1,30}", text):
                return int(text)
            case "float" if re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", text):
                return float(text)
            case _:
                self._fault(
                    path, node, "found a value with a tag of YAML (`!...`), expected one without; quotes make it text"
                )
                return None

    def _fault(self, path: Path, node: yaml.Node, text: str) -> None:
        # A node that several aliases lead to is walked several times: its fault is told once.
        fault = (path, _line(node), text)
        if all((line, said) != fault[1:] for _, line, said in self.faults):
            self.faults.append(fault)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shape(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a single value"


def _character(error: yaml.reader.ReaderError) -> str:
    found = error.character
    return chr(found) if isinstance(found, int) else str(found)


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "alias" in problem or "anchor" in problem:
        return "not YAML: a value that starts with `*` or `&` needs quotes"
    if "tag" in problem:
        return "not YAML: a value that starts with `!` needs quotes"
    # Only single characters and the parser's own marks are kept: anything else in quotes is text of the file.
    problem = re.sub(r"'(?!<)[^']{2,}'", "a text", problem)
    return f"not YAML: {problem}"
