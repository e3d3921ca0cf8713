"""The built image, and containers of it that end with their test. Where no engine answers, the reason to skip."""

from __future__ import annotations

from collections.abc import Iterator

import docker  # type: ignore[import-untyped]
import pytest

from tests.image.bases import python_base
from tests.image.build import build
from tests.image.containers import Containers
from tests.support.docker_engine import require_engine
from tests.support.parts import PartUnavailableError

IMAGE = "airship-connector-tests/connector:built"


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    try:
        require_engine()
    except PartUnavailableError as reason:
        pytest.skip(f"needs a Docker engine: {reason}")
    client = docker.from_env(timeout=60)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="session")
def base(engine: docker.DockerClient) -> str:
    try:
        return python_base()
    except PartUnavailableError as reason:
        pytest.skip(f"needs a Python base image: {reason}")


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient, base: str) -> Iterator[str]:
    """The name of the image, built from this checkout; the steps that did not change come from the builder's cache,
    which is what is left of it afterwards."""
    try:
        build(IMAGE, base)
    except PartUnavailableError as reason:
        pytest.skip(f"needs an image: {reason}")
    yield IMAGE
    engine.images.remove(IMAGE, force=True)


@pytest.fixture
def containers(engine: docker.DockerClient, image: str) -> Iterator[Containers]:
    with Containers(engine, image) as started:
        yield started
