"""`airship-connector sandbox` as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner

from connector.airship.sandbox import (
    ConcurrencyFault,
    DropFault,
    ExpireTokensFault,
    LatencyFault,
    RefuseFault,
    RequestEntry,
    RunningSandbox,
    StatusFault,
    Summary,
    UnreachableFault,
    running_sandbox,
)
from connector.cli.sandbox import sandbox_command
from connector.settings import AirshipSettings
from tests.contract.sandbox_requests import HEADERS, SEED, event

COMMAND = "from connector.cli.sandbox import sandbox_command; sandbox_command()"


@contextmanager
def _command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-c", COMMAND, "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_addresses_serves_and_ends_on_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    record = tmp_path / "accepted.ndjson"
    with _command("--json", "--now", "2020-05-03T00:00:00Z", "--record", str(record)) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert addresses["base_url"] == f"http://127.0.0.1:{addresses['port']}"
        assert addresses["token_url"] == f"{addresses['base_url']}/token"
        url = f"{addresses['base_url']}/api/custom-events"
        assert httpx.post(url, content=SEED, headers=HEADERS, trust_env=False).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0
    assert json.loads(out)["accepted"] == 1
    assert err == ""
    assert json.loads(record.read_text()) == json.loads(SEED)[0]


def test_the_settings_it_prints_are_valid_and_work() -> None:
    with _command("--token", "a-token", "--app-key", "my_own_app_key_0000000", "--latency", "0..0.01") as process:
        assert process.stdout is not None
        lines = []
        for line in iter(process.stdout.readline, ""):
            lines.append(line)
            if line.startswith("stop"):
                break
        text = "".join(lines)
        settings = AirshipSettings(
            **yaml.safe_load(text[text.index("airship:") : text.index("\n\naccepted")])["airship"]
        )
        assert settings.app_key.get_secret_value() == "my_own_app_key_0000000"
        assert settings.auth.bearer_token is not None
        headers = {
            **HEADERS,
            "Authorization": f"Bearer {settings.auth.bearer_token.get_secret_value()}",
            "X-UA-Appkey": settings.app_key.get_secret_value(),
        }
        url = f"{settings.base_url}/api/custom-events"
        assert httpx.post(url, json=[event()], headers=headers, trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert "accepted 1 events, refused 0; requests: 1 x 200" in out


def test_faults_can_be_asked_for_at_the_start() -> None:
    with _command("--json", "--fault", "status status=503 next=1", "--fault", "status status=429 next=1") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["base_url"] + "/api/custom-events"
        statuses = [httpx.post(url, json=[event()], headers=HEADERS, trust_env=False).status_code for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert statuses == [503, 429, 200]


@pytest.fixture(scope="module")
def taken() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "statsu"], "expected one of status"),
        (["--fault", "status status=503 shere=1"], "unknown field `shere`"),
        (["--latency", "slow"], "expected seconds"),
        (["--latency", "2..1"], "the smaller first"),
        (["--now", "yesterday"], "expected a date and time"),
        (["--app-key", "short"], "expected 22"),
        (["--tls-key", __file__], "both or neither"),
        (["--client-public-key", __file__], "client_public_key"),
        (["--tls-certificate", __file__, "--tls-key", __file__], "expected --tls-certificate and --tls-key to be"),
        (["--host", "host.invalid"], "cannot listen on host.invalid"),
        (["--path", "slashes"], "jsonpath"),
        (["--record", "/nonexistent/accepted.ndjson"], "/nonexistent"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(sandbox_command, ["--port", "0", *arguments])
    assert result.exit_code == 2
    assert says in result.output


def test_a_taken_port_ends_with_2_and_says_what_to_do(taken: RunningSandbox) -> None:
    result = CliRunner().invoke(sandbox_command, ["--port", str(taken.port)])
    assert result.exit_code == 2
    assert "another --port" in result.output


def test_the_manual_names_every_flag_every_fault_with_its_fields_and_every_page() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    flags = [flag for parameter in sandbox_command.params for flag in (*parameter.opts, *parameter.secondary_opts)]
    rules = [StatusFault, LatencyFault, DropFault, ExpireTokensFault, RefuseFault, ConcurrencyFault, UnreachableFault]
    fields = [field for rule in rules for field in rule.__struct_fields__]
    kinds = [rule.__struct_config__.tag for rule in rules]
    named = [*flags, *fields, *kinds, *Summary._fields, *RequestEntry._fields, "sequence", "arrived"]
    assert [name for name in named if f"`{name}" not in manual] == []
    with running_sandbox() as sandbox, httpx.Client(base_url=sandbox.base_url, trust_env=False) as client:
        pages = re.findall(r"^\| `(GET|POST|DELETE) (/sandbox/\w+)", manual, re.MULTILINE)
        assert len(pages) == 9
        for method, path in pages:
            assert client.request(method, path, json={"fault": "drop", "stored": True, "next": 1}).status_code != 404
