"""The image as `make image` builds it, with this machine's way to its package index as build secrets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.image.commands import CommandFailedError, run
from tests.support.directories import data_directory
from tests.support.parts import PartUnavailableError

ROOT = Path(__file__).resolve().parents[2]

_BUILD_SECONDS = 1200
_NO_BUILDKIT = "buildx component is missing"
_CA_IN_BUILD = "/run/secrets/ca.pem"
# what of pip's settings leads to an index; all else is this machine's own affair
_WAY_TO_INDEX = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout"}


def build(tag: str, base: str, build_base: str | None = None) -> None:
    """Raises `PartUnavailableError` where the client cannot build at all, `CommandFailedError` where this fails."""
    with data_directory("image") as directory:
        command = ["make", "--no-print-directory", "image", f"IMAGE={tag}", f"PYTHON_IMAGE={base}"]
        command += [f"BUILD_IMAGE={build_base}"] if build_base else []
        command += [*_secrets(directory), "BUILD_OPTIONS=--network=host"]
        try:
            run(command, _BUILD_SECONDS, directory=ROOT)
        except CommandFailedError as error:
            if _NO_BUILDKIT in str(error):
                raise PartUnavailableError("the Docker client has no buildx, which building needs") from error
            raise


def _secrets(directory: Path) -> list[str]:
    settings, certificates = _pip_settings()
    found = []
    if certificates is not None:
        settings["cert"] = _CA_IN_BUILD
        found.append(f"CA_FILE={certificates}")
    if settings:
        pip_conf = directory / "pip.conf"
        pip_conf.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        found.append(f"PIP_CONF={pip_conf}")
    return found


def _pip_settings() -> tuple[dict[str, str], Path | None]:
    """What of pip's files and variables leads to its index, and the certificates that it trusts instead of its own."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=True
    )
    every = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", listed.stdout, re.MULTILINE))
    certificates = every.get("cert") or os.environ.get("SSL_CERT_FILE")
    return {name: every[name] for name in every.keys() & _WAY_TO_INDEX}, Path(certificates) if certificates else None
