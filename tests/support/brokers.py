"""Which broker a run uses. The first of these that can be had:

1. `KAFKA_BOOTSTRAP_SERVERS`: a broker that the user names; if it does not answer, that is an error.
2. `container`: Apache Kafka in a container, where Docker answers and the image can be had.
3. `local`: Apache Kafka from Maven Central on the local Java.
4. `mock`: librdkafka's mock cluster in this process.

`TEST_BROKER` (or pytest's `--broker`) names one of the kinds, and then only that one is tried.

`python -m tests.support.brokers` starts one for other programs: it prints the address on one line, serves until it is
interrupted, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import assert_never, get_args

from tests.support.broker import Broker, BrokerKind, Capability, serves
from tests.support.parts import PartUnavailableError

ADDRESS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
KIND_VARIABLE = "TEST_BROKER"
KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)


class GivenBroker(Broker):
    """A broker that somebody else runs. Whether it compacts, and keeps what it is given, is taken on trust."""

    kind = "given"
    capabilities = frozenset({"admin", "transactions", "compaction", "retention"})

    def __init__(self, bootstrap_servers: str) -> None:
        if not serves(bootstrap_servers):
            raise PartUnavailableError(
                f"{ADDRESS_VARIABLE} names {bootstrap_servers}, which does not answer as a Kafka broker: "
                "start it, correct the address, or unset the variable to let the run find a broker itself"
            )
        self.bootstrap_servers = bootstrap_servers
        self.description = f"the broker of {ADDRESS_VARIABLE} at {bootstrap_servers}"

    def heal(self) -> None:
        """No test can have harmed it."""

    def close(self) -> None:
        """It is not ours."""


def start_broker(
    settings: Mapping[str, str] | None = None,
    kind: BrokerKind | None = None,
    passed_over: Callable[[str], None] | None = None,
) -> Broker:
    """The first provider that can be had; `passed_over` is told why an earlier one could not.

    `settings` are broker settings; only providers with the capability `own_settings` apply them. Raises
    `PartUnavailableError` when the one that was named, in `kind` or by the environment, cannot be had.
    """
    kind = kind or named_kind()
    if kind is not None:
        return _start(kind, settings)
    if os.environ.get(ADDRESS_VARIABLE):
        return _start("given", settings)
    for candidate in ("container", "local"):
        try:
            return _start(candidate, settings)
        except PartUnavailableError as reason:
            if passed_over is not None:
                passed_over(f"{candidate}: {reason}")
    return _start("mock", settings)


def named_kind() -> BrokerKind | None:
    name = os.environ.get(KIND_VARIABLE)
    if not name:
        return None
    if name not in KINDS:
        raise PartUnavailableError(f"{KIND_VARIABLE} is {name!r}, expected one of {', '.join(KINDS)}")
    return name


def _start(kind: BrokerKind, settings: Mapping[str, str] | None) -> Broker:
    match kind:
        case "given":
            address = os.environ.get(ADDRESS_VARIABLE)
            if not address:
                raise PartUnavailableError(f"the given broker was asked for, but {ADDRESS_VARIABLE} is not set")
            return GivenBroker(address)
        case "container":
            from tests.support.container_kafka import ContainerKafka

            return ContainerKafka(settings)
        case "local":
            from tests.support.local_kafka import LocalKafka

            return LocalKafka(settings)
        case "mock":
            from tests.support.mock_broker import MockBroker

            return MockBroker()
        case _:
            assert_never(kind)


@contextmanager
def running_broker(settings: Mapping[str, str] | None = None, kind: BrokerKind | None = None) -> Iterator[Broker]:
    """For programs that are not tests. Says on the error stream what it uses, and what it could not."""
    with start_broker(settings, kind, lambda reason: print(f"broker: not {reason}", file=sys.stderr)) as broker:
        print(f"broker: {broker.description}", file=sys.stderr)
        yield broker


def require(broker: Broker, *capabilities: Capability) -> None:
    """Skips the test if this provider cannot serve it."""
    missing = [capability for capability in capabilities if capability not in broker.capabilities]
    if missing:
        import pytest  # here, because benchmarks use this module without it

        pytest.skip(f"needs a broker that can do {', '.join(missing)}; this run uses {broker.description}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.brokers", description="A broker until interrupted.")
    parser.add_argument("--kind", choices=KINDS, help="only this kind; else the first that can be had")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a broker setting")
    arguments = parser.parse_args()
    settings = dict(item.split("=", 1) for item in arguments.set)
    # before the broker starts: a signal during the start must end it, too
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        with running_broker(settings, arguments.kind) as broker:
            print(broker.bootstrap_servers, flush=True)
            signal.pause()
    except PartUnavailableError as reason:
        sys.exit(f"no broker: {reason}")


if __name__ == "__main__":
    main()
