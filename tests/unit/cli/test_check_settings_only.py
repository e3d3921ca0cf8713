"""`check --settings-only`: what a release runs before it installs, where the network may not be reachable yet."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import yaml

from connector.cli.main import run
from tests.unit.configuration.documents import changed


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTOR_CONFIG", "CONNECTOR_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_valid_settings_pass_and_nobody_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        document = changed(kafka__bootstrap_servers=f"{host}:{port}", airship__base_url=f"http://{host}:{port}")
        file = tmp_path / "connector.yaml"
        file.write_text(yaml.safe_dump(document))
        assert run(["check", "--settings-only", "--json", "-c", str(file)]) == 0
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert [json.loads(line)["check"] for line in capsys.readouterr().out.splitlines()] == ["settings"]


def test_faults_are_told_as_by_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "connector.yaml"
    file.write_text(yaml.safe_dump(changed(routes__0__when="status = 'paid'", kafka__group_protocol="new")))
    told = []
    for command in (["check", "--settings-only"], ["run"]):
        assert run([*command, "-c", str(file)]) == 2
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    assert "kafka.group_protocol" in told[0]
    assert "routes[0].when" in told[0]
