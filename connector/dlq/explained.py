"""What is shown of one letter, to a person or a program: its facts, its message, and what would become of it now.

The message's contents are hidden unless they are asked for. So is what may quote them: the endpoint's words, and the
error texts that other programs wrote; our own say of which kind something was and never what it was.
"""

from __future__ import annotations

import json
from typing import Any

from connector.dlq.facts import Facts, Headers
from connector.dlq.hiding import hidden, hidden_bytes
from connector.dlq.letter import Letter, Message
from connector.errors import DecodeError, RegistryUnavailable
from connector.preview.judge import Judge, Judgement


def explained(letter: Letter, message: Message, judge: Judge, now_seconds: float, *, reveal: bool) -> dict[str, Any]:
    facts, position = letter.facts, letter.position
    judgement = _judgement(letter, message, judge, now_seconds)
    origin = facts.origin._replace(topic=message.topic() or None)
    return {
        "partition": position.partition,
        "offset": position.offset,
        "origin": origin._asdict(),
        "stage": facts.stage,
        "reason": facts.reason,
        "field": facts.field,
        "message": facts.message if reveal or _says_only_of_which_kind(facts) else _hidden_text(facts.message),
        "error_class": facts.error_class,
        "http_status": facts.http_status,
        "answer": facts.answer if reveal else _hidden_text(facts.answer),
        "attempts": facts.attempts,
        "replays": letter.replays,
        "failed_at": letter.failed_at,
        "schema_id": facts.schema_id,
        "group": facts.group,
        "written_by": facts.writer,
        "format": facts.format,
        "left_out": list(facts.left_out),
        "would_pass_now": None if isinstance(judgement, str) else judgement.outcome == "event",
        "now": _now(judgement, reveal=reveal),
        "key": _shown_bytes(message.key(), reveal=reveal),
        "headers": _headers(message.headers() or [], reveal=reveal),
        "value": _value(message, judge, reveal=reveal),
    }


def _says_only_of_which_kind(facts: Facts) -> bool:
    """Our own words do; those of a refusal are the endpoint's."""
    return facts.writer == "airship-connector" and facts.stage != "deliver"


def _judgement(letter: Letter, message: Message, judge: Judge, now_seconds: float) -> Judgement | str:
    """As a text: why nothing can be told."""
    if _is_gone(letter, message):
        return "the letter only points at the message, which is not in its topic any more"
    try:
        return judge.judge(message.topic(), message, now_seconds)
    except RegistryUnavailable as error:
        return f"the schema cannot be looked up: {error}"


def _is_gone(letter: Letter, message: Message) -> bool:
    """Of a pointer nothing is left; a tombstone's letter has no value either."""
    return letter.is_pointer and message.value() is None


def _now(judgement: Judgement | str, *, reveal: bool) -> dict[str, Any]:
    if isinstance(judgement, str):
        return {"outcome": "unknown", "why": judgement}
    shown: dict[str, Any] = {"outcome": judgement.outcome, "route": judgement.route}
    if judgement.outcome == "event":
        events = [json.loads(event) for event in judgement.events]
        shown["events"] = events if reveal else [hidden(event) for event in events]
    elif judgement.outcome == "skip":
        shown["skipped"] = judgement.skipped
    else:
        assert judgement.reject is not None
        shown |= {"stage": judgement.reject.stage, "reason": judgement.reject.reason}
        shown["faults"] = [fault._asdict() for fault in judgement.faults]
    return shown


def _value(message: Message, judge: Judge, *, reveal: bool) -> Any:
    """Decoded where a route can; else its bytes, or their number."""
    value = message.value()
    if value is None:
        return None
    try:
        decoded = judge.decoded(message.topic(), message)
    except (DecodeError, RegistryUnavailable):
        decoded = None
    if decoded is None:
        return _shown_bytes(value, reveal=reveal)
    return decoded.value if reveal else hidden(decoded.value)


def _shown_bytes(value: bytes | None, *, reveal: bool) -> str | None:
    """Text where it is text, else hexadecimal."""
    if value is None or not reveal:
        return hidden_bytes(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "0x" + value.hex()


def _headers(headers: Headers, *, reveal: bool) -> list[dict[str, str | None]]:
    return [{"name": name, "value": _shown_bytes(value, reveal=reveal)} for name, value in headers]


def _hidden_text(text: str | None) -> str | None:
    return None if text is None else f"<text of {len(text)}>"
