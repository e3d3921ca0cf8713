"""Log lines: configured once for the whole process, written by a thread of their own, never in the loop's way.

    EventLog("kafka").info("partitions assigned", count=3)    or `logging.getLogger("connector.x")` with `extra={...}`
      -> a bounded queue   whoever logs only puts the record there; a full queue drops it and counts
      -> the writer        leaves out what repeats itself, makes the line, writes it

What must not be in a log is kept out by construction: a field is a number or a short text of our own, bytes are shown
by their length alone, a secret by its mask, and of an exception that is not ours only the class and the place are
shown, because its text may quote what it choked on.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TextIO, TypeAlias

from opentelemetry.trace import SpanContext
from pydantic import SecretStr

from connector.settings import LogSettings
from connector.telemetry.log_lines import Blot, JsonLines, TextLines
from connector.telemetry.storms import LeftOut, Storms

Field: TypeAlias = str | int | float | bool | SecretStr | None

ROOT = "connector"
QUEUE_LINES_MAX = 10_000
CLOSE_SECONDS = 2.0
_IDLE_SECONDS = 1.0


class EventLog:
    """Events of one part of the connector: a fixed message and fields.

    The message is a constant, so that lines can be searched and counted by it; what varies is in the fields.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name if name.startswith(ROOT) else f"{ROOT}.{name}")

    def debug(self, message: str, /, *, trace: SpanContext | None = None, **fields: Field) -> None:
        self._log(logging.DEBUG, message, trace, None, fields)

    def info(self, message: str, /, *, trace: SpanContext | None = None, **fields: Field) -> None:
        self._log(logging.INFO, message, trace, None, fields)

    def warning(
        self, message: str, /, *, trace: SpanContext | None = None, error: BaseException | None = None, **fields: Field
    ) -> None:
        self._log(logging.WARNING, message, trace, error, fields)

    def error(
        self, message: str, /, *, trace: SpanContext | None = None, error: BaseException | None = None, **fields: Field
    ) -> None:
        self._log(logging.ERROR, message, trace, error, fields)

    def _log(
        self,
        level: int,
        message: str,
        trace: SpanContext | None,
        error: BaseException | None,
        fields: Mapping[str, Field],
    ) -> None:
        if self._logger.isEnabledFor(level):
            # `%` in a message is text: there are no arguments that it could be meant for
            self._logger.log(level, message, exc_info=error, extra={"event_fields": fields, "event_trace": trace})


class LogWriter(logging.Handler):
    """Takes records from every thread; one thread of its own owns the storms, the form and the stream.

    The queue is all that the threads share. The base class keeps its lock: from Python 3.13 on it takes it without
    asking whether there is one, and nothing here ever holds it for longer than a `put_nowait`.
    """

    def __init__(self, stream: TextIO, storms: Storms) -> None:
        super().__init__()
        self._stream = stream
        self._storms = storms
        self._records: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE_LINES_MAX)
        self._dropped = 0  # raised by any thread without care: a lost count among thousands tells the same
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def _run(self) -> None:
        look_at = time.monotonic() + _IDLE_SECONDS
        while True:
            try:
                record = self._records.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                self._tell(self._storms.ended())
                continue
            if record is None:
                break
            if self._storms.passes(record):
                self._write(record)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._write(_own("lines dropped: they came faster than they could be written", {"dropped": dropped}))
            if time.monotonic() >= look_at:
                self._tell(self._storms.ended())
                look_at = time.monotonic() + _IDLE_SECONDS
        self._tell(self._storms.ended(everything=True))

    def _tell(self, left_out: Iterable[LeftOut]) -> None:
        for storm in left_out:
            fields = {"of": storm.message, "reason": storm.reason or None, "left_out": storm.lines}
            self._write(_own("lines left out", fields, storm.logger, storm.level))

    def _write(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            line = f"a log line of {record.name} cannot be formatted: {type(error).__name__}"
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more, or the stream is closed: there is nowhere left to say so

    def close(self) -> None:
        """Writes what is queued, within CLOSE_SECONDS."""
        deadline = time.monotonic() + CLOSE_SECONDS
        if self._thread.is_alive():
            try:
                self._records.put(None, timeout=CLOSE_SECONDS)
            except queue.Full:
                return
            self._thread.join(max(0.0, deadline - time.monotonic()))
        super().close()


def _own(
    message: str, fields: Mapping[str, Field], logger: str = f"{ROOT}.log", level: int = logging.WARNING
) -> logging.LogRecord:
    record = logging.LogRecord(logger, level, "", 0, message, (), None)
    record.event_fields = fields
    return record


@dataclass(frozen=True, slots=True)
class Logs:
    """What `configure` set up; `close` writes what is queued and puts back what was before."""

    writer: LogWriter
    handlers_before: list[logging.Handler]
    root_level_before: int
    own_level_before: int

    def close(self) -> None:
        logging.captureWarnings(False)
        root = logging.getLogger()
        root.handlers = self.handlers_before
        root.setLevel(self.root_level_before)
        logging.getLogger(ROOT).setLevel(self.own_level_before)
        self.writer.close()


def form(settings: LogSettings, stream: TextIO | None = None) -> Literal["json", "text"]:
    """As it is set; where it is not, text on a terminal and JSON elsewhere."""
    if "format" in settings.model_fields_set:
        return settings.format
    return "text" if (sys.stderr if stream is None else stream).isatty() else "json"


def configure(
    log_format: Literal["json", "text"],
    level: Literal["debug", "info", "warning", "error"],
    *,
    secrets: Iterable[SecretStr | None] = (),
    stream: TextIO | None = None,
    storms: Storms | None = None,
) -> Logs:
    """Sends every log line of the process to `stream` (standard error) in one form.

    `secrets` are blotted out wherever they turn up. Libraries are heard from `warning` on: what some of them say below
    that (headers, addresses) is not for a log.
    """
    stream = sys.stderr if stream is None else stream
    writer = LogWriter(stream, Storms() if storms is None else storms)
    blot = Blot(secrets)
    writer.setFormatter(JsonLines(blot) if log_format == "json" else TextLines(blot, colour=stream.isatty()))
    root, own = logging.getLogger(), logging.getLogger(ROOT)
    logs = Logs(writer, root.handlers[:], root.level, own.level)
    root.handlers = [writer]
    root.setLevel(logging.WARNING)
    own.setLevel(level.upper())
    logging.captureWarnings(True)
    return logs
