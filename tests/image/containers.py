"""Containers as an orchestrator with the restricted Pod Security Standard starts them: the root file system read-only,
no capability, no new privileges, the image's own user. They share this machine's network, where broker and sandbox are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import docker  # type: ignore[import-untyped]
from docker.errors import NotFound  # type: ignore[import-untyped]

from tests.support.processes import wait_until

LABEL = "airship-connector-tests"


class Containers:
    """Owns what it starts; all of it is gone at the end of the block."""

    def __init__(self, engine: docker.DockerClient, image: str) -> None:
        self._engine = engine
        self._image = image
        self._started: list[Container] = []
        self._remove_left_behind()

    def start(
        self,
        *arguments: str,
        entry_point: str | None = None,
        mounts: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        tmpfs: bool = False,
        network: str = "host",
        image: str | None = None,
    ) -> Container:
        """`mounts` are files of this machine by their path in the container. `tmpfs` gives it a /tmp."""
        started = self._engine.containers.run(
            image or self._image,
            list(arguments),
            entrypoint=entry_point,
            detach=True,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            network_mode=network,
            environment=dict(environment or {}),
            volumes=[f"{here}:{there}:ro" for there, here in (mounts or {}).items()],
            tmpfs={"/tmp": "size=64m,mode=1777"} if tmpfs else {},
            labels={LABEL: str(os.getpid())},
        )
        container = Container(started)
        self._started.append(container)
        return container

    def run(self, *arguments: str, seconds: float = 60, **options: Any) -> tuple[int, str]:
        """The exit code and the output."""
        container = self.start(*arguments, **options)
        return container.wait(seconds), container.output()

    def adopt(self, name: str) -> None:
        """To be removed at the end, too, although a command started it."""
        self._started.append(Container(self._engine.containers.get(name)))

    def _remove_left_behind(self) -> None:
        """Of runs that were killed."""
        for container in self._engine.containers.list(all=True, filters={"label": LABEL}):
            if not os.path.exists(f"/proc/{container.labels[LABEL]}"):
                container.remove(force=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for container in self._started:
            container.remove()


class Container:
    def __init__(self, container: Any) -> None:
        self._container = container

    @property
    def is_running(self) -> bool:
        self._container.reload()
        return bool(self._container.status == "running")

    @property
    def pid(self) -> int:
        """Of its first process, as this machine counts."""
        self._container.reload()
        number: int = self._container.attrs["State"]["Pid"]
        return number

    def changed_files(self) -> list[str]:
        """What is not as in the image."""
        return [change["Path"] for change in self._container.diff() or []]

    def output(self) -> str:
        return str(self._container.logs().decode(errors="replace"))

    def terminate(self) -> None:
        """SIGTERM to its first process, as an orchestrator does."""
        self._container.kill("SIGTERM")

    def wait(self, seconds: float) -> int:
        """The exit code. Raises `ChildFailedError` where it still runs at the deadline."""
        wait_until(lambda: not self.is_running, seconds, f"the container ends; its output:\n{self.output()}")
        code: int = self._container.attrs["State"]["ExitCode"]
        return code

    def remove(self) -> None:
        with suppress(NotFound):  # one that a command started with --rm
            self._container.remove(force=True)
