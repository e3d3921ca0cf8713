"""The command on files: the examples through it, its options, its exit codes, and what it needs to start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from connector.cli.main import run
from connector.cli.preview import preview_command
from connector.preview.files import FORMS
from connector.settings import Settings
from tests.support.registry_stub import Fault, registry_stub

EXAMPLES = Path(__file__).parents[3] / "examples"
NOW = "2024-06-01T12:00:00Z"
TEMPLATE = {"user": {"named_user_id": "${{ id }}"}, "body": {"name": "ordered", "value": "${{ total }}"}}
SETTINGS: dict[str, Any] = {
    "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "g"},
    "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "a-secret-token"}},
    "routes": [{"name": "all", "topics": ["orders"], "format": "json", "event": TEMPLATE}],
}


class Done(NamedTuple):
    code: int
    lines: list[Any]
    out: str
    err: str


Preview = Callable[..., Done]


@pytest.fixture
def preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Preview:
    """Runs the command on settings and the content of a file; output lines that are JSON are read."""
    for name in [name for name in os.environ if name.startswith("CONNECTOR_")]:
        monkeypatch.delenv(name)

    def do(settings: dict[str, Any], content: bytes | str, *arguments: str) -> Done:
        (tmp_path / "connector.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        file = tmp_path / "m.jsonl"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = run(["preview", "-c", str(tmp_path / "connector.yaml"), "--file", str(file), *arguments])
        out, err = capfd.readouterr()
        lines = [json.loads(line) for line in out.splitlines()] if "--json" in arguments else []
        return Done(code, lines, out, err)

    return do


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/connector.yaml")))
def test_the_examples_are_shown_as_they_are_judged(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES / name)
    assert run(["preview", "-c", "connector.yaml", "--file", "messages.jsonl", "--now", NOW, "--json"]) == 0
    found = [json.loads(line, parse_float=Decimal) for line in capfd.readouterr().out.splitlines()]
    expected = [
        json.loads(line, parse_float=Decimal) for line in Path("expected.jsonl").read_text("utf-8").splitlines()
    ]
    for line, wanted in zip(found, expected, strict=True):
        line["fields"] = [fault["field"] for fault in line["faults"]]
        keys = wanted.keys() & {"outcome", "route", "events", "stage", "reason", "fields"}
        assert {key: line[key] for key in keys} == {key: wanted[key] for key in keys}


def test_one_object_a_line_for_programs_and_no_word_beside(preview: Preview) -> None:
    done = preview(SETTINGS, '{"id": "u", "total": 1.50}\n{"total": 1}\n{"id": NaN}\n', "--json")
    assert done.code == 0
    assert done.err == ""
    event, missing, broken = done.lines
    assert event == {
        "topic": "orders", "partition": 0, "offset": 0, "outcome": "event", "route": "all", "stage": None,
        "reason": None, "faults": [],
        "events": [{"user": {"named_user_id": "u"}, "body": {"name": "ordered", "value": 1.5}}],
    }  # fmt: skip
    assert (missing["offset"], missing["stage"], missing["reason"]) == (1, "map", "required_missing")
    assert broken["faults"] == [
        {
            "field": "value",
            "found": "NaN at byte 7, which JSON does not have",
            "expected": "a finite number, or null",
        }
    ]


def test_for_people_and_never_a_credential(preview: Preview) -> None:
    done = preview(SETTINGS, '{"id": "u"}\n{"total": 1}\n')
    assert done.code == 0
    assert "event   " in done.out
    assert "user: found null from ${{ id }}" in done.out
    assert "2 messages\n" in done.out
    assert "secret" not in done.out + done.err


@pytest.mark.parametrize(("content", "code"), [('{"id": "u"}', 0), ('{"id": "u"}\n{}', 3), ("null", 3), ("", 0)])
def test_rejects_fail_only_where_that_is_asked_for(preview: Preview, content: str, code: int) -> None:
    assert preview(SETTINGS, content, "--fail-on-reject").code == code
    assert preview(SETTINGS, content).code == 0


def test_an_empty_file_is_told(preview: Preview) -> None:
    done = preview(SETTINGS, "\n", "--json")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("no messages in ")


def test_the_count_and_the_kinds_that_are_shown(preview: Preview) -> None:
    content = '{"id": "u"}\n{}\n{"id": "v"}\n{}\n'
    assert [line["offset"] for line in preview(SETTINGS, content, "--json", "--count", "3").lines] == [0, 1, 2]
    assert [line["offset"] for line in preview(SETTINGS, content, "--json", "--only", "reject").lines] == [1, 3]
    done = preview(SETTINGS, content, "--only", "reject", "--count", "3")
    assert "3 messages" in done.out
    assert "event   " not in done.out


@pytest.mark.usefixtures("far_from_utc")
def test_the_clock_can_be_set(preview: Preview) -> None:
    settings = SETTINGS | {"routes": [{"topics": ["orders"]}]}
    event = '{"occurred": "2020-05-02T02:31:22", "user": {"named_user_id": "u"}, "body": {"name": "n"}}'
    for now, outcome in (
        ("2020-05-02T02:31:22Z", "event"),
        ("2020-05-02T04:31:22+02:00", "event"),
        ("2020-05-02 02:31", "event"),
        ("2020-05-02T02:00:00", "reject"),
        ("2020-05-01", "reject"),
        ("2020-08-05", "reject"),
    ):
        assert [line["outcome"] for line in preview(settings, event, "--json", "--now", now).lines] == [outcome], now
    assert "expected a time such as" in preview(settings, event, "--now", "noon").err


def test_the_timestamp_of_a_message_that_names_none_is_now(preview: Preview) -> None:
    event = TEMPLATE | {"occurred": "${{ record_timestamp() }}"}
    settings = SETTINGS | {"routes": [{"topics": ["orders"], "format": "json", "event": event}]}
    (line,) = preview(settings, '{"id": "u"}', "--json", "--now", NOW).lines
    assert line["events"][0]["occurred"] == "2024-06-01T12:00:00"


def test_the_topic_is_named_or_the_only_one_or_in_the_message(preview: Preview) -> None:
    routes = [*SETTINGS["routes"], {"name": "second", "topics": ["returns"], "format": "json", "event": TEMPLATE}]
    settings = SETTINGS | {"routes": routes}
    value, message = '{"id": "u"}', '{"topic": "returns", "value": {"id": "u"}}'
    assert [line["route"] for line in preview(settings, value, "--json", "--topic", "returns").lines] == ["second"]
    assert [line["route"] for line in preview(settings, message, "--json").lines] == ["second"]
    assert [line["route"] for line in preview(settings, message, "--json", "--topic", "orders").lines] == ["second"]
    nowhere = preview(settings, value)
    assert nowhere.code == 2
    assert "m.jsonl:1: found a message without a topic, expected --topic" in nowhere.err
    slip = preview(settings, value, "--topic", "order")
    assert (slip.code, slip.err) == (2, "error: --topic: found order, which no route takes; did you mean orders?\n")
    other = preview(settings, '{"topic": "other", "value": {"id": "u"}}', "--json").lines
    assert [(line["stage"], line["reason"]) for line in other] == [("map", "no_route")]


def test_a_file_that_is_wrong_ends_with_2(preview: Preview, tmp_path: Path) -> None:
    done = preview(SETTINGS, '{"topic": "orders", "value": 1}\n{"topic"', "--json")
    assert (done.code, len(done.lines)) == (2, 1)
    assert done.err.startswith(f"error: {tmp_path / 'm.jsonl'}:2: found no message (")
    assert preview(SETTINGS, "x", "--file", str(tmp_path / "absent")).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from-kafka"],
        ["--partition", "1"],
        ["--offset", "3"],
        ["--from", "latest"],
        ["--count", "0"],
        ["--as", "xml"],
    ],
)
def test_options_that_do_not_go_together(preview: Preview, arguments: list[str]) -> None:
    assert preview(SETTINGS, "{}", *arguments).code == 2


def test_it_wants_a_file_or_the_topic_itself(
    preview: Preview, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    preview(SETTINGS, "{}")
    config = str(tmp_path / "connector.yaml")
    assert run(["preview", "-c", config]) == 2
    assert "expected one of --file and --from-kafka" in capfd.readouterr().err
    assert run(["preview", "-c", config, "--from-kafka", "--from", "latest", "--offset", "1"]) == 2
    several = SETTINGS | {"routes": [*SETTINGS["routes"], {"topics": ["returns"]}]}
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(several), encoding="utf-8")
    assert run(["preview", "-c", config, "--from-kafka"]) == 2
    assert "expected --topic orders or returns" in capfd.readouterr().err


def test_what_only_the_running_job_needs_may_be_missing(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {"routes": SETTINGS["routes"]}
    assert [line["outcome"] for line in preview(routes, '{"id": "u"}', "--json").lines] == ["event"]
    partly = routes | {"kafka": {"group_id": "g"}, "airship": {"region": "eu", "auth": {}}}
    assert preview(partly, '{"id": "u"}').code == 0
    wrong = preview(routes | {"airship": {"app_key": "short"}, "delivery": {"requests_max": 0}}, "{}")
    assert wrong.code == 2
    assert "airship.app_key" in wrong.err
    assert "delivery.requests_max" in wrong.err
    assert "airship.auth" not in wrong.err, "what is missing and not needed is not asked for"
    oauth = {"oauth": {"client_id": "c", "client_secret": "s"}}
    assert preview(routes | {"airship": {"app_key": "k" * 22, "auth": oauth}}, '{"id": "u"}').code == 0
    monkeypatch.setenv("CONNECTOR__AIRSHIP__APP_KEY", "wrong")
    assert "CONNECTOR__AIRSHIP__APP_KEY" in preview(routes, "{}").err


def test_a_registry_that_is_down_is_an_error_and_no_reject(preview: Preview) -> None:
    settings = SETTINGS | {"routes": [{"topics": ["orders"], "format": "avro"}]}
    framed = b"\x00\x00\x00\x00\x07\x02"
    with registry_stub(fault=Fault(status=503, body=b"{}")) as stub:
        done = preview(settings | {"schema_registry": {"url": stub.url}}, framed, "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: the registry at {stub.url} answers 503")


def test_python_of_the_user(preview: Preview, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "def two(value, record):\n    if 'bad' in value: raise KeyError(value['bad'])\n    return [value, value]\n"
    (tmp_path / "of_preview.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings = SETTINGS | {"routes": [{"topics": ["orders"], "format": "json", "transform": "of_preview:two"}]}
    event = '{"user": {"named_user_id": "u"}, "body": {"name": "n"}}'
    twice, failed = preview(settings, f'{event}\n{{"bad": "private"}}', "--json").lines
    assert [json.dumps(one) for one in twice["events"]] == [event, event]
    assert (failed["stage"], failed["reason"]) == ("map", "transform_failed")
    assert "private" not in json.dumps(failed)


def test_standard_input_and_a_reader_that_has_enough(tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    command = [sys.executable, "-m", "connector", "preview", "-c", str(tmp_path / "connector.yaml"), "--file", "-"]
    content = b'{"id": "u"}\n' * 20_000
    whole = subprocess.run([*command, "--json"], input=content, capture_output=True, timeout=60, check=False)
    assert (whole.returncode, whole.stdout.count(b"\n"), whole.stderr) == (0, 20_000, b"")
    for arguments in ([], ["--json"]):
        cut = subprocess.run(
            ["sh", "-c", '"$@" | head -n 2', "sh", *command, *arguments], input=content, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert cut.stdout.count(b"\n") == 2
        assert b"Traceback" not in cut.stderr
        assert b"Exception" not in cut.stderr


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_that_is_gone_before_anything_was_written(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    command = [sys.executable, "-m", "connector", "preview", "-c", str(tmp_path / "connector.yaml"), "--file", "-"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*command, *arguments], input=b'{"id": "u"}', stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_locale_that_lacks_a_letter(tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    command = [sys.executable, "-m", "connector", "preview", "-c", str(tmp_path / "connector.yaml"), "--file", "-"]
    environ = os.environ | {"PYTHONIOENCODING": "ascii"}
    content = '{"id": "é"}\n'.encode()
    for arguments, said in (([], b'"named_user_id": "\\xe9"'), (["--json"], '"named_user_id":"é"'.encode())):
        done = subprocess.run(
            [*command, *arguments], input=content, capture_output=True, timeout=60, check=False, env=environ
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert said in done.stdout


def test_the_start_does_not_pay_for_what_a_file_does_not_need(tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    (tmp_path / "m.jsonl").write_text('{"id": "u"}', encoding="utf-8")
    program = (
        "import sys; from connector.cli.main import run; run(sys.argv[1:]); "
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    arguments = ["preview", "-c", str(tmp_path / "connector.yaml"), "--file", str(tmp_path / "m.jsonl"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert len(done.stdout.splitlines()) == 1
    loaded = set(json.loads(done.stderr.replace("'", '"')))
    assert "msgspec" in loaded
    assert not loaded & {"confluent_kafka", "aiohttp", "httpx", "opentelemetry", "rich", "asyncio", "prometheus_client"}


def test_the_guide_names_every_option_and_form_and_no_other() -> None:
    guide = (EXAMPLES.parent / "docs" / "mapping.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Preview$(.*?)^## ", guide, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"--[a-z][a-z-]+", section))
    options = {name for option in preview_command.params for name in option.opts if name.startswith("--")}
    assert named == options - {"--config"}
    assert all(f"| `{form}` |" in section for form in FORMS)
    assert all(f"`airship.{key}`" in section for key in ("app_key", "auth"))


def test_the_settings_of_these_tests_are_whole() -> None:
    Settings.model_validate(SETTINGS)
