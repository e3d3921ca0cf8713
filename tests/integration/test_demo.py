"""The command that a newcomer runs first."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

DEMO = [sys.executable, "-m", "connector", "demo", "--orders"]


def test_its_sums_agree() -> None:
    done = subprocess.run([*DEMO, "2000"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sums = re.search(
        r"([\d,]+) produced = ([\d,]+) delivered \+ ([\d,]+) skipped \+ ([\d,]+) dead-lettered: the sums agree",
        " ".join(done.stdout.split()),
    )
    assert sums is not None, done.stdout
    produced, delivered, skipped, dead_lettered = (int(figure.replace(",", "")) for figure in sums.groups())
    assert produced == 2000 == delivered + skipped + dead_lettered
    assert min(delivered, skipped, dead_lettered) > 0
    assert done.stderr == ""


def test_stopped_on_request_it_compares_no_sums() -> None:
    with subprocess.Popen(
        [*DEMO, "40000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as demo:
        assert demo.stdout is not None
        output = ""
        try:
            for line in demo.stdout:
                output += line
                if line.startswith("running"):
                    demo.send_signal(signal.SIGTERM)
            assert demo.wait(60) == 0, output
        finally:
            demo.kill()
    assert "stopped before the end" in output
