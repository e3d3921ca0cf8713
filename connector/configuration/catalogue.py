"""Every setting by its path, as the models declare it: kind, what is expected, whether it is secret.

Read once from the models. What is said to a user about a setting (faults, docs/settings.md) is said from here, and the
environment and the secret files find out here whether a value is text or JSON.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo

from connector.settings import Settings

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands in the settings: keys, and numbers for the items of a list."""

Kind: TypeAlias = Literal[
    "section",
    "sections",
    "list",
    "properties",
    "template",
    "text",
    "secret",
    "integer",
    "number",
    "boolean",
    "choice",
    "size",
]

JSON_KINDS: frozenset[Kind] = frozenset({"section", "sections", "list", "properties", "template"})
"""A variable or a secret file gives these as JSON."""

ITEM = "[]"
"""Stands for any item of a list in the path of a setting."""


@dataclass(frozen=True, slots=True)
class Setting:
    path: tuple[str, ...]
    kind: Kind
    expected: str
    description: str
    required: bool
    default: object
    """None where there is none; the section's own defaults are at its settings."""
    secret: bool
    """Its value is never shown, and neither is a text that stands in its place."""

    @property
    def name(self) -> str:
        return dotted(self.path)


def dotted(path: Sequence[str | int]) -> str:
    """`routes[0].topics`: a path as a user writes it."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step == ITEM:
            text += step
        else:
            text += f".{step}" if text else step
    return text


@cache
def catalogue() -> Mapping[tuple[str, ...], Setting]:
    return {setting.path: setting for setting in _settings_of(Settings, ())}


def setting_at(path: Path) -> Setting | None:
    """The setting at a path; of a value inside properties or a template, those as a whole."""
    known = catalogue()
    steps = tuple(ITEM if isinstance(step, int) else step for step in path)
    for end in range(len(steps), 0, -1):
        setting = known.get(steps[:end])
        if setting is None:
            continue
        inside = end < len(steps)
        if not inside or setting.kind in {"properties", "template"}:
            return setting
        return None
    return None


def names_in(section: Path) -> list[str]:
    """The keys that a section knows."""
    steps = tuple(ITEM if isinstance(step, int) else step for step in section)
    return [path[-1] for path in catalogue() if path[:-1] == steps and path[-1] != ITEM]


def _settings_of(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        path = (*above, name)
        annotation, limits = _bare(field)
        section = section_of(annotation)
        kind = _kind(annotation)
        description = field.description or (_first_paragraph(section) if section else "")
        yield Setting(
            path=path,
            kind=kind,
            expected=_expected(kind, annotation, limits, path, section),
            description=description,
            required=field.is_required(),
            default=None if field.is_required() or section else field.get_default(call_default_factory=True),
            secret=kind == "secret",
        )
        if section is not None:
            yield from _settings_of(section, (*path, ITEM) if kind == "sections" else path)


def _bare(field: FieldInfo) -> tuple[Any, list[Any]]:
    """The annotation without `Annotated`, `| None` and `| Literal`; the limits and literals that stood beside it."""
    annotation: Any = field.annotation
    limits = list(field.metadata)
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *beside = get_args(annotation)
            for item in beside:
                limits.extend(item.metadata if isinstance(item, FieldInfo) else [item])
            continue
        arguments = get_args(annotation)
        if get_origin(annotation) in {Union, types.UnionType} and len(arguments) == 2:
            beside = [part for part in arguments if part is type(None) or get_origin(part) is Literal]
            if beside:
                limits += [_Words(get_args(part)) for part in beside if part is not type(None)]
                annotation = next(part for part in arguments if part not in beside)
                continue
        return annotation, limits


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Section`, `Section | None` or `list[Section]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for inner in map(section_of, get_args(annotation)) if inner is not None), None)


def _kind(annotation: Any) -> Kind:
    origin = get_origin(annotation)
    if origin is list:
        return "sections" if section_of(annotation) else "list"
    if origin is dict:
        return "template" if get_args(annotation)[1] is Any else "properties"
    if origin is Literal:
        return "choice"
    if section_of(annotation):
        return "section"
    simple: dict[Any, Kind] = {
        str: "text",
        SecretStr: "secret",
        ByteSize: "size",
        bool: "boolean",
        int: "integer",
        float: "number",
    }
    return simple[annotation]


def _expected(
    kind: Kind, annotation: Any, limits: list[Any], path: tuple[str, ...], section: type[BaseModel] | None
) -> str:
    match kind:
        case "section" | "sections":
            assert section is not None
            inside = (*path, ITEM) if kind == "sections" else path
            required = [dotted((*inside, name)) for name, field in section.model_fields.items() if field.is_required()]
            text = "a section of settings" if kind == "section" else "a list of sections"
            return f"{text} with {listed(required, 'and')}" if required else text
        case "list":
            return (
                "a list of texts with at least one item"
                if _bound(limits, annotated_types.MinLen)
                else "a list of texts"
            )
        case "properties":
            return "names, each with a text, a number, true or false"
        case "template":
            return "names with their values"
        case "text" | "secret":
            return "text that is not empty" if _bound(limits, annotated_types.MinLen) else "text"
        case "boolean":
            return "true or false"
        case "choice":
            return listed([str(choice) for choice in get_args(annotation)], "or")
        case "integer":
            return "a whole number" + _range(limits, str) + _or_words(limits)
        case "number":
            return "a number" + _range(limits, str)
        case "size":
            return "a size such as 4MiB" + _range(limits, size_text)


class _Words(NamedTuple):
    """Literals that a setting takes in the place of its own kind."""

    words: tuple[str, ...]


def _or_words(limits: list[Any]) -> str:
    return "".join(f", or {word}" for limit in limits if isinstance(limit, _Words) for word in limit.words)


def size_text(size: int) -> str:
    """4194304 as `4MiB`: in the largest unit that leaves no rest."""
    for unit, bytes_of_unit in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % bytes_of_unit == 0:
            return f"{size // bytes_of_unit}{unit}"
    return f"{size}B"


def _range(limits: list[Any], shown: Any) -> str:
    low, high = _bound(limits, annotated_types.Ge), _bound(limits, annotated_types.Le)
    above = _bound(limits, annotated_types.Gt)
    if above is not None:
        return f" above {shown(above)}" + (f", at most {shown(high)}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {shown(low)} to {shown(high)}"
    return f", at least {shown(low)}" if low is not None else ""


def _bound(limits: list[Any], kind: type[Any]) -> Any:
    attribute = {
        annotated_types.Ge: "ge",
        annotated_types.Le: "le",
        annotated_types.Gt: "gt",
        annotated_types.MinLen: "min_length",
    }[kind]
    return next((getattr(limit, attribute) for limit in limits if isinstance(limit, kind)), None)


def listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _first_paragraph(model: type[BaseModel]) -> str:
    text = (model.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split()).rstrip(".")
