"""Apache Kafka as a child process on the local Java, its jars from Maven Central."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.support.broker import TEST_SETTINGS, Broker, serves
from tests.support.directories import data_directory
from tests.support.java import Java, find_java, resolved_from_maven
from tests.support.parts import PartUnavailableError
from tests.support.processes import ChildFailedError, ChildProcess, free_port, wait_until

_JAVA_MAJOR_MIN = 17
_START_SECONDS = 60.0
_FORMAT_SECONDS = 60.0
_PORT_ATTEMPTS = 3
_CLUSTER_ID = "YWlyc2hpcC1jb25uZWN0bw"
# the first compiler alone: half the time to start, and a broker of tests does not run long enough to miss the second
_JAVA_OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


class LocalKafka(Broker):
    kind = "local"
    capabilities = frozenset({"admin", "restart", "freeze", "transactions", "compaction", "own_settings", "retention"})

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are broker settings beside and above `TEST_SETTINGS`. Raises `PartUnavailableError`."""
        self._java = find_java(_JAVA_MAJOR_MIN)
        self._jars = resolved_from_maven(Path(__file__).with_name("kafka.pom.xml"), self._java)
        self._settings = {**TEST_SETTINGS, **(settings or {})}
        self._frozen = False
        self._child: ChildProcess
        with ExitStack() as cleanup:
            self._directory = cleanup.enter_context(data_directory("kafka"))
            self._start_on_free_ports()
            cleanup.callback(lambda: self._child.stop(grace_seconds=5.0))
            self._cleanup = cleanup.pop_all()
        version = next(self._jars.glob("kafka_2.13-*.jar")).stem.removeprefix("kafka_2.13-")
        self.description = f"Apache Kafka {version} on Java {self._java.major} at {self.bootstrap_servers}"

    @property
    def process(self) -> ChildProcess:
        return self._child

    def kill(self) -> None:
        self._child.kill()
        self._frozen = False

    def start(self) -> None:
        if self._child.is_running:
            return
        self._child = self._launch()
        self._wait_until_ready()

    def freeze(self) -> None:
        self._child.freeze()
        self._frozen = True

    def thaw(self) -> None:
        self._child.thaw()
        self._frozen = False

    def heal(self) -> None:
        if self._frozen:
            self.thaw()
            self._wait_until_ready()
        self.start()

    def close(self) -> None:
        self._cleanup.close()

    def _start_on_free_ports(self) -> None:
        for attempt in range(_PORT_ATTEMPTS):
            port, controller_port = free_port(), free_port()
            self.bootstrap_servers = f"127.0.0.1:{port}"
            self._port = port
            self._write_configuration(port, controller_port)
            if attempt == 0:
                self._format()
            self._child = self._launch()
            try:
                self._wait_until_ready()
            except ChildFailedError as error:
                clash = "Address already in use" in self._child.log_text()
                self._child.kill()
                if not clash:
                    raise PartUnavailableError(f"Apache Kafka did not start: {error}") from error
            else:
                return
        raise PartUnavailableError(f"Apache Kafka found its port taken {_PORT_ATTEMPTS} times in a row")

    def _write_configuration(self, port: int, controller_port: int) -> None:
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "log.dirs": str(self._directory / "data"),
            **self._settings,
        }
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        self._configuration.write_text(text)

    @property
    def _configuration(self) -> Path:
        return self._directory / "server.properties"

    def _format(self) -> None:
        arguments = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._configuration)]
        try:
            answer = subprocess.run(
                [*java_command(self._java, self._jars, 128), *arguments],
                capture_output=True,
                text=True,
                timeout=_FORMAT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PartUnavailableError(f"Apache Kafka did not format its storage in {_FORMAT_SECONDS:g} s") from None
        if answer.returncode != 0:
            raise PartUnavailableError(f"Apache Kafka could not format its storage: {answer.stdout}{answer.stderr}")

    def _launch(self) -> ChildProcess:
        command = [*java_command(self._java, self._jars, 512), "kafka.Kafka", str(self._configuration)]
        return ChildProcess("Apache Kafka", command, log_path=self._directory / "broker.log")

    def _wait_until_ready(self) -> None:
        # the port first: a client that finds it closed backs off longer than the broker needs
        wait_until(lambda: self._child.listens_on(self._port), _START_SECONDS, "it listens", self._child)
        wait_until(lambda: serves(self.bootstrap_servers), _START_SECONDS, "it serves", self._child)


def java_command(java: Java, jars: Path, heap_megabytes: int) -> list[str]:
    return [str(java.program), f"-Xmx{heap_megabytes}m", *_JAVA_OPTIONS, "-cp", f"{jars}/*"]
