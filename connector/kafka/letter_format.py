"""The format of a dead letter: the names of its headers and what they mean. A contract, so it has a version.

schemas/dead-letter.md is made from this module. A header may be added without a new version; one that is renamed,
removed, or means something else makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connector.core.records import Reason

VERSION = 1

CONNECT = "__connect.errors."
OWN = "airship-connector."

TOPIC = CONNECT + "topic"
PARTITION = CONNECT + "partition"
OFFSET = CONNECT + "offset"
CONNECTOR_NAME = CONNECT + "connector.name"
STAGE = CONNECT + "stage"
EXCEPTION_CLASS = CONNECT + "exception.class.name"
EXCEPTION_MESSAGE = CONNECT + "exception.message"

FORMAT = OWN + "format"
REASON = OWN + "reason"
FIELD = OWN + "field"
HTTP_STATUS = OWN + "http-status"
ANSWER = OWN + "answer"
ATTEMPTS = OWN + "attempts"
SCHEMA_ID = OWN + "schema-id"
GROUP = OWN + "group"
FAILED_AT = OWN + "failed-at"
PROGRAM_VERSION = OWN + "version"
ORIGINAL_TIMESTAMP = OWN + "original-timestamp"
TRACEPARENT = OWN + "traceparent"
REPLAYS = OWN + "replays"
LEFT_OUT = OWN + "left-out"

HEADER_BYTES_MAX = 4096
"""Of one header's value: longer texts are cut between two characters."""


class HeaderMeaning(NamedTuple):
    always: bool
    form: str
    meaning: str


HEADERS: Mapping[str, HeaderMeaning] = {
    TOPIC: HeaderMeaning(True, "text", "the topic that the message came from first"),
    PARTITION: HeaderMeaning(True, "decimal", "its partition there"),
    OFFSET: HeaderMeaning(True, "decimal", "its offset there"),
    CONNECTOR_NAME: HeaderMeaning(True, "text", "`airship-connector`"),
    STAGE: HeaderMeaning(True, "`decode`, `map`, `validate`, `deliver`", "what refused it"),
    EXCEPTION_CLASS: HeaderMeaning(False, "text", "the class of the error"),
    EXCEPTION_MESSAGE: HeaderMeaning(
        False,
        "text",
        "what is wrong in words: the field, what was found, what was expected; several are joined by `; `",
    ),
    FORMAT: HeaderMeaning(True, "decimal", f"the version of this format: `{VERSION}`"),
    REASON: HeaderMeaning(True, "a code of the list below", "why it was refused"),
    FIELD: HeaderMeaning(False, "text", "the field that was refused, of the event or of the message"),
    HTTP_STATUS: HeaderMeaning(False, "decimal", "what the endpoint answered"),
    ANSWER: HeaderMeaning(False, "text", "the beginning of the endpoint's answer; it may quote the message"),
    ATTEMPTS: HeaderMeaning(True, "decimal", "requests that held it and were refused, those before a replay included"),
    SCHEMA_ID: HeaderMeaning(False, "text", "the schema as the message's framing names it, such as `id:42`"),
    GROUP: HeaderMeaning(True, "text", "the consumer group that refused it"),
    FAILED_AT: HeaderMeaning(True, "ISO 8601, UTC, milliseconds", "when it was refused"),
    PROGRAM_VERSION: HeaderMeaning(True, "text", "the version of the program"),
    ORIGINAL_TIMESTAMP: HeaderMeaning(False, "decimal, milliseconds since 1970", "the message's own timestamp"),
    TRACEPARENT: HeaderMeaning(False, "W3C trace context", "the span that wrote the letter, not the message's own"),
    REPLAYS: HeaderMeaning(True, "decimal", "how often the message was replayed before this failure"),
    LEFT_OUT: HeaderMeaning(
        False,
        "some of `answer`, `headers`, `value`, separated by blanks",
        "what did not fit into the topic's limit; with `value` the letter is a pointer to its origin",
    ),
}

REASONS: Mapping[Reason, str] = {
    "not_json": "the value is not one JSON text in UTF-8",
    "not_avro": "the value does not fit its Avro schema",
    "truncated": "the value ends too early",
    "trailing_bytes": "something follows the value",
    "wrong_framing": "the first bytes are not those of the route's format",
    "unknown_schema": "the schema is not known to the registry, asked twice",
    "schema_not_usable": "the schema cannot be used to read with, or is of another kind than the route says",
    "too_deep": "objects and arrays are nested too deep",
    "tombstone": "the message has no value, and the route rejects those",
    "expression_failed": "an expression of the route fails on this message",
    "required_missing": "an expression that must give something gives null",
    "transform_failed": "the route's function raised",
    "no_route": "no route takes the topic",
    "invalid_event": "the event breaks the endpoint's contract",
    "too_large": "the event is larger than a request may be",
    "refused": "the endpoint refused a request that held nothing else (400, 422)",
    "refused_too_large": "the endpoint answered 413 to a request that held nothing else",
}
"""The codes of `airship-connector.reason`, a closed set."""
