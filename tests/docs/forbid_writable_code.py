"""Runs a program as systemd's MemoryDenyWriteExecute does: no memory may become executable that was writable.

python forbid_writable_code.py PROGRAM ARGUMENT ...
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1
NOT_SUPPORTED = 77

if __name__ == "__main__":
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        sys.exit(NOT_SUPPORTED)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  the test's own command
