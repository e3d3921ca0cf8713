"""A stand-in for Airship's custom events endpoint that enforces the contract, with faults on request.

    async: sandbox = Sandbox(SandboxOptions()); await sandbox.start(); ...; await sandbox.stop()
    sync:  with running_sandbox(SandboxOptions()) as sandbox: ...
    shell: airship-connector sandbox

`docs/sandbox.md` is the manual.
"""

from connector.airship.sandbox.fault_rules import (
    ConcurrencyFault,
    DropFault,
    ExpireTokensFault,
    LatencyFault,
    RefuseFault,
    Rule,
    StatusFault,
    UnreachableFault,
    rule_from,
    rule_from_text,
)
from connector.airship.sandbox.ledger import AcceptedEvent, RequestEntry, Summary
from connector.airship.sandbox.options import SandboxOptions
from connector.airship.sandbox.server import EXAMPLE_APP_KEY, Sandbox
from connector.airship.sandbox.threaded import RunningSandbox, running_sandbox

__all__ = [
    "EXAMPLE_APP_KEY",
    "AcceptedEvent",
    "ConcurrencyFault",
    "DropFault",
    "ExpireTokensFault",
    "LatencyFault",
    "RefuseFault",
    "RequestEntry",
    "Rule",
    "RunningSandbox",
    "Sandbox",
    "SandboxOptions",
    "StatusFault",
    "Summary",
    "UnreachableFault",
    "rule_from",
    "rule_from_text",
    "running_sandbox",
]
