"""Log lines: one event a line, nothing secret or personal in it, storms counted, the loop never held up."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags
from pydantic import BaseModel, SecretStr, ValidationError

from connector.errors import DecodeError, SettingsError
from connector.settings import LogSettings
from connector.telemetry import logs
from connector.telemetry.log_lines import TEXT_MAX
from connector.telemetry.logs import EventLog, LogWriter
from connector.telemetry.storms import LINES_MAX, WINDOW_SECONDS, Storms

TRACE = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))


class Log:
    """A configured log that writes into memory."""

    def __init__(self, log_format: str = "json", level: str = "debug", secrets: tuple[SecretStr, ...] = ()) -> None:
        self.clock = 100.0
        self.stream = io.StringIO()
        self._logs = logs.configure(
            log_format,  # type: ignore[arg-type]
            level,  # type: ignore[arg-type]
            secrets=secrets,
            stream=self.stream,
            storms=Storms(lambda: self.clock),
        )

    def close(self) -> None:
        self._logs.close()

    def text(self) -> str:
        """All that was written; nothing more can be logged."""
        self.close()
        return self.stream.getvalue()

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.close()


def test_a_line_is_one_json_object_with_its_fields(log: Log):
    before = datetime.now(UTC)
    EventLog("kafka").info("partitions assigned", count=3, topic="orders", share=0.25, paused=False, none=None)
    (line,) = log.lines()
    moment = datetime.fromisoformat(str(line.pop("time")))
    assert abs((moment - before).total_seconds()) < 5
    assert line == {
        "level": "info",
        "logger": "connector.kafka",
        "message": "partitions assigned",
        "count": 3,
        "topic": "orders",
        "share": 0.25,
        "paused": False,
    }


def test_a_line_about_a_batch_has_its_trace(log: Log):
    EventLog("loop").warning("request failed", trace=TRACE)
    EventLog("loop").warning("other", trace=INVALID_SPAN_CONTEXT)
    with_trace, without = log.lines()
    assert with_trace["trace_id"] == "00000000000000000000000000000abc"
    assert with_trace["span_id"] == "0000000000000def"
    assert "trace_id" not in without


def test_what_is_in_a_field_cannot_break_the_line_or_pose_as_another(log: Log):
    EventLog("loop").info("a message", detail='x"}\n{"level":"error"\u2028\x1b[31m', message_="m", level="shout")
    (line,) = log.lines()
    assert line["detail"] == 'x"} {"level":"error" [31m'
    assert line["level"] == "info"
    assert line["level_"] == "shout"


def test_long_texts_are_cut_and_odd_values_are_only_named(log: Log):
    EventLog("loop").info(
        "odd",
        long="x" * 10_000,
        data=b"payload",  # type: ignore[arg-type]
        thing=object(),  # type: ignore[arg-type]
        record={"user": "hugh"},  # type: ignore[arg-type]
        infinite=float("inf"),
        token=SecretStr("tok-1234567"),
    )
    (line,) = log.lines()
    assert len(str(line["long"])) == TEXT_MAX
    assert line["data"] == "[7 bytes]"
    assert line["thing"] == "[object]"
    assert line["record"] == "[dict]"
    assert line["infinite"] == "inf"
    assert line["token"] == "[secret]"


def test_percent_signs_in_a_message_are_text(log: Log):
    EventLog("loop").info("100 % of %s")
    assert log.lines()[0]["message"] == "100 % of %s"


def test_the_level_is_the_setting_and_libraries_are_heard_from_warning_on():
    log = Log(level="info")
    EventLog("loop").debug("not seen")
    logging.getLogger("httpcore.http11").debug("headers: authorization")
    logging.getLogger("httpx").info("HTTP Request: POST https://go.example.com")
    logging.getLogger("aiohttp.server").warning("%s went %s", "something", "wrong", extra={"port": 8080})
    logging.getLogger("connector.admin").info("admin pages are served", extra={"port": 8080})
    messages = [(line["logger"], line["message"], line.get("port")) for line in log.lines()]
    assert messages == [
        ("aiohttp.server", "something went wrong", 8080),
        ("connector.admin", "admin pages are served", 8080),
    ]


def test_a_librarys_line_that_does_not_fit_its_arguments_is_still_a_line():
    log = Log()  # not the fixture: pytest's own handler, which comes after it, would raise
    arguments = ("many",)
    logging.getLogger("library").warning("%d items of %s", *arguments)
    assert log.lines()[0]["message"] == "%d items of %s"


def test_warnings_of_the_interpreter_go_the_same_way(log: Log):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = log.lines()
    assert line["logger"] == "py.warnings"
    assert "old" in str(line["message"])


class Event(BaseModel):
    named_user_id: int


def payload_error() -> BaseException:
    """An exception of a library whose text quotes what it choked on."""
    try:
        Event(named_user_id="hugh.manbeing")  # type: ignore[arg-type]
    except ValidationError as error:
        return error
    raise AssertionError("expected to fail")


def test_an_exception_is_shown_by_class_and_place_and_its_text_only_where_it_is_ours(log: Log):
    event_log = EventLog("loop")
    event_log.error("one", error=payload_error())
    event_log.error("two", error=SettingsError(["airship.region: found mars"]))
    event_log.error("three", error=FileNotFoundError(2, "No such file or directory", "token"))
    event_log.error("four", error=DecodeError("not_json", []))
    try:
        int("hugh.manbeing")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    text = log.text()
    assert "hugh" not in text
    one, two, three, four, five = [json.loads(line) for line in text.splitlines()]
    assert one["error"] == "pydantic_core._pydantic_core.ValidationError"
    assert re.fullmatch(r"test_logs\.py:\d+ payload_error", one["stack"][0])
    assert one["stack"][-1].startswith("pydantic/"), "where it is installed is left out"
    assert two["error"] == "connector.errors.SettingsError: airship.region: found mars"
    assert three["error"] == "FileNotFoundError: [Errno 2] No such file or directory: 'token'"
    assert four["error"] == "connector.errors.DecodeError"
    assert five["error"] == "ValueError"


def test_what_caused_an_error_of_ours_is_told(log: Log):
    try:
        try:
            raise PermissionError(13, "Permission denied", "token")
        except OSError as cause:
            raise SettingsError(["airship.auth: cannot be read"]) from cause
    except SettingsError as error:
        EventLog("loop").error("no start", error=error)
    assert log.lines()[0]["error"] == (
        "connector.errors.SettingsError: airship.auth: cannot be read, "
        "caused by PermissionError: [Errno 13] Permission denied: 'token'"
    )


def test_known_secrets_and_credentials_are_blotted_out_wherever_they_turn_up():
    token, longer = SecretStr("s3cr3t-token"), SecretStr("s3cr3t-token-of-another")
    log = Log(secrets=(token, longer))
    event_log = EventLog("airship")
    event_log.warning("answer", detail="you sent s3cr3t-token-of-another and s3cr3t-token")
    event_log.warning("header", detail="Authorization: Bearer eyJhbGciOi.JFUzM4NCJ9-x, basic dXNlcjpwYXNzd29yZA==")
    event_log.warning("address", detail="proxy http://user:pass@proxy:3128/ failed")
    logging.getLogger("library").error("token is %s", "s3cr3t-token")
    text = log.text()
    for secret in ("s3cr3t", "eyJhbGci", "dXNlcjpw", "user:pass", "of-another"):
        assert secret not in text
    assert "http://[secret]@proxy:3128/" in text


def test_a_storm_is_cut_short_and_counted_with_the_next_line_of_its_kind(log: Log):
    event_log = EventLog("loop")
    for batch in range(20):
        event_log.warning("request failed", batch=batch)
    event_log.info("something else")
    settle(log)
    log.clock += WINDOW_SECONDS
    event_log.warning("request failed", batch=99)
    lines = log.lines()
    failed = [line for line in lines if line["message"] == "request failed"]
    assert [line["batch"] for line in failed] == [*range(LINES_MAX), 99]
    assert "something else" in [line["message"] for line in lines], "another kind is not part of the storm"
    assert failed[-1]["left_out"] == 20 - LINES_MAX


def test_what_a_storm_left_out_is_told_at_the_end_if_not_before(log: Log):
    for _ in range(50):
        EventLog("loop").error("again")
    (last,) = [line for line in log.lines() if line["message"] == "lines left out"]
    assert last["of"] == "again"
    assert last["left_out"] == 50 - LINES_MAX
    assert last["level"] == "error"
    assert last["logger"] == "connector.loop"


def test_a_storm_that_has_ended_is_told_without_another_line():
    clock = [0.0]
    storms = Storms(lambda: clock[0])
    record = logging.LogRecord("x", logging.WARNING, "", 0, "m", (), None)
    assert [storms.passes(record) for _ in range(7)] == [True] * LINES_MAX + [False] * 2
    assert storms.ended() == []
    clock[0] = WINDOW_SECONDS
    assert storms.ended() == [("x", logging.WARNING, "m", "", 2)]
    assert storms.ended() == []


def test_lines_of_librdkafka_are_told_apart_by_their_facility():
    storms = Storms(lambda: 0.0)

    def line(facility: str) -> logging.LogRecord:
        values = (facility, "consumer-1", "text of this moment")
        return logging.LogRecord("connector.kafka", logging.ERROR, "", 0, "%s [%s] %s", values, None)

    assert [storms.passes(line("FAIL")) for _ in range(9)].count(True) == LINES_MAX
    assert storms.passes(line("SESSTMOUT")), "a refused connection hides no other trouble"
    assert [storm.message for storm in storms.ended(everything=True)] == ["FAIL of librdkafka"]


def test_a_storm_for_one_reason_does_not_hide_another(log: Log):
    for _ in range(20):
        EventLog("loop").warning("records rejected", reason="not_json")
    EventLog("loop").warning("records rejected", reason="too_large")
    lines = log.lines()
    told = [line["reason"] for line in lines if line["message"] == "records rejected"]
    assert told == ["not_json"] * LINES_MAX + ["too_large"]
    (left_out,) = [line for line in lines if line["message"] == "lines left out"]
    assert (left_out["reason"], left_out["left_out"]) == ("not_json", 15)


def test_ever_new_messages_do_not_grow_the_memory():
    storms = Storms(lambda: 0.0)
    for number in range(5_000):
        record = logging.LogRecord("library", logging.WARNING, "", 0, f"message {number}", (), None)
        assert storms.passes(record)
    assert len(storms._windows) <= 1_000


def test_a_stream_that_nobody_reads_does_not_hold_up_whoever_logs():
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as pipe:
        configured = logs.configure("json", "info", stream=pipe)
        began = time.monotonic()
        for number in range(3_000):  # far more than a pipe holds, each of a kind of its own
            EventLog("loop").info(f"message {number}", detail="x" * 400)
        assert time.monotonic() - began < 2.0
        drain = threading.Thread(target=read_to_the_end, args=(reading,))
        drain.start()
        configured.close()
    drain.join(20)
    assert not drain.is_alive()


def read_to_the_end(descriptor: int) -> None:
    with open(descriptor, "rb") as file:
        while file.read(65536):
            pass


def test_lines_that_had_to_be_dropped_are_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "QUEUE_LINES_MAX", 4)
    stream = Slow()
    configured = logs.configure("json", "info", stream=stream)
    for number in range(10):
        EventLog("loop").info(f"message {number}")
    stream.go.set()
    configured.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    written = [line for line in lines if str(line["message"]).startswith("message")]
    (dropped,) = [line for line in lines if "dropped" in line]
    assert len(written) + int(dropped["dropped"]) == 10
    assert len(written) < 10


class Slow(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.go.wait(20)
        return super().write(text)


def test_a_closed_stream_raises_nowhere():
    stream = io.StringIO()
    configured = logs.configure("json", "info", stream=stream)
    stream.close()
    EventLog("loop").info("into the void")
    configured.close()
    EventLog("loop").warning("after the end")


def test_closing_puts_back_what_was_before():
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("connector").level)
    log = Log()
    assert root.handlers != before[0]
    log.close()
    assert (root.handlers, root.level, logging.getLogger("connector").level) == before


def test_a_terminal_gets_readable_text():
    log = Log("text")
    EventLog("kafka").info("partitions assigned", count=2, names="a[0], b[1]")
    EventLog("loop").error("boom", error=payload_error())
    first, second, *places = log.text().splitlines()
    assert first[12:] == ' INFO    kafka: partitions assigned  count=2  names="a[0], b[1]"'
    assert second[12:].startswith(" ERROR   loop: boom  error=pydantic_core")
    assert places
    assert all(place.startswith("    at ") for place in places)


def test_a_terminal_gets_text_unless_the_format_is_set():
    assert logs.form(LogSettings(), io.StringIO()) == "json"
    assert logs.form(LogSettings(), Terminal()) == "text"
    assert logs.form(LogSettings(format="json"), Terminal()) == "json"
    assert logs.form(LogSettings(format="text"), io.StringIO()) == "text"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_alone():
    terminal = Terminal()
    configured = logs.configure("text", "info", stream=terminal)
    EventLog("loop").warning("careful")
    configured.close()
    assert "\x1b[33m" in terminal.getvalue()
    plain = Log("text")
    EventLog("loop").warning("careful")
    assert "\x1b" not in plain.text()


def settle(log: Log) -> None:
    """Waits until the writer has taken all that was logged: its storms are kept in its own time."""
    writer = next(handler for handler in logging.getLogger().handlers if isinstance(handler, LogWriter))
    deadline = time.monotonic() + 10
    EventLog("test").info(marker := f"marker {time.monotonic_ns()}")
    while marker not in log.stream.getvalue():
        assert time.monotonic() < deadline
        assert writer._thread.is_alive()
        time.sleep(0.001)
