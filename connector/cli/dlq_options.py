"""What the commands of `dlq` share: the filters, and which dead letters they are about."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.options import Command, load_settings
from connector.errors import SettingsError

if TYPE_CHECKING:
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
not_replayed_option = click.option("--not-replayed", is_flag=True, help="Only letters that no replay has sent again.")
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


def filter_options(command: Command) -> Command:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def open_dead_letters(config: Path | None, topic: str | None) -> tuple[Settings, DeadLetterTopic]:
    settings = load_settings(config)
    from connector.dlq.topic import DeadLetterTopic

    return settings, DeadLetterTopic(settings, topic)


def selection_of(filters: dict[str, Any]) -> Selection:
    """Raises SettingsError."""
    from connector.dlq.selection import Selection, moment
    from connector.kafka.letter_format import REASONS

    unknown = [reason for reason in filters["reasons"] if reason not in REASONS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], REASONS, 1) or sorted(REASONS)
        raise SettingsError([f"--reason: found {unknown[0]!r}, expected {' or '.join(near)}"])

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
