"""Where settings come from: the file, a directory of secrets, the environment; and where each value came from.

Each source is a tree of plain values plus the origin of each of them. The stronger source is laid over the weaker:
environment over secrets over file. Sections are joined key by key; a list is replaced as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from connector.configuration.catalogue import JSON_KINDS, Path, catalogue, dotted, setting_at
from connector.configuration.yaml_tree import YamlTree

VARIABLE_PREFIX = "CONNECTOR__"
SECRET_BYTES_MAX = 64 * 1024


class Origin(NamedTuple):
    """Where a value stands, in the order in which faults are told."""

    rank: int
    line: int
    where: str

    def __str__(self) -> str:
        return f"{self.where}:{self.line}" if self.line else self.where


class SettingFault(NamedTuple):
    """One line of what is wrong. `path` is empty when the fault is the source's own."""

    origin: Origin
    path: Path
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.origin), dotted(self.path), self.text) if part)


@dataclass(slots=True)
class Source:
    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    faults: list[SettingFault] = field(default_factory=list)

    def fault(self, origin: Origin, path: Path, text: str) -> None:
        self.faults.append(SettingFault(origin, path, text))

    def origin_of(self, path: Path) -> Origin:
        """Of the value itself, else of what it stands in, else of what stands in it (a section of variables)."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
            inside = [origin for known, origin in self.origins.items() if known[:end] == path[:end]]
            if inside:
                return min(inside)
        return self.origins.get((), Origin(0, 0, "settings"))

    def lay_over(self, stronger: Source) -> None:
        """Takes in a source that wins over what is here."""
        self._merge(self.tree, stronger.tree, ())
        self.origins.update(stronger.origins)
        self.faults.extend(stronger.faults)

    def _merge(self, under: dict[str, Any], over: Mapping[str, Any], path: Path) -> None:
        for key, value in over.items():
            inside = (*path, key)
            below = under.get(key)
            if isinstance(below, dict) and isinstance(value, dict):
                self._merge(below, value, inside)
                continue
            for known in [known for known in self.origins if known[: len(inside)] == inside]:
                del self.origins[known]
            under[key] = value


def from_file(path: FilePath) -> Source:
    source = Source()
    whole = Origin(0, 0, str(path))
    source.origins[()] = whole
    try:
        with path.open("rb") as file:
            text = file.read().decode("utf-8-sig")
    except FileNotFoundError:
        source.fault(whole, (), "found no such file; name it with -c or CONNECTOR_CONFIG")
        return source
    except OSError as error:
        source.fault(whole, (), f"cannot be read: {error.strerror or error}")
        return source
    except UnicodeDecodeError as error:
        source.fault(whole, (), f"found byte 0x{error.object[error.start]:02x} at {error.start}, expected UTF-8 text")
        return source
    read = YamlTree(text)
    source.tree = _without_empty_sections(read.tree)
    source.origins |= {place: Origin(0, line, str(path)) for place, line in read.lines.items() if place}
    for place, line, text in read.faults:
        source.fault(Origin(0, line or 0, str(path)), place, text)
    return source


def from_secrets(directory: FilePath) -> Source:
    """One file for each secret, named as its setting: `airship__app_key`.

    Names without `__` are somebody else's, and so are hidden ones (a mounted Secret has `..data`).
    """
    source = Source()
    whole = Origin(1, 0, "CONNECTOR_SECRETS_DIR")
    values: list[tuple[str, Origin, str]] = []
    try:
        files = sorted(directory.iterdir())
    except OSError as error:
        source.fault(whole, (), f"{directory} cannot be read: {error.strerror or error}; expected a directory")
        return source
    for file in files:
        if file.name.startswith(".") or "__" not in file.name or not file.is_file():
            continue
        origin = Origin(1, 0, str(file))
        try:
            with file.open("rb") as opened:
                raw = opened.read(SECRET_BYTES_MAX + 1)
            if len(raw) > SECRET_BYTES_MAX:
                source.fault(origin, (), f"found more than {SECRET_BYTES_MAX} bytes, expected a secret")
                continue
            values.append((file.name, origin, raw.decode().rstrip("\r\n")))
        except OSError as error:
            source.fault(origin, (), f"cannot be read: {error.strerror or error}")
        except UnicodeDecodeError:
            source.fault(origin, (), "found bytes that are not UTF-8, expected text")
    _take(source, values)
    return source


def from_environment(environ: Mapping[str, str]) -> Source:
    source = Source()
    _take(
        source,
        [
            (name.removeprefix(VARIABLE_PREFIX), Origin(2, 0, name), value)
            for name, value in environ.items()
            if name.startswith(VARIABLE_PREFIX)
        ],
    )
    return source


def _take(source: Source, values: Iterable[tuple[str, Origin, str]]) -> None:
    """Puts named values into the source's tree, outer ones first, so that the more exact name wins."""
    for name, origin, text in sorted(values, key=lambda item: (item[0].count("__"), item[0])):
        path = _path_named(name)
        for end in range(1, len(path)):
            setting = setting_at(path[:end])
            if setting is not None and setting.kind in {"list", "sections"}:
                whole = VARIABLE_PREFIX + "__".join(map(str, path[:end])).upper()
                source.fault(origin, path[:end], f"found an item of a list, expected the whole list as JSON in {whole}")
                break
        else:
            setting = setting_at(path)
            value: Any = text
            if setting is not None and setting.kind in JSON_KINDS and setting.path == path:
                try:
                    value = json.loads(text)
                except ValueError:
                    source.fault(origin, path, f"found text that is not JSON, expected {setting.expected}, as JSON")
                    continue
            _put(source, path, value)
            source.origins[path] = origin


def _path_named(name: str) -> tuple[str, ...]:
    """`KAFKA__PROPERTIES__SASL_PASSWORD` is kafka.properties, sasl.password: librdkafka's names have dots."""
    steps = tuple(name.lower().split("__"))
    for end in range(1, len(steps)):
        setting = catalogue().get(steps[:end])
        if setting is not None and setting.kind == "properties":
            return (*steps[:end], ".".join(steps[end:]).replace("_", "."))
    return steps


def _put(source: Source, path: tuple[str, ...], value: Any) -> None:
    node = source.tree
    for step in path[:-1]:
        inside = node.get(step)
        if not isinstance(inside, dict):
            inside = node[step] = {}
        node = inside
    node[path[-1]] = value


def _without_empty_sections(tree: dict[str, Any], path: Path = ()) -> dict[str, Any]:
    """`log:` with nothing below it is an empty section in the file, not a null."""
    kept: dict[str, Any] = {}
    for key, value in tree.items():
        setting = setting_at((*path, key))
        if value is None and setting is not None and setting.kind in {"section", "properties"}:
            continue
        kept[key] = _without_empty_sections(value, (*path, key)) if isinstance(value, dict) else value
    return kept
