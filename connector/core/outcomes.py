"""An answer of the endpoint to an outcome: a closed set, matched exhaustively wherever it is used.

The table is in ARCHITECTURE.md; the contract's own is `POST /api/custom-events`. What nobody foresaw is Blocked, never
a reject: the messages are good until the endpoint says of one that it is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Literal, TypeAlias

from connector.core.records import Answer, CredentialsRefused, HttpAnswer, TransportFault

RETRY_AFTER_SECONDS_MAX = 600.0
"""A longer `Retry-After` is cut to this: an absurd value must not stop delivery for days."""

_ANSWER_SHOWN_MAX = 1024
_WORD = re.compile(r"[^\W_]{3,}")
_CUT_WORD = re.compile(r"[^\W_]+$")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")

RetryReason: TypeAlias = Literal[
    "transport", "throttled", "server_error", "unreadable_answer", "credentials_unavailable"
]
BlockReason: TypeAlias = Literal[
    "unauthorized", "forbidden", "credentials_refused", "wrong_address", "unexpected_answer"
]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A 200 that says `ok: true`: all events of the request are stored."""

    operation_id: str | None


@dataclass(frozen=True, slots=True)
class Retry:
    """The endpoint or the way to it has trouble; the data is good."""

    reason: RetryReason
    after_seconds: float | None
    """What `Retry-After` asks for, at most RETRY_AFTER_SECONDS_MAX."""
    detail: str


@dataclass(frozen=True, slots=True)
class Split:
    """413: too large as a whole."""

    answer: str


@dataclass(frozen=True, slots=True)
class Refused:
    """400 or 422: at least one of the events is refused, and with it the whole request."""

    status: int
    error: str
    path: str | None
    location: tuple[int, int] | None
    """(line, column) in the body that was sent, both from 1."""
    answer: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """Credentials, address or version are wrong: nothing can be delivered until somebody mends that."""

    reason: BlockReason
    detail: str


Outcome: TypeAlias = Delivered | Retry | Split | Refused | Blocked


def classify(answer: Answer, sent: Callable[[], bytes] = bytes) -> Outcome:
    """The outcome of one request. `sent` gives its body: what blocks delivery is shown to people, and without a word of
    that, because an answer may quote it."""
    if isinstance(answer, TransportFault):
        reason: RetryReason = "credentials_unavailable" if answer.kind == "credentials_unavailable" else "transport"
        return Retry(reason, None, f"{answer.kind}: {answer.detail}")
    if isinstance(answer, CredentialsRefused):
        return Blocked("credentials_refused", answer.detail)
    match answer.status:
        case 200:
            return _accepted(answer)
        case 400 | 422:
            return _refused(answer)
        case 401:
            return Blocked("unauthorized", f"the endpoint answered 401: {_own_words(answer.body, sent())}")
        case 403:
            return Blocked("forbidden", f"the endpoint answered 403: {_own_words(answer.body, sent())}")
        case 413:
            return Split(shown(answer.body))
        case 408 | 425 | 429:
            return Retry("throttled", retry_after_seconds(answer), f"the endpoint answered {answer.status}")
        case 404 | 405 | 406 | 415 | 501 | 301 | 302 | 303 | 307 | 308:
            return Blocked("wrong_address", f"the endpoint answered {answer.status}: {_own_words(answer.body, sent())}")
        case status if 500 <= status <= 599:
            return Retry("server_error", retry_after_seconds(answer), f"the endpoint answered {status}")
        case status:
            return Blocked("unexpected_answer", f"the endpoint answered {status}: {_own_words(answer.body, sent())}")


def _accepted(answer: HttpAnswer) -> Delivered | Retry:
    body = _json_object(answer.body)
    if body is None or body.get("ok") is not True:
        found = "no JSON object" if body is None else f"ok: {json.dumps(body.get('ok'))[:40]}"
        return Retry("unreadable_answer", retry_after_seconds(answer), f"200 with {found}, expected ok: true")
    operation_id = body.get("operation_id", body.get("operationId"))
    return Delivered(operation_id[:200] if isinstance(operation_id, str) else None)


def _refused(answer: HttpAnswer) -> Refused:
    body = _json_object(answer.body) or {}
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    path = details.get("path")
    error = details.get("error") or body.get("error") or f"HTTP {answer.status}"
    return Refused(
        status=answer.status,
        error=str(error)[:_ANSWER_SHOWN_MAX],
        path=path if isinstance(path, str) else None,
        location=_location(details.get("location")),
        answer=shown(answer.body),
    )


def _location(value: object) -> tuple[int, int] | None:
    if not isinstance(value, dict):
        return None
    line, column = value.get("line"), value.get("column")
    if isinstance(line, int) and isinstance(column, int) and line >= 1 and column >= 0:
        return line, column
    return None


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def shown(body: bytes) -> str:
    """The bounded beginning of an answer, as text on one line."""
    text = body[: _ANSWER_SHOWN_MAX * 2].decode("utf-8", "replace")
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()[:_ANSWER_SHOWN_MAX]


def _own_words(body: bytes, sent: bytes) -> str:
    """The same, without the words that were sent: they may be a user's."""
    text = shown(body)
    if len(text) == _ANSWER_SHOWN_MAX:
        text = _CUT_WORD.sub("…", text)
    words = {word.lower() for word in _WORD.findall(sent.decode("utf-8", "replace"))}
    text = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), text)
    return _WORD.sub(lambda word: "…" if word[0].lower() in words else word[0], text)


def retry_after_seconds(answer: HttpAnswer) -> float | None:
    """`Retry-After` as seconds from now: digits, or an HTTP date, which is compared with the endpoint's own clock.

    None where there is none, or it cannot be read. Never negative, at most RETRY_AFTER_SECONDS_MAX.
    """
    text = (answer.retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return RETRY_AFTER_SECONDS_MAX if len(text) > 9 else min(float(text), RETRY_AFTER_SECONDS_MAX)
    then, now = _epoch_seconds(text), _epoch_seconds(answer.date or "")
    if then is None or now is None:
        return None
    return min(max(0.0, float(then - now)), RETRY_AFTER_SECONDS_MAX)


def _epoch_seconds(http_date: str) -> int | None:
    if not 10 <= len(http_date) <= 100:
        return None
    try:
        parsed = parsedate_tz(http_date)
        return None if parsed is None else mktime_tz(parsed)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
