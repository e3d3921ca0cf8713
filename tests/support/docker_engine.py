"""The Docker engine of this machine, and images that it has or can be given."""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import urlsplit

import docker  # type: ignore[import-untyped]
from docker.errors import APIError, DockerException, ImageNotFound  # type: ignore[import-untyped]
from requests.exceptions import RequestException

from tests.support.parts import PartUnavailableError

_ENGINE_SECONDS = 5
_PULL_READ_SECONDS = 20
_PULL_SECONDS = 180.0


def require_engine() -> None:
    """The engine must answer: a client without one is common. Raises `PartUnavailableError`.

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
        raise PartUnavailableError(f"no Docker engine answers: {first_line(error)}") from error
    try:
        client.ping()
    except (DockerException, RequestException) as error:
        raise PartUnavailableError(f"no Docker engine answers: {first_line(error)}") from error
    finally:
        client.close()


def require_image(image: str) -> None:
    """Has the image here, pulling it if need be. Raises `PartUnavailableError`."""
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
        raise PartUnavailableError(f"the image {image} cannot be pulled: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
