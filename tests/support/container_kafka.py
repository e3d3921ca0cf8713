"""Apache Kafka in a container, where a Docker engine answers and the image can be had."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from docker.errors import DockerException  # type: ignore[import-untyped]
from requests.exceptions import RequestException

from tests.support.broker import TEST_SETTINGS, Broker, serves
from tests.support.docker_engine import require_engine, require_image
from tests.support.parts import PartUnavailableError
from tests.support.processes import ChildFailedError, free_port, wait_until

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.3.1"
_START_SECONDS = 90.0
_LOG_LINES = 20
_CLIENT_PORT = 9092


class ContainerKafka(Broker):
    kind = "container"
    capabilities = frozenset({"admin", "restart", "freeze", "transactions", "compaction", "own_settings", "retention"})

    def __init__(self, settings: Mapping[str, str] | None = None, image: str = IMAGE) -> None:
        """`image` takes its settings as the official one does. Raises `PartUnavailableError`."""
        require_engine()
        require_image(image)
        self._image = image
        self._port = free_port()  # fixed, not the engine's choice: that one changes when the container is restarted
        self._container = self._prepare({**TEST_SETTINGS, **(settings or {})})
        self._frozen = False
        try:
            self._container.start()
            self._wait_until_ready()
        except (DockerException, RequestException, ChildFailedError) as error:
            self._container.stop()
            raise PartUnavailableError(f"the container of {image} did not start: {error}") from error
        self.description = f"Apache Kafka in a container of {image} at {self.bootstrap_servers}"

    def _prepare(self, settings: Mapping[str, str]) -> DockerContainer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own, at import
            from testcontainers.core.config import testcontainers_config
            from testcontainers.core.container import DockerContainer
        try:
            # the reaper removes the container when this process is killed; without its image only close() does
            require_image(testcontainers_config.ryuk_image)
        except PartUnavailableError:
            testcontainers_config.ryuk_disabled = True
        container = DockerContainer(self._image).with_bind_ports(_CLIENT_PORT, self._port)
        host = container.get_docker_client().host()
        # by its number: the name may stand for an IPv6 address as well, on which nothing listens
        self.bootstrap_servers = f"{'127.0.0.1' if host == 'localhost' else host}:{self._port}"
        # The broker talks to itself, too (it verifies transactions), and inside the container the advertised address
        # leads nowhere: so there is a listener for that.
        own = {
            "node.id": "1",
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://0.0.0.0:{_CLIENT_PORT},INTERNAL://localhost:9094,CONTROLLER://localhost:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers},INTERNAL://localhost:9094",
            "inter.broker.listener.name": "INTERNAL",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": "1@localhost:9093",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        }
        variables = {_variable(name): value for name, value in {**own, **settings}.items()}
        return container.with_envs(**variables, KAFKA_HEAP_OPTS="-Xmx512m")

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()
        self._frozen = False

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        self._wait_until_ready()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()
        self._frozen = True

    def thaw(self) -> None:
        self._container.get_wrapped_container().unpause()
        self._frozen = False

    def heal(self) -> None:
        if self._frozen:
            self.thaw()
        self._container.reload()
        if self._container.status != "running":
            self.start()

    def close(self) -> None:
        self._container.stop()

    def _wait_until_ready(self) -> None:
        try:
            wait_until(self._serves, _START_SECONDS, f"{self._image} serves")
        except ChildFailedError as error:
            raise ChildFailedError(f"{error}; the end of its output:\n{self._output()}") from error

    def _serves(self) -> bool:
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status != "running":
            raise ChildFailedError(f"the container is {container.status}")
        return serves(self.bootstrap_servers)

    def _output(self) -> str:
        return self._container.get_wrapped_container().logs(tail=_LOG_LINES).decode(errors="replace")


def _variable(setting: str) -> str:
    """How the image is told a broker setting."""
    return "KAFKA_" + setting.upper().replace("-", "__").replace("_", "__").replace(".", "_")
