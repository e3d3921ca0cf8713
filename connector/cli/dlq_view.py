"""What a person sees of the dead letters: progress, counts, one letter. What others wrote is shown without control
characters, which could take the terminal over."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import click

from connector.cli.output import colours
from connector.dlq.choosing import IN_WORDS, Account, Chosen, Rules
from connector.dlq.sums import Sums
from connector.kafka.letter_format import VERSION

_ROWS_MAX = 15
_LINE_SECONDS = 5.0
_DRAW_SECONDS = 0.1


class Progress:
    """On standard error: a line that is drawn anew on a terminal, and a line now and then elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._terminal = sys.stderr.isatty()
        self._shown_at = self._started = time.monotonic()
        self._drawn = False

    def at(self, left: int, note: str) -> None:
        now = time.monotonic()
        if now - self._shown_at < (_DRAW_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._shown_at = now
        done = self._total - left
        share = 100 * done // self._total if self._total else 100
        rate = int(done / max(now - self._started, 0.001))
        line = printable(f"{self._what}: {note}; {done:,} of {self._total:,} read ({share} %), {rate:,} a second")
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be drawn over
            sys.stderr.write(f"\r\x1b[2K{line[:width]}")
            sys.stderr.flush()
            self._drawn = True
        else:
            print(line, file=sys.stderr, flush=True)

    def pause(self) -> None:
        """Something else is printed now."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()


def show_sums(topic: str, sums: Sums) -> None:
    letters = "dead letter" if sums.total == 1 else "dead letters"
    print(f"{_bold(f'{sums.total:,} {letters}')} in {topic}, {sums.replayed:,} of them replayed")
    tables: dict[str, Mapping[str, int]] = {
        "by reason": sums.by_reason,
        "by stage": sums.by_stage,
        "by topic": sums.by_topic,
        "by field": sums.by_field,
        "by day": sums.by_day,
    }
    for title, counts in tables.items():
        if counts:
            print(f"\n{_bold(title)}")
            _show_counts(title, counts)


def _show_counts(title: str, counts: Mapping[str, int]) -> None:
    rows = (
        sorted(counts.items(), key=lambda row: row[0]) if title == "by day" else sorted(counts.items(), key=_descending)
    )
    shown = rows[-_ROWS_MAX:] if title == "by day" else rows[:_ROWS_MAX]
    width = max(len(f"{count:,}") for _, count in shown)
    for name, count in shown:
        print(f"  {count:>{width},}  {printable(name)}")
    if len(rows) > len(shown):
        rest = sum(count for _, count in rows) - sum(count for _, count in shown)
        print(f"  {rest:>{width},}  in {len(rows) - len(shown)} more (--json has all)")


def _descending(row: tuple[str, int]) -> tuple[int, str]:
    return -row[1], row[0]


def show_chosen(chosen: Iterable[Chosen], *, as_json: bool) -> None:
    """A line for each letter that would be sent."""
    for letter, message in chosen:
        partition, offset = letter.position
        size, replay = len(message.value() or b""), letter.replays + 1
        if as_json:
            to = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            line = {"partition": partition, "offset": offset, "origin": to, "replay": replay, "bytes": size}
            print(json.dumps(line, ensure_ascii=False))
        else:
            place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
            print(printable(f"{partition}:{offset}  from {place}, replay {replay}, {size:,} bytes"))


def show_plan(account: Account, rules: Rules) -> None:
    """What a replay would do."""
    print(_bold(f"{account.selected:,} of {account.read:,} dead letters would be sent"))
    for topic, count in account.topics.most_common():
        print(f"  {count:,} from {printable(topic)}")
    _show_left(account, rules)
    print("dry run: nothing was sent, nothing was marked")


def show_outcome(account: Account, rules: Rules) -> None:
    """What a replay did; the last line has the sums."""
    _show_left(account, rules)
    unsent = account.selected - account.replayed - account.rejected_again
    if unsent:
        print(f"  {unsent:,} were chosen and not settled: the next replay takes them")
    print(
        f"{account.selected:,} selected, {account.replayed:,} replayed, "
        f"{account.skipped.total():,} skipped, {account.rejected_again:,} rejected again"
    )


def _show_left(account: Account, rules: Rules) -> None:
    if account.not_matching:
        print(f"  {account.not_matching:,} do not match the filters")
    for why, count in account.skipped.most_common():
        limit = f" (now {rules.replays_max})" if why == "replays_max" else ""
        print(f"  {count:,} {IN_WORDS[why]}{limit}")
        if why == "would_be_rejected":
            for reason, of_them in account.rejections.most_common():
                print(f"    {of_them:,} {reason}")


def show_letter(view: Mapping[str, Any], *, first: bool) -> None:
    """`view`: as `explained` made it."""
    if not first:
        print()
    origin = view["origin"]
    place = f"{origin['topic'] or '?'}[{_or_unknown(origin['partition'])}]@{_or_unknown(origin['offset'])}"
    print(
        _bold(f"{view['partition']}:{view['offset']}"), printable(f"from {place}, failed at {view['failed_at'] or '?'}")
    )
    why = [view["stage"], view["reason"] or view["error_class"], view["http_status"] and f"HTTP {view['http_status']}"]
    _row("why", ", ".join(str(part) for part in why if part) or "not told")
    for fault in (view["message"] or "").split("; "):
        _row("", fault)
    if view["answer"] is not None:
        _row("answer", view["answer"])
    _row("now", _now_in_words(view))
    _row("tried", _history(view))
    _row("key", "none" if view["key"] is None else view["key"])
    for header in view["headers"]:
        _row("header", f"{header['name']}: {'none' if header['value'] is None else header['value']}")
    _block("message", "none" if view["value"] is None else view["value"])
    for event in view["now"].get("events", ()):
        if event != view["value"]:
            _block("event", event)


def _now_in_words(view: Mapping[str, Any]) -> str:
    now = view["now"]
    if now["outcome"] == "unknown":
        return f"cannot be told: {now['why']}"
    if now["outcome"] == "event":
        events = "one event" if len(now["events"]) == 1 else f"{len(now['events'])} events"
        return f"would pass: {events} by {now['route']}"
    if now["outcome"] == "skip":
        return f"would be skipped ({now['skipped']})"
    faults = "; ".join(f"{f['field'] or 'event'}: found {f['found']}, expected {f['expected']}" for f in now["faults"])
    same = faults == view["message"] and now["reason"] == view["reason"]
    return "would be rejected again" + (" for the same" if same else f": {now['stage']}, {now['reason']}: {faults}")


def _history(view: Mapping[str, Any]) -> str:
    parts = [f"{view['attempts']} requests, {view['replays']} replays"]
    parts += [f"schema {view['schema_id']}"] if view["schema_id"] else []
    parts += [f"group {view['group']}"] if view["group"] else []
    parts += [f"written by {view['written_by']}"] if view["written_by"] != "airship-connector" else []
    parts += [f"format {view['format']}, newer than {VERSION}"] if (view["format"] or 0) > VERSION else []
    parts += [f"left out: {', '.join(view['left_out'])}"] if view["left_out"] else []
    return ", ".join(parts)


def _row(name: str, text: object) -> None:
    if text:
        print(f"  {_dim(f'{name:<8}')} {printable(str(text))}")


def _block(name: str, value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    for place, line in enumerate(text.split("\n")):
        _row(name if place == 0 else "", line)


def _or_unknown(value: int | None) -> object:
    return "?" if value is None else value


def printable(text: str) -> str:
    """Without what a terminal acts on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _bold(text: str) -> str:
    return click.style(text, bold=True) if colours(sys.stdout) else text


def _dim(text: str) -> str:
    return click.style(text, dim=True) if colours(sys.stdout) else text
