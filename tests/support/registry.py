"""A schema registry with Confluent's API: Apicurio as a child process on the local Java, its schemas in memory."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import httpx

from tests.support.directories import cache_directory, data_directory, exclusive, made_atomically
from tests.support.java import find_java, resolved_from_maven
from tests.support.parts import PartUnavailableError
from tests.support.processes import ChildFailedError, ChildProcess, free_port, wait_until

SchemaType: TypeAlias = Literal["AVRO", "JSON", "PROTOBUF"]

_JAVA_MAJOR_MIN = 21
_START_SECONDS = 120.0
_UNPACK_SECONDS = 120.0
_PORT_ATTEMPTS = 3
_REQUEST_SECONDS = 15.0
_API = "/apis/ccompat/v7"
_JAVA_OPTIONS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class Registry:
    """`url` is what a client of Confluent's registry is given."""

    def __init__(self) -> None:
        """Returns when it answers, seconds later. Raises `PartUnavailableError`."""
        self._java = find_java(_JAVA_MAJOR_MIN)
        archive = next(resolved_from_maven(Path(__file__).with_name("apicurio.pom.xml"), self._java).glob("*.tar.gz"))
        self._program = _unpacked(archive) / "quarkus-run.jar"
        with ExitStack() as cleanup:
            self._directory = cleanup.enter_context(data_directory("registry"))
            self._child = self._start_on_free_port()
            cleanup.callback(lambda: self._child.stop(grace_seconds=5.0))
            self._cleanup = cleanup.pop_all()
        version = archive.name.removeprefix("apicurio-registry-app-").removesuffix("-all.tar.gz")
        self.description = f"Apicurio {version} on Java {self._java.major} at {self.url}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{_API}"

    @property
    def process(self) -> ChildProcess:
        """To freeze it, which makes it slow, and to kill it."""
        return self._child

    def start(self) -> None:
        """Again, at the same address after `process.kill()`; empty, because its schemas are in memory."""
        if not self._child.is_running:
            self._child = self._launch()
            self._wait_until_ready(self._child)

    def register(
        self,
        subject: str,
        schema: str | Mapping[str, Any],
        references: Sequence[Mapping[str, Any]] = (),
        schema_type: SchemaType = "AVRO",
    ) -> int:
        """The id that goes into the framing. `references` as the API takes them: name, subject, version."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        body = {"schema": text, "schemaType": schema_type, "references": list(references)}
        answer = httpx.post(
            f"{self.url}/subjects/{subject}/versions", json=body, timeout=_REQUEST_SECONDS, trust_env=False
        )
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"the registry refused {subject}: {answer.status_code} {answer.text[:500]}")
        identity = answer.json()["id"]
        assert isinstance(identity, int)
        return identity

    def close(self) -> None:
        self._cleanup.close()

    def _start_on_free_port(self) -> ChildProcess:
        for _ in range(_PORT_ATTEMPTS):
            self._port, self._management_port = free_port(), free_port()
            child = self._launch()
            try:
                self._wait_until_ready(child)
            except ChildFailedError as error:
                child.kill()
                if "already in use" not in child.log_text():
                    raise PartUnavailableError(f"Apicurio did not start: {error}") from error
            else:
                return child
        raise PartUnavailableError(f"Apicurio found its port taken {_PORT_ATTEMPTS} times in a row")

    def _launch(self) -> ChildProcess:
        environment = {
            "QUARKUS_HTTP_HOST": "127.0.0.1",
            "QUARKUS_HTTP_PORT": str(self._port),
            "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
            "QUARKUS_MANAGEMENT_PORT": str(self._management_port),  # else 9000 for every registry of the machine
            "QUARKUS_LOG_LEVEL": "WARN",
        }
        command = [str(self._java.program), *_JAVA_OPTIONS, "-jar", str(self._program)]
        return ChildProcess("Apicurio", command, log_path=self._directory / "log", environment=environment)

    def _wait_until_ready(self, child: ChildProcess) -> None:
        wait_until(lambda: child.listens_on(self._port), _START_SECONDS, "it listens", child)
        wait_until(self._answers, _START_SECONDS, "it answers", child)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=2.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unpacked(archive: Path) -> Path:
    target = cache_directory() / f"{archive.parent.name}-unpacked"
    if target.is_dir():
        return target
    with exclusive(target, _UNPACK_SECONDS):
        if not target.is_dir():
            with made_atomically(target) as draft, tarfile.open(archive) as contents:
                contents.extractall(draft, filter="data")
    return target
