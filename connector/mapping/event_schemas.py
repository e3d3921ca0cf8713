"""The Custom Event for other programs: as JSON Schema and as Avro, generated from the models.

JSON Schema cannot say that a time lies in the past 90 days, and Avro cannot say what a string may hold: both describe
the shape, the models judge.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from connector.mapping.contract import CustomEvent
from connector.mapping.contract_rules import IDENTIFIERS, STRING_ITEM_LENGTH_MAX

_PROPERTY = {
    "title": "Property",
    "description": f"A string has at most {STRING_ITEM_LENGTH_MAX} characters.",
    "anyOf": [
        {"type": "string", "maxLength": STRING_ITEM_LENGTH_MAX},
        {"type": ["number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#/$defs/Property"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Property"}},
    ],
}
_SCALARS: list[Any] = ["null", "boolean", "long", "double", "string"]
_AVRO_KINDS: dict[str, Any] = {
    "string": "string",
    "number": "double",
    "time": {"type": "long", "logicalType": "timestamp-millis"},
    # Avro names no type inside itself without a record around it: two levels, and what goes deeper has its own schema.
    "object": {
        "type": "map",
        "values": [
            *_SCALARS,
            {"type": "array", "items": [*_SCALARS, {"type": "map", "values": _SCALARS}]},
            {"type": "map", "values": [*_SCALARS, {"type": "array", "items": _SCALARS}]},
        ],
    },
}


def json_schema_text() -> str:
    schema = CustomEvent.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Airship Custom Event"
    schema["$defs"]["Property"] = _PROPERTY
    schema["$defs"]["Body"]["properties"]["properties"]["additionalProperties"] = {"$ref": "#/$defs/Property"}
    schema["$defs"]["User"]["oneOf"] = [
        {"required": [identifier], "properties": {identifier: {"type": "string"}}} for identifier in IDENTIFIERS
    ]
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def avro_schema_text() -> str:
    schema = _record(CustomEvent) | {"namespace": "airship", "doc": (CustomEvent.__doc__ or "").strip()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _record(model: type[BaseModel]) -> dict[str, Any]:
    fields = [_field(name, info) for name, info in model.model_fields.items()]
    return {"type": "record", "name": model.__name__, "doc": (model.__doc__ or "").strip(), "fields": fields}


def _field(name: str, info: FieldInfo) -> dict[str, Any]:
    doc = {"doc": info.description} if info.description else {}
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        return {"name": name, **doc, "type": _record(info.annotation)}
    kind = _AVRO_KINDS["time" if name == "occurred" else _json_kind(info)]
    if info.is_required():
        return {"name": name, **doc, "type": kind}
    return {"name": name, **doc, "type": ["null", kind], "default": None}


def _json_kind(info: FieldInfo) -> str:
    """The field's type as its JSON schema has it, beside null."""
    for part in info.metadata:
        kinds = getattr(part, "json_schema", {}).get("type")
        if kinds is not None:
            return next(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
    raise AssertionError("every field of the contract says its JSON type")
