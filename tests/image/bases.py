"""The Python base that the image is built on: the one that PYTHON_IMAGE names, else the Dockerfile's default where it
can be had, else Debian's own Python from debootstrap, which needs no image registry."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.image.commands import CommandFailedError, run
from tests.support.directories import data_directory
from tests.support.docker_engine import require_image
from tests.support.parts import PartUnavailableError

DEFAULT_BASE = "python:3.13-slim-bookworm"
_SUITE = "trixie"  # its Python is the default base's, 3.13
DEBIAN_BASE = f"airship-connector-tests/debian-python:{_SUITE}"
BARE_BASE = "airship-connector-tests/bare-python:built"

_PACKAGES = "python3,python3-venv,ca-certificates"
_DEBOOTSTRAP_SECONDS = 900
_IMPORT_SECONDS = 120
_BUILD_SECONDS = 300

# The base without a single program but Python's own: no shell, no package manager.
_BARE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS full
RUN find -H /usr/bin /usr/sbin /usr/local/sbin /bin /sbin /usr/local/bin '(' -type f -o -type l ')' \\
    ! -name 'python*' -delete
FROM scratch
COPY --from=full / /
"""


def python_base() -> str:
    """Raises `PartUnavailableError` where none can be had."""
    if named := os.environ.get("PYTHON_IMAGE"):
        require_image(named)
        return named
    try:
        require_image(DEFAULT_BASE)
    except PartUnavailableError as reason:
        return _debian_base(reason)
    return DEFAULT_BASE


def bare_base(base: str) -> str:
    """`base` with everything taken out that could be started, but Python."""
    command = ["docker", "build", "--tag", BARE_BASE, "--build-arg", f"PYTHON_IMAGE={base}", "-"]
    run(command, _BUILD_SECONDS, given=_BARE)
    return BARE_BASE


def _debian_base(reason: PartUnavailableError) -> str:
    """Made once; it stays in the engine."""
    if subprocess.run(["docker", "image", "inspect", DEBIAN_BASE], capture_output=True, check=False).returncode == 0:
        return DEBIAN_BASE
    debootstrap = shutil.which("debootstrap")
    if debootstrap is None or os.geteuid() != 0:
        raise PartUnavailableError(f"{reason}; and debootstrap, run by root, is not here to make a base")
    try:
        _bootstrap(debootstrap)
    except CommandFailedError as error:
        raise PartUnavailableError(f"{reason}; and a base cannot be made: {error}") from error
    return DEBIAN_BASE


def _bootstrap(debootstrap: str) -> None:
    with data_directory("debootstrap") as directory:
        root = directory / "root"
        command = [debootstrap, "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root)]
        run(command, _DEBOOTSTRAP_SECONDS)
        for downloaded in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / downloaded)
        archive = directory / "root.tar"
        run(["tar", "-C", str(root), "-cf", str(archive), "."], _IMPORT_SECONDS)
        path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        run(["docker", "import", "--change", path, str(archive), DEBIAN_BASE], _IMPORT_SECONDS)
