"""`airship-connector dlq`: the dead letters, counted, shown and sent again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import Command, config_option, load_settings
from connector.errors import SettingsError

if TYPE_CHECKING:
    from connector.dlq.letter import Letter
    from connector.dlq.selection import Selection
    from connector.dlq.topic import DeadLetterTopic
    from connector.settings import Settings

_FILTERS: list[Callable[[Command], Command]] = [
    click.option("--reason", "reasons", multiple=True, metavar="CODE", help="Refused for this reason."),
    click.option("--stage", "stages", multiple=True, metavar="STAGE", help="decode, map, validate or deliver."),
    click.option("--field", "fields", multiple=True, metavar="FIELD", help="This field was refused."),
    click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="The message came from this topic."),
    click.option("--schema-id", "schema_ids", multiple=True, metavar="ID", help="Written with this schema."),
    click.option("--group", "groups", multiple=True, metavar="GROUP", help="Refused by this consumer group."),
    click.option("--since", metavar="TIME", help="Failed at this time or later: 12h (ago), 2026-05-31T08:00Z."),
    click.option("--until", metavar="TIME", help="Failed before this time."),
    click.option("--text", metavar="TEXT", help="The message's value or key contains this, as UTF-8."),
]
"""Every filter that is given must match; one that is given several times matches any of its values."""

dead_letter_topic_option = click.option(
    "--dead-letter-topic", metavar="TOPIC", help="Another topic than dead_letters.topic; it may be another program's."
)
origin_topic_option = click.option(
    "--origin-topic", metavar="TOPIC", help="Where the messages of letters came from that do not say it (arroyo's)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


def filter_options(command: Command) -> Command:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group("dlq", epilog="Times are UTC. docs/dead-letters.md explains all of it.")
def dlq_command() -> None:
    """List, show and replay dead letters."""


@dlq_command.command("list")
@config_option
@dead_letter_topic_option
@filter_options
@click.option("--not-replayed", is_flag=True, help="Only letters that no replay has sent again.")
@json_option
def list_command(
    config: Path | None, dead_letter_topic: str | None, not_replayed: bool, as_json: bool, **filters: Any
) -> None:
    """Count dead letters by reason, stage, topic, field and day.

    Nothing is committed and no group is joined. Counted is what was there at the start.
    """
    from connector.cli.dlq_view import Progress, show_sums
    from connector.dlq.sums import Sums

    _, topic = _open(config, dead_letter_topic)
    selection = selection_of(filters)
    sums, ledger = Sums(), topic.ledger()
    with topic.read() as reader, Progress("reading", reader.records_left) as progress:
        from connector.dlq.letter import Letter

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
@click.option("--not-replayed", is_flag=True, help="Only letters that no replay has sent again.")
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

    settings, topic = _open(config, dead_letter_topic)
    if position is not None:
        letters: Iterable[Letter] = _the_one(topic, position)
    else:
        letters = _first(topic, selection_of(filters), count, not_replayed=not_replayed)
    shown = 0
    with Judge(settings) as judge:
        for letter in letters:
            view = explained(letter, Message(letter, origin_topic), judge, time.time(), reveal=reveal)
            if as_json:
                print(json.dumps(view, ensure_ascii=False, default=str), flush=True)
            else:
                show_letter(view, first=not shown)
            shown += 1
    if not shown and not as_json:
        print("no dead letter matches", file=sys.stderr)
    return 0


def _open(config: Path | None, topic: str | None) -> tuple[Settings, DeadLetterTopic]:
    settings = load_settings(config)
    from connector.dlq.topic import DeadLetterTopic

    return settings, DeadLetterTopic(settings, topic)


def selection_of(filters: dict[str, Any]) -> Selection:
    """Raises SettingsError."""
    from connector.dlq.selection import Selection, moment

    now = datetime.now(UTC)
    sets = {
        name: frozenset(filters[name]) for name in ("reasons", "stages", "fields", "topics", "schema_ids", "groups")
    }
    since, until, text = filters["since"], filters["until"], filters["text"]
    return Selection(
        **sets,
        since=None if since is None else moment("--since", since, now),
        until=None if until is None else moment("--until", until, now),
        text=None if text is None else text.encode(),
    )


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
