"""`airship-connector dlq`: the dead letters, counted, shown and sent again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.dlq_options import (
    dead_letter_topic_option,
    filter_options,
    json_option,
    not_replayed_option,
    open_dead_letters,
    origin_topic_option,
    selection_of,
)
from connector.cli.dlq_replay import replay_command
from connector.cli.options import config_option
from connector.errors import SettingsError

if TYPE_CHECKING:
    from connector.dlq.letter import Letter
    from connector.dlq.selection import Selection
    from connector.dlq.topic import DeadLetterTopic


@click.group("dlq", epilog="Times are UTC. docs/dead-letters.md explains all of it.")
def dlq_command() -> None:
    """List, show and replay dead letters."""


dlq_command.add_command(replay_command)


@dlq_command.command("list")
@config_option
@dead_letter_topic_option
@filter_options
@not_replayed_option
@json_option
def list_command(
    config: Path | None, dead_letter_topic: str | None, not_replayed: bool, as_json: bool, **filters: Any
) -> None:
    """Count dead letters by reason, stage, topic, field and day.

    Nothing is committed and no group is joined. Counted is what was there at the start.
    """
    from connector.cli.dlq_view import Progress, show_sums
    from connector.dlq.letter import Letter
    from connector.dlq.sums import Sums

    _, topic = open_dead_letters(config, dead_letter_topic)
    selection = selection_of(filters)
    sums, ledger = Sums(), topic.ledger()
    with topic.read() as reader, Progress("reading", reader.records_left) as progress:
        for chunk in reader.chunks():
            for record in chunk:
                letter = Letter(record)
                replayed = letter.position in ledger
                if not (not_replayed and replayed) and selection.matches(letter):
                    sums.add(letter, replayed=replayed)
            progress.at(reader.records_left, f"{sums.total:,} match")
    if as_json:
        print(json.dumps(sums.as_json(), ensure_ascii=False))
    else:
        show_sums(topic.topic, sums)


@dlq_command.command("show")
@click.argument("position", metavar="[PARTITION:OFFSET]", required=False)
@config_option
@dead_letter_topic_option
@origin_topic_option
@filter_options
@not_replayed_option
@click.option("--count", default=10, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--reveal", is_flag=True, help="Show what is in the messages, not only their form.")
@json_option
def show_command(
    position: str | None,
    config: Path | None,
    dead_letter_topic: str | None,
    origin_topic: str | None,
    not_replayed: bool,
    count: int,
    reveal: bool,
    as_json: bool,
    **filters: Any,
) -> int:
    """Show dead letters: what was wrong, where they came from, and what the settings would make of them now.

    The one at PARTITION:OFFSET of the dead-letter topic, or the first that match the filters. What is in the messages
    is hidden, on a terminal and elsewhere, unless --reveal is given.
    """
    from connector.cli.dlq_view import show_letter
    from connector.dlq.explained import explained
    from connector.dlq.letter import Message
    from connector.preview.judge import Judge

    settings, topic = open_dead_letters(config, dead_letter_topic)
    if position is not None:
        letters: Iterable[Letter] = _the_one(topic, position)
    else:
        letters = _first(topic, selection_of(filters), count, not_replayed=not_replayed)
    shown = 0
    with Judge(settings) as judge:
        for letter in letters:
            original = topic.pointed_at(letter) if letter.is_pointer else None
            message = Message(letter, origin_topic, original)
            view = explained(letter, message, judge, time.time(), reveal=reveal)
            if as_json:
                print(json.dumps(view, ensure_ascii=False, default=str), flush=True)
            else:
                show_letter(view, first=not shown)
            shown += 1
    if not as_json and not shown:
        print("no dead letter matches", file=sys.stderr)
    elif not as_json and not reveal:
        print("\nwhat messages hold is hidden; --reveal shows it", file=sys.stderr)
    return 0


def _the_one(topic: DeadLetterTopic, told: str) -> list[Letter]:
    partition, _, offset = told.partition(":")
    if not (partition.isdigit() and offset.isdigit()):
        raise SettingsError([f"found {told!r}, expected PARTITION:OFFSET of the dead-letter topic, such as 0:42"])
    letter = topic.letter(int(partition), int(offset))
    if letter is None:
        raise SettingsError([f"{topic.topic} has no letter at {told}; `dlq show` without a position lists the first"])
    return [letter]


def _first(topic: DeadLetterTopic, selection: Selection, count: int, *, not_replayed: bool) -> Iterator[Letter]:
    from connector.cli.dlq_view import Progress
    from connector.dlq.letter import Letter

    found = 0
    ledger = topic.ledger()
    with topic.read() as reader, Progress("searching", reader.records_left) as progress:
        for chunk in reader.chunks():
            progress.at(reader.records_left, f"{found:,} match")
            for record in chunk:
                letter = Letter(record)
                if (not_replayed and letter.position in ledger) or not selection.matches(letter):
                    continue
                found += 1
                progress.pause()
                yield letter
                if found == count:
                    return
