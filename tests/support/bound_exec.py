"""Becomes another program that the kernel kills when the caller dies: `bound_exec.py PARENT_PID PROGRAM ARGUMENT...`

Run as a program of its own between fork and exec, because a `preexec_fn` runs Python in a forked copy of a process
that may have threads. Without Linux's prctl the program is only executed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # the parent may have died before the request was in force: then nothing would ever end this process
        if os.getppid() != parent_pid:
            sys.exit(f"the parent {parent_pid} is gone")
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.exit(f"cannot run {sys.argv[2]}: {error}")


if __name__ == "__main__":
    main()
