"""The list of parts, their licences, and the audit: without a network, and against a service of this test's own."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from requirements.audit import FOUND_NOTHING, FOUND_SOMETHING, NOT_LOOKED_UP, audit, verdict
from requirements.parts import Part, licences, not_permitted, runtime_names, write_licences, write_sbom
from tests.support.processes import free_port

PINNED = "idna==3.20 --hash=sha256:{0}\nclick==8.5.1 --hash=sha256:{0}\n".format("0" * 64)


# Licences


def test_all_parts_are_under_licences_that_are_permitted() -> None:
    found = licences(sys.executable, runtime_names())
    assert len(found) > 50
    assert not_permitted(found) == []


@pytest.mark.parametrize(
    ("licence", "permitted"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("Apache Software License; BSD License", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-2.0-or-later", False),
        ("BSD License; GNU Affero General Public License v3", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_is_permitted_only_as_a_whole(licence: str, permitted: bool) -> None:
    part = Part("any", "1", licence)
    assert not_permitted([part]) == ([] if permitted else [part])


def test_the_list_of_parts_is_the_same_for_the_same_parts(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_sbom(sys.executable, tmp_path / name)
    text = (tmp_path / "first").read_text(encoding="utf-8")
    assert text == (tmp_path / "second").read_text(encoding="utf-8")
    sbom = json.loads(text)
    few = {**sbom, "components": sbom["components"][:5], "dependencies": sbom["dependencies"][:5]}  # the check is slow
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(few)) is None
    purls = {part["purl"] for part in sbom["components"]}
    assert any(purl.startswith("pkg:pypi/confluent-kafka@") for purl in purls)
    assert sbom["metadata"]["component"]["name"] == "airship-connector"


def test_the_licences_texts_are_written(tmp_path: Path) -> None:
    write_licences(sys.executable, tmp_path / "licences.txt")
    text = (tmp_path / "licences.txt").read_text(encoding="utf-8")
    assert "Permission is hereby granted, free of charge" in text
    assert {"aiohttp", "confluent-kafka", "pydantic"} <= set(text.splitlines())


# The audit


class _Service(BaseHTTPRequestHandler):
    """Answers as OSV does: one vulnerability of idna, none of anything else."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = [_VULNERABILITY] if asked["package"]["name"] == self.server.vulnerable else []  # type: ignore[attr-defined]
        body = json.dumps({"vulns": known} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the test's output."""


_VULNERABILITY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-0001"],
    "details": "made up",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.21"}]}],
        }
    ],
}


@contextmanager
def service(vulnerable: str | None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        server.vulnerable = vulnerable  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = tmp_path / "runtime.txt"
    file.write_text(PINNED, encoding="utf-8")
    return file


def test_what_is_known_against_a_requirement_is_told(pinned: Path) -> None:
    with service("idna") as url:
        found = audit(pinned, url)
    assert found.code == FOUND_SOMETHING
    assert found.lines == [
        "idna 3.20: PYSEC-2026-1, CVE-2026-0001; mended in 3.21",
        "2 of 2 requirements looked up, 1 vulnerabilities known",
    ]


def test_all_looked_up_and_nothing_known_is_the_only_success(pinned: Path) -> None:
    with service(None) as url:
        found = audit(pinned, url)
    assert found == (FOUND_NOTHING, ["2 of 2 requirements looked up, 0 vulnerabilities known"])


def test_a_service_that_does_not_answer_is_no_success(pinned: Path) -> None:
    found = audit(pinned, f"http://127.0.0.1:{free_port()}/v1/query")
    assert found.code == NOT_LOOKED_UP
    assert found.lines[0].startswith("no vulnerability service answers")


def test_a_package_that_the_service_does_not_know_is_no_success() -> None:
    """pip-audit ends with 0 and says that nothing was found where the index serves no such look-up at all."""
    unknown = {"name": "click", "version": "8", "skip_reason": "Dependency not found on PyPI: click (8)"}
    known = {"name": "idna", "version": "3", "vulns": []}
    assert verdict({"dependencies": [known, unknown]}) == (
        NOT_LOOKED_UP,
        [
            "1 of 2 requirements looked up, 0 vulnerabilities known",
            "not looked up: 1 (Dependency not found on PyPI)",
        ],
    )
    assert verdict({"dependencies": []}).code == NOT_LOOKED_UP
