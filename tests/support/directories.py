"""Directories for the data of children, and the cache for what is downloaded once.

A data directory is removed with its `with` block. One whose owner was killed is removed by the next run: it holds a
lock file whose lock the kernel drops when the owner dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.parts import PartUnavailableError

_PREFIX = "airship-connector-"
_OWNER_FILE = ".owner"
_UNOWNED_SECONDS_MAX = 3600.0
_LOCK_POLL_SECONDS = 0.2
_CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def data_directory(purpose: str) -> Iterator[Path]:
    """A fresh directory under the system's temporary one, removed at the end."""
    root = Path(tempfile.gettempdir())
    for leftover in root.glob(f"{_PREFIX}*"):
        _remove_if_unowned(leftover)
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-", dir=root))
    with (path / _OWNER_FILE).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _remove_if_unowned(path: Path) -> None:
    try:
        with (path / _OWNER_FILE).open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    except FileNotFoundError:
        _remove_if_old(path)  # its owner may be just about to write the file
    except OSError:
        return  # owned by a run that lives, or by another user


def _remove_if_old(path: Path) -> None:
    try:
        age_seconds = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    if age_seconds > _UNOWNED_SECONDS_MAX:
        shutil.rmtree(path, ignore_errors=True)


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/airship-connector` or `~/.cache/airship-connector`; `.cache` in the checkout where home cannot
    be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "airship-connector"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        path = _CHECKOUT / ".cache" / "airship-connector"
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def exclusive(path: Path, timeout_seconds: float) -> Iterator[None]:
    """One process at a time, by a lock on a file next to `path`. Raises `PartUnavailableError` at the deadline."""
    deadline = time.monotonic() + timeout_seconds
    with path.with_name(path.name + ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise PartUnavailableError(
                        f"{path.name} is being made by another run for more than {timeout_seconds:g} s"
                    ) from None
                time.sleep(_LOCK_POLL_SECONDS)
        yield


@contextmanager
def made_atomically(path: Path) -> Iterator[Path]:
    """A directory to fill, which appears as `path` when the block ends without an error, and not at all otherwise.

    To be used inside `exclusive(path)`: drafts of a run that was killed are removed.
    """
    prefix = f".{path.name}.draft-"
    for leftover in path.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    try:
        yield draft
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
