"""Troubles in words: a title for the status page, and what mends the cause. The runbook has the long form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connector.core.snapshot import Side, Trouble


class Advice(NamedTuple):
    title: str
    mend: str


_FLOOD = (
    "A route or a producer was changed for the worse: see the rejects below, and `airship-connector dlq list`. Mend "
    "it; a small sample is tried from time to time, and consuming goes on by itself when that is good. If they are bad "
    "and may go, raise dead_letters.rejects_share_max and dead_letters.rejects_run_max, and restart."
)

_BY_REASON: Mapping[str, Advice] = {
    "unauthorized": Advice(
        "Airship refuses the token (401)",
        "Put a valid token where airship.auth reads it. It is tried again by itself; no restart is needed.",
    ),
    "forbidden": Advice(
        "Airship forbids it (403)",
        "The token lacks the scope evt, or the project is not entitled to Custom Events. Mend that at Airship.",
    ),
    "credentials_refused": Advice(
        "there are no usable credentials",
        "The token endpoint refused the OAuth client, or the token file cannot be used. Check airship.auth.",
    ),
    "wrong_address": Advice(
        "the address is wrong",
        "Check airship.region, or airship.base_url: something else than Airship's API answers there.",
    ),
    "unexpected_answer": Advice(
        "Airship answers something that nobody foresaw",
        "Read the answer above. Nothing is lost or rejected; it is tried again by itself.",
    ),
    "partitions_lost": Advice(
        "the group counts this member as gone",
        "Check the brokers and the way to them, and whether the CPU is starved. It joins again by itself; nothing is "
        "lost, and some events may come twice.",
    ),
    "rejects_share": Advice(
        "too many of the messages are refused",
        _FLOOD,
    ),
    "rejects_run": Advice(
        "every message is refused",
        _FLOOD,
    ),
}

_BY_SIDE: Mapping[Side, Advice] = {
    "kafka": Advice(
        "Kafka does not answer", "Check the brokers and the way to them; `airship-connector check` says more."
    ),
    "airship": Advice("Airship does not take events", "It is tried again by itself, with back-off."),
    "schema_registry": Advice(
        "the schema registry does not answer",
        "Check schema_registry.url and the registry. No message is rejected for it.",
    ),
    "dead_letters": Advice(
        "the dead-letter topic cannot be written",
        "Check that it exists and that the ACLs allow Write. Nothing is dropped: the partition waits.",
    ),
    "rejects": Advice(
        "too many of the messages are refused", "See the rejects below, and `airship-connector dlq list`."
    ),
}


def advice_for(trouble: Trouble) -> Advice:
    return _BY_REASON.get(trouble.reason) or _BY_SIDE[trouble.side]
