"""`airship-connector preview`: what each message would become, before anything is sent."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import ExitStack
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from connector.cli.options import config_option
from connector.cli.preview_settings import settings_for_preview

if TYPE_CHECKING:
    from connector.core.records import SourceRecord
    from connector.kafka.topic_sample import Start, TopicSample
    from connector.preview.judge import Judge, Judgement, Outcome
    from connector.preview.tally import Tally
    from connector.settings import Settings

_FORMS = ("auto", "messages", "values", "items", "avro", "bytes")
_COUNT_OF_TOPIC = 10
_COUNT_MAX = 1_000_000


class Show(Protocol):
    """Where judgements go."""

    def message(self, record: SourceRecord, judged: Judgement) -> None: ...
    def end(self, tally: Tally) -> None: ...


class _Instant(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"found {value!r}, expected a time such as 2024-06-01T12:00:00Z", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class _Start(_Instant):
    name = "earliest|latest|time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value in {"earliest", "latest"} else super().convert(value, param, ctx)


@click.command("preview")
@config_option
@click.option("--topic", "-t", metavar="TOPIC", help="May be left out where there is only one, or the file names it.")
@click.option("--file", "-f", type=click.Path(path_type=Path), metavar="FILE", help="Messages; - is standard input.")
@click.option("--from-kafka", is_flag=True, help="Messages of the topic itself; joins no group, commits nothing.")
@click.option(
    "--count",
    "-n",
    type=click.IntRange(1, _COUNT_MAX),
    metavar="N",
    help=f"At most so many messages; else all of a file, {_COUNT_OF_TOPIC} of a topic.",
)
@click.option(
    "--partition",
    "-p",
    "partitions",
    type=click.IntRange(0),
    multiple=True,
    metavar="P",
    help="Of this one; repeatable.",
)
@click.option(
    "--from",
    "start",
    type=_Start(),
    metavar="WHERE",
    help="earliest (the default), latest (the newest), or a time such as 2024-06-01T12:00:00Z.",
)
@click.option("--offset", type=int, metavar="O", help="From this offset on; -5: from five before the end.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.5, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for the cluster, all in all.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(_FORMS),
    default="auto",
    show_default=True,
    help="How the file is written; auto finds it out.",
)
@click.option("--now", type=_Instant(), metavar="TIME", help="Judge as if it were that time, 2024-06-01T12:00:00Z.")
@click.option(
    "--only", type=click.Choice(("event", "skip", "reject")), multiple=True, help="Show these alone; all are counted."
)
@click.option("--show-message", is_flag=True, help="Show each message, with key and headers; of events, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@click.option("--fail-on-reject", is_flag=True, help="End with 3 if a message would be rejected.")
def preview_command(
    config: Path | None,
    topic: str | None,
    file: Path | None,
    from_kafka: bool,
    count: int | None,
    partitions: tuple[int, ...],
    start: Start | None,
    offset: int | None,
    timeout: float,
    form: str,
    now: datetime | None,
    only: tuple[Outcome, ...],
    show_message: bool,
    as_json: bool,
    fail_on_reject: bool,
) -> int:
    """Show what each message would become, or why it would be rejected.

    Nothing is sent and nothing is committed. A file holds JSON, one message a line or one document, an Avro container,
    or the bytes of one message; docs/mapping.md tells how messages are written with their key and headers.

    Exit code 0 whatever would be rejected, 3 for that with --fail-on-reject; 2 if the settings or the file are wrong,
    1 if the cluster or the registry does not answer.
    """
    if (file is not None) == from_kafka:
        raise click.UsageError("expected one of --file and --from-kafka")
    if not from_kafka and (partitions or start is not None or offset is not None):
        raise click.UsageError("--partition, --from and --offset are for --from-kafka")
    if start is not None and offset is not None:
        raise click.UsageError("expected one of --from and --offset")
    settings = settings_for_preview(config, os.environ, without_kafka=file is not None)

    from connector.preview.judge import Judge
    from connector.preview.topic_choice import chosen_topic, expected_topics

    named = chosen_topic(settings.routes, topic)
    now_seconds = now.timestamp() if now is not None else time.time()
    with Judge(settings) as judge, ExitStack() as opened:
        if file is not None:
            records = _of_file(file, form, named, now_seconds, judge)
        elif named is not None:
            reader = opened.enter_context(_topic_sample(settings, named, partitions, timeout))
            records = reader.read(count or _COUNT_OF_TOPIC, offset if offset is not None else start or "earliest")
        else:
            raise click.UsageError(f"expected --topic {expected_topics(settings.routes)}")
        show = _json_lines() if as_json else _screen(settings, judge, show_message=show_message)
        tally = _judged(islice(records, count), judge, now_seconds, show, frozenset(only))
    _tell_what_is_missing(tally, count or _COUNT_OF_TOPIC, file)
    return 3 if fail_on_reject and tally.rejects else 0


def _of_file(file: Path, form: str, topic: str | None, now_seconds: float, judge: Judge) -> Iterator[SourceRecord]:
    from connector.preview.files import FORMS, Given, file_records

    chosen = next((known for known in FORMS if known == form), None)
    return file_records(file, chosen, Given(topic, now_seconds, judge.know))


def _topic_sample(settings: Settings, topic: str, partitions: tuple[int, ...], seconds: float) -> TopicSample:
    """Raises StartError when the cluster does not answer, or has no such topic or partition."""
    from connector.cli.checks.cluster_admin import ClusterAdmin, Refused
    from connector.errors import StartError
    from connector.kafka.properties import connection_properties
    from connector.kafka.topic_sample import TopicSample

    until = time.monotonic() + seconds
    metadata = ClusterAdmin(connection_properties(settings), seconds).metadata()
    if isinstance(metadata, Refused):
        servers = settings.kafka.bootstrap_servers
        raise StartError(f"{servers} does not answer: {metadata.said}; `airship-connector check` says more")
    known = metadata.topics.get(topic)
    there = sorted(known.partitions) if known is not None else []
    if not there:
        raise StartError(f"the cluster has no topic {topic}, or does not let this client see it")
    absent = sorted(set(partitions) - set(there))
    if absent:
        raise StartError(f"{topic} has the partitions {there[0]} to {there[-1]}: found --partition {absent[0]}")
    return TopicSample(settings, topic, set(partitions) or there, max(1.0, until - time.monotonic()))


def _json_lines() -> Show:
    from connector.preview.json_lines import JsonLines

    return JsonLines(sys.stdout.buffer)


def _screen(settings: Settings, judge: Judge, *, show_message: bool) -> Show:
    from connector.preview.screen import Screen

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that lacks a letter ends no preview
    share_max = settings.dead_letters.rejects_share_max
    return Screen(sys.stdout, judge.decoded, share_max, show_message=show_message)


def _judged(records: Iterable[SourceRecord], judge: Judge, now_seconds: float, show: Show, only: Set[str]) -> Tally:
    from connector.preview.tally import Tally

    tally = Tally()
    for record in records:
        judged = judge.judge(record.topic(), record, now_seconds)
        tally.add(judged)
        if not only or judged.outcome in only:
            show.message(record, judged)
    show.end(tally)
    return tally


def _tell_what_is_missing(tally: Tally, count: int, file: Path | None) -> None:
    """Beside the output, so that a program's is not disturbed."""
    if file is not None and tally.messages == 0:
        click.echo(f"no messages in {file}", err=True)
    elif file is None and tally.messages < count:
        found = "no messages" if tally.messages == 0 else f"{tally.messages} of {count} messages"
        click.echo(f"{found}: the topic holds no more from there on", err=True)
