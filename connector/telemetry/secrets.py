"""The secrets among the settings: what must show up in no log line and on no page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, SecretStr

_SECRET_PROPERTY = re.compile(r"password|secret|token|key\.pem|jaas|credential", re.IGNORECASE)
"""Properties of librdkafka are plain text in the settings; these are none of anybody's business."""


def secrets_of(settings: BaseModel) -> list[SecretStr]:
    """Every SecretStr in it, and every property of Kafka's clients whose name says that it is one."""
    return list(_found(settings))


def _found(value: object) -> Iterator[SecretStr]:
    match value:
        case SecretStr():
            yield value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _found(getattr(value, name))
        case Mapping():
            for name, item in value.items():
                if isinstance(item, str) and _SECRET_PROPERTY.search(str(name)):
                    yield SecretStr(item)
        case list() | tuple():
            for item in value:
                yield from _found(item)
        case _:
            pass
