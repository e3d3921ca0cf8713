"""Apache Kafka in a container, where a Docker engine answers and the image can be had."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import docker  # type: ignore[import-untyped]
from docker.errors import APIError, DockerException, ImageNotFound  # type: ignore[import-untyped]
from requests.exceptions import RequestException

from tests.support.broker import TEST_SETTINGS, Broker, serves
from tests.support.parts import PartUnavailableError
from tests.support.processes import ChildFailedError, free_port, wait_until

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.3.1"
_ENGINE_SECONDS = 5
_PULL_READ_SECONDS = 20
_PULL_SECONDS = 180.0
_START_SECONDS = 90.0
_CLIENT_PORT = 9092


def _require_engine() -> None:
    """The engine must answer: a client without one is common.

    Its door is tried by hand first, because the client's constructor leaves a socket open when nobody is there.
    """
    address = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        if address.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(_ENGINE_SECONDS)
                door.connect(address.path)
        elif address.scheme == "tcp" and address.hostname is not None:
            with socket.create_connection((address.hostname, address.port or 2375), _ENGINE_SECONDS):
                pass
    except OSError as error:
        raise PartUnavailableError(f"no Docker engine listens at {address.geturl()}: {error.strerror}") from error
    try:
        client = docker.from_env(timeout=_ENGINE_SECONDS)
    except DockerException as error:
        raise PartUnavailableError(f"no Docker engine answers: {_first_line(error)}") from error
    try:
        client.ping()
    except (DockerException, RequestException) as error:
        raise PartUnavailableError(f"no Docker engine answers: {_first_line(error)}") from error
    finally:
        client.close()


def _require_image(image: str) -> None:
    """Has the image here, pulling it if need be."""
    client = docker.APIClient(timeout=_PULL_READ_SECONDS, **docker.utils.kwargs_from_env())
    deadline = time.monotonic() + _PULL_SECONDS
    try:
        client.inspect_image(image)
    except ImageNotFound:
        _pull(client, image, deadline)
    finally:
        client.close()


def _pull(client: docker.APIClient, image: str, deadline: float) -> None:
    repository, _, tag = image.rpartition(":")
    try:
        for line in client.pull(repository, tag=tag, stream=True, decode=True):
            if "error" in line:
                raise PartUnavailableError(f"the image {image} cannot be pulled: {line['error']}")
            if time.monotonic() > deadline:
                raise PartUnavailableError(f"the image {image} was not pulled within {_PULL_SECONDS:g} s")
    except (APIError, RequestException) as error:
        raise PartUnavailableError(f"the image {image} cannot be pulled: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class ContainerKafka(Broker):
    kind = "container"
    capabilities = frozenset({"admin", "restart", "freeze", "transactions", "compaction", "own_settings", "retention"})

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Raises `PartUnavailableError`."""
        _require_engine()
        _require_image(IMAGE)
        self._port = free_port()  # fixed, not the engine's choice: that one changes when the container is restarted
        self._container = self._prepare({**TEST_SETTINGS, **(settings or {})})
        self._frozen = False
        try:
            self._container.start()
            self._wait_until_ready()
        except (DockerException, RequestException, ChildFailedError) as error:
            self._container.stop()
            raise PartUnavailableError(f"the container of {IMAGE} did not start: {_first_line(error)}") from error
        self.description = f"Apache Kafka in a container of {IMAGE} at {self.bootstrap_servers}"

    def _prepare(self, settings: Mapping[str, str]) -> DockerContainer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own, at import
            from testcontainers.core.config import testcontainers_config
            from testcontainers.core.container import DockerContainer
        try:
            # the reaper removes the container when this process is killed; without its image only close() does
            _require_image(testcontainers_config.ryuk_image)
        except PartUnavailableError:
            testcontainers_config.ryuk_disabled = True
        container = DockerContainer(IMAGE).with_bind_ports(_CLIENT_PORT, self._port)
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
        wait_until(lambda: serves(self.bootstrap_servers), _START_SECONDS, f"{IMAGE} serves")


def _variable(setting: str) -> str:
    """How the image is told a broker setting."""
    return "KAFKA_" + setting.upper().replace("-", "__").replace("_", "__").replace(".", "_")
