"""The settings for editors (JSON Schema) and for people (docs/settings.md), both from the models."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from connector.configuration.catalogue import ITEM, Setting, catalogue, section_of, size_text
from connector.settings import Settings

_SIZE = r"^[0-9]+(\.[0-9]+)?\s*([kKmMgG][iI]?)?[bB]?$"

_SETTINGS_PAGE_HEAD = """\
# Settings

Generated from `connector/settings.py` by `make docs`; do not edit.

The file is `connector.yaml` (`-c FILE`, or the variable `CONNECTOR_CONFIG`). Every setting can come from elsewhere, and
the stronger source wins:

1. the environment: `CONNECTOR__KAFKA__GROUP_ID=orders`. A list or a section is JSON: `CONNECTOR__ROUTES='[...]'`.
   librdkafka's properties are written with `_` for their dots: `CONNECTOR__KAFKA__PROPERTIES__SASL_PASSWORD`;
2. files of the directory that `CONNECTOR_SECRETS_DIR` names, one for each setting: `airship__app_key`,
   `kafka__properties__sasl.password`. Files without `__` in their name are not looked at;
3. the file.

A key that is not in these tables is an error, and so is one that stands twice. All faults are told at once, with file
and line, before anything starts. Editors with a YAML language server complete and check the file while you write, with
this as its first line (`airship-connector schema > connector.schema.json` makes that file):

    # yaml-language-server: $schema=connector.schema.json

Scalars are read as JSON reads them: `NO` is a text, `2020-05-02` is a text, `01234` keeps its zero.
"""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `connector.yaml`, for editors and other programs."""
    schema = Settings.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    for setting in catalogue().values():
        owner = schema if len(setting.path) == 1 else definitions[_owner(setting).__name__]
        _adapt(setting, owner)
    definitions["RouteSettings"]["oneOf"] = [{"required": ["topics"]}, {"required": ["topics_pattern"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "airship-connector settings"}


def _owner(setting: Setting) -> type[BaseModel]:
    """The model that has this setting as a field."""
    model: type[BaseModel] = Settings
    for step in setting.path[:-1]:
        if step != ITEM:
            section = section_of(model.model_fields[step].annotation)
            assert section is not None
            model = section
    return model


def _adapt(setting: Setting, owner: dict[str, Any]) -> None:
    """What pydantic cannot know: the name as it is written, sizes with units, what need not stand in the file."""
    name = setting.path[-1]
    described: dict[str, Any] = owner["properties"][name]
    described["title"] = setting.name
    described.setdefault("description", setting.description)
    if setting.kind == "size":
        low, high = described.pop("ge", None), described.pop("le", None)
        number = {"type": "integer", "minimum": low} | ({"maximum": high} if high is not None else {})
        described["anyOf"] = [{"type": "string", "pattern": _SIZE}, number]
        described["default"] = size_text(int(described["default"]))
    if (setting.secret or name == "auth") and name in owner.get("required", []):
        # A secret better comes from the environment or a file of its own.
        owner["required"].remove(name)
        if not owner["required"]:
            del owner["required"]


def json_schema_text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def settings_page() -> str:
    text = _SETTINGS_PAGE_HEAD
    for section in (setting for setting in catalogue().values() if len(setting.path) == 1):
        text += f"\n## {section.name}\n"
        if section.description:
            text += f"\n{_sentence(section.description)}\n"
        text += "\n| setting | what it takes | default | meaning |\n|---|---|---|---|\n"
        for setting in catalogue().values():
            if setting.path[0] == section.path[0] and setting.kind not in {"section", "sections"}:
                text += _row(setting)
    return text


def _row(setting: Setting) -> str:
    expected = setting.expected + (" (secret)" if setting.secret else "")
    cells = (f"`{setting.name}`", expected, _default(setting), setting.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(setting: Setting) -> str:
    if setting.required:
        return "required" if _always(setting) else "required there"
    match setting.default:
        case None | "":
            return ""
        case bool():
            return "`true`" if setting.default else "`false`"
        case dict():
            return "`{}`"
        case int() if setting.kind == "size":
            return f"`{size_text(setting.default)}`"
        case default:
            return f"`{default}`"


def _always(setting: Setting) -> bool:
    """Whether every section around it is required, too."""
    known = catalogue()
    around = (setting.path[:end] for end in range(1, len(setting.path)) if setting.path[end - 1] != ITEM)
    return all(known[path].required for path in around)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
