"""A log record as one line: a JSON object for programs, text for a terminal.

Every text is bounded, free of control characters (one event is one line, whatever is in it), and passes the blot.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType

from opentelemetry.trace import SpanContext
from pydantic import SecretStr

from connector.errors import ConnectorError

TEXT_MAX = 500
FRAMES_MAX = 20
CAUSES_MAX = 4

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_OURS = frozenset({"event_fields", "event_trace", "event_left_out"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_CREDENTIAL = re.compile(r"(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{6,}")
_USERINFO = re.compile(r"://[^/\s:@]+:[^/\s@]+@")

_SAFE_TEXT = (ConnectorError, OSError, AssertionError)
"""Exceptions whose text may be shown: ours say what was found without quoting it, OSError's is the system's."""


class Blot:
    """Takes known secrets, and what looks like credentials, out of a text."""

    def __init__(self, secrets: Iterable[SecretStr | None] = ()) -> None:
        known = {secret.get_secret_value() for secret in secrets if secret is not None}
        # the longest first: a secret that contains another one must not leave its rest behind
        self._known = sorted((text for text in known if len(text) >= 4), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, "[secret]")
        return _USERINFO.sub("://[secret]@", _CREDENTIAL.sub(r"\1\2[secret]", text))


_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m", "debug": "\x1b[2m"}


class _Lines(logging.Formatter):
    def __init__(self, blot: Blot) -> None:
        super().__init__()
        self._blot = blot

    def _event(self, record: logging.LogRecord) -> dict[str, object]:
        """All that the line says, in its order."""
        moment = datetime.fromtimestamp(record.created, UTC)
        event: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._text(_message(record)),
        }
        context = getattr(record, "event_trace", None)
        if isinstance(context, SpanContext) and context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in _OURS}
        for name, value in {**extra, **getattr(record, "event_fields", {})}.items():
            if value is not None:
                event[name if name not in event else f"{name}_"] = self._value(value)
        left_out = getattr(record, "event_left_out", 0)
        if left_out:
            event["left_out"] = left_out
        if record.exc_info and record.exc_info[1] is not None:
            event["error"] = self._text(error_text(record.exc_info[1]))
            event["stack"] = frames(record.exc_info[2])
        return event

    def _value(self, value: object) -> object:
        if isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return round(value, 6) if value - value == 0 else str(value)  # JSON has no infinity and no NaN
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{len(value)} bytes]"
        if isinstance(value, SecretStr):
            return "[secret]"
        if isinstance(value, BaseException):
            return self._text(error_text(value))
        if isinstance(value, str):
            return self._text(value)
        return f"[{type(value).__name__}]"  # of anything else nobody knows what it would show

    def _text(self, text: str) -> str:
        text = self._blot(_CONTROL.sub(" ", text))
        return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


class JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self._event(record), ensure_ascii=False, separators=(",", ":"))


class TextLines(_Lines):
    """`12:30:01.250 WARNING  kafka: message  key=value`, with colour on a terminal."""

    def __init__(self, blot: Blot, *, colour: bool) -> None:
        super().__init__(blot)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        event = self._event(record)
        moment = str(event.pop("time"))[11:-1]
        level, logger, message = (str(event.pop(name)) for name in ("level", "logger", "message"))
        stack = event.pop("stack", None)
        fields = "  ".join(f"{name}={_quoted(value)}" for name, value in event.items())
        head = f"{moment} {level.upper():<7} {logger.removeprefix('connector.')}: {message}"
        if self._colour and level in _COLOURS:
            head = f"{_COLOURS[level]}{head}\x1b[0m"
        lines = [f"{head}  {fields}" if fields else head]
        if isinstance(stack, list):
            lines += [f"    at {frame}" for frame in stack]
        return "\n".join(lines)


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[\s\"=]", text) or not text else text


def _message(record: logging.LogRecord) -> str:
    """With the arguments of a library's own line; a line that does not fit its arguments is still a line."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def error_text(error: BaseException) -> str:
    """The class of an error and of what caused it, with the text of those whose text may be shown."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < CAUSES_MAX:
        name = f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins.")
        parts.append(f"{name}: {cause}" if isinstance(cause, _SAFE_TEXT) and str(cause) else name)
        cause = cause.__cause__
    return ", caused by ".join(parts)


def frames(trace: TracebackType | None) -> list[str]:
    """Where it happened, the innermost last; places only, no values and no source."""
    summary = traceback.extract_tb(trace)
    return [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in summary[-FRAMES_MAX:]]


def _short(path: str) -> str:
    """From the package's name on: where it is installed is nobody's business."""
    for marker in ("/site-packages/", "/connector/", "/lib/python"):
        place = path.rfind(marker)
        if place >= 0:
            return path[place + len(marker) :] if marker == "/site-packages/" else path[place + 1 :]
    return path.rsplit("/", 1)[-1]
