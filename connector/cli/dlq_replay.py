"""`airship-connector dlq replay`: dead letters sent again, to their topic or straight to the endpoint."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from connector.cli.dlq_options import (
    dead_letter_topic_option,
    filter_options,
    json_option,
    open_dead_letters,
    origin_topic_option,
    selection_of,
)
from connector.cli.options import config_option
from connector.errors import SettingsError

if TYPE_CHECKING:
    from connector.app import StopSignals
    from connector.dlq.choosing import Choosing, Rules
    from connector.dlq.remembering import RememberingProducer
    from connector.dlq.topic import DeadLetterTopic
    from connector.kafka.topic_reader import TopicReader
    from connector.settings import Settings

Target = Literal["source", "airship"]


@click.command("replay")
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(["source", "airship"]),
    help="To the topic that a message came from, for all who read it, or straight to the endpoint.",
)
@click.option("--dry-run", is_flag=True, help="Say exactly what would happen; send and mark nothing.")
@click.option("--each", is_flag=True, help="With --dry-run: a line for each letter that would be sent.")
@click.option("--all", "everything", is_flag=True, help="Also what today's settings would refuse.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="At most so many messages a second.")
@click.option(
    "--replays-max",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="A message that was replayed so often is left: the guard against loops.",
)
@config_option
@dead_letter_topic_option
@origin_topic_option
@filter_options
@json_option
def replay_command(
    target: Target,
    dry_run: bool,
    each: bool,
    everything: bool,
    rate: float | None,
    replays_max: int,
    config: Path | None,
    dead_letter_topic: str | None,
    origin_topic: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Send dead letters again: those that match the filters, were not replayed, and would pass now.

    It can be stopped anywhere and begun again, with the same filters or others: what was sent is marked in the topic
    DEAD-LETTER-TOPIC.replayed, and is not sent twice. What a filter or the settings leave is left for the next replay.
    Letters that come while it runs are not looked at.
    """
    from connector.dlq.choosing import Rules

    if each and not dry_run:
        raise SettingsError(["--each: found without --dry-run, expected both"])
    settings, topic = open_dead_letters(config, dead_letter_topic)
    rules = Rules(
        selection_of(filters),
        settings.kafka.group_id,
        replays_max,
        everything=everything,
        origin_topic=origin_topic,
        to_source=target == "source",
    )
    if dry_run:
        _dry_run(settings, topic, rules, each=each, as_json=as_json)
    else:
        _replay(settings, topic, rules, target, rate, as_json=as_json)


def _dry_run(settings: Settings, topic: DeadLetterTopic, rules: Rules, *, each: bool, as_json: bool) -> None:
    from connector.cli.dlq_view import Progress, show_chosen, show_plan
    from connector.dlq.choosing import Choosing
    from connector.dlq.memory import ReplayMemory
    from connector.preview.judge import Judge

    ledger = topic.ledger()
    with Judge(settings) as judge, topic.read_on() as reader, Progress("judging", reader.records_left) as progress:
        choosing = Choosing(rules, ReplayMemory(ledger, reader), judge, time.time, topic)
        for chunk in reader.chunks():
            chosen = choosing.choose(chunk)
            if each:
                progress.pause()
                show_chosen(chosen, as_json=as_json)
            progress.at(reader.records_left, f"{choosing.account.selected:,} would be sent")
    if as_json:
        print(json.dumps({**choosing.account.as_json(), "dry_run": True}, ensure_ascii=False))
    else:
        show_plan(choosing.account, rules)


def _replay(
    settings: Settings, topic: DeadLetterTopic, rules: Rules, target: Target, rate: float | None, *, as_json: bool
) -> None:
    from connector.app import StopSignals
    from connector.cli.dlq_view import show_outcome
    from connector.dlq.choosing import Choosing
    from connector.dlq.memory import ReplayMemory
    from connector.dlq.remembering import RememberingProducer
    from connector.preview.judge import Judge
    from connector.telemetry import logs
    from connector.telemetry.secrets import secrets_of

    topic.create_ledger()
    # On a terminal the progress says what it waits for.
    level: Literal["warning", "error"] = "error" if sys.stderr.isatty() else "warning"
    lines = logs.configure(logs.form(settings.log), level, secrets=secrets_of(settings))
    try:
        # The producer first: from then on no other replay changes what is read here.
        with (
            StopSignals() as stop,
            Judge(settings) as judge,
            RememberingProducer(settings, topic.topic) as producer,
            topic.read_on() as reader,
        ):
            choosing = Choosing(rules, ReplayMemory(topic.ledger(), reader), judge, time.time, topic)
            try:
                _send(settings, reader, choosing, producer, target, rate, stop)
            finally:
                if as_json:
                    print(json.dumps(choosing.account.as_json(), ensure_ascii=False))
                else:
                    show_outcome(choosing.account, rules)
    finally:
        lines.close()


def _send(
    settings: Settings,
    reader: TopicReader,
    choosing: Choosing,
    producer: RememberingProducer,
    target: Target,
    rate: float | None,
    stop: StopSignals,
) -> None:
    from connector.cli.dlq_view import Progress

    account = choosing.account
    with Progress("replaying", reader.records_left) as progress:
        if target == "source":
            from connector.dlq.to_source import replay_to_source

            replay_to_source(
                reader,
                choosing,
                producer,
                rate,
                lambda: stop.received > 0,
                lambda: progress.at(reader.records_left, f"{account.replayed:,} sent"),
            )
        else:
            from connector.dlq.to_airship import Replay

            replay = Replay(settings, reader, choosing, producer, rate)

            def show() -> None:
                note = f"{account.replayed:,} replayed, {account.rejected_again:,} rejected again"
                progress.at(reader.records_left, note if replay.trouble is None else f"{note}; waits: {replay.trouble}")

            replay.replay(stop, show)
