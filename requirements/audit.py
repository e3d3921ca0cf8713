"""Asks a vulnerability service about every pinned requirement of the product (`make audit`), by pip-audit.

    python -m requirements.audit [--osv-url URL]

The service is the package index's own, or one that speaks OSV's protocol. Ends with 0 when every requirement was looked
up and nothing is known against it; with 1 when something is; with 4 when the service did not answer for all of them:
then nothing is known, which is not the same as nothing being wrong, and the sums say so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements" / "runtime.txt"
AUDIT_SECONDS = 300
REQUEST_SECONDS = 15

FOUND_NOTHING, FOUND_SOMETHING, NOT_LOOKED_UP = 0, 1, 4


class Verdict(NamedTuple):
    code: int
    lines: list[str]


def verdict(report: dict[str, Any]) -> Verdict:
    """Of pip-audit's report as JSON. It takes a package that the service does not know for one that is in order."""
    looked_up = [part for part in report["dependencies"] if "skip_reason" not in part]
    left_out = [part for part in report["dependencies"] if "skip_reason" in part]
    lines = []
    for part in looked_up:
        for known in part["vulns"]:
            names = ", ".join([known["id"], *known["aliases"]])
            mended = " or ".join(known["fix_versions"]) or "no version yet"
            lines.append(f"{part['name']} {part['version']}: {names}; mended in {mended}")
    found = len(lines)
    lines.append(
        f"{len(looked_up)} of {len(report['dependencies'])} requirements looked up, {found} vulnerabilities known"
    )
    if left_out:
        reasons = sorted({part["skip_reason"].partition(":")[0] for part in left_out})
        lines.append(f"not looked up: {len(left_out)} ({'; '.join(reasons)})")
    if found:
        return Verdict(FOUND_SOMETHING, lines)
    return Verdict(NOT_LOOKED_UP if left_out or not looked_up else FOUND_NOTHING, lines)


def audit(requirements: Path, osv_url: str | None) -> Verdict:
    program = Path(sys.executable).with_name("pip-audit")
    command = [str(program), "--disable-pip", "--require-hashes", "--requirement", str(requirements)]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", str(REQUEST_SECONDS)]
    command += ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Verdict(NOT_LOOKED_UP, [f"the vulnerability service did not answer within {AUDIT_SECONDS} s"])
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return Verdict(NOT_LOOKED_UP, [f"no vulnerability service answers; pip-audit says: {said}"])
    return verdict(report)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m requirements.audit", description="Known vulnerabilities.")
    parser.add_argument("--osv-url", help="a service that speaks OSV's protocol, instead of the package index")
    found = audit(REQUIREMENTS, parser.parse_args().osv_url)
    for line in found.lines:
        print(line)
    if found.code == NOT_LOOKED_UP:
        print("NOT AUDITED: run it where a vulnerability service can be reached, or name one: make audit OSV_URL=...")
    sys.exit(found.code)


if __name__ == "__main__":
    main()
