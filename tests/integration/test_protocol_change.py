"""docs/upgrading.md: what happens when the group protocol is changed, from classic to consumer and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.airship.sandbox import LatencyFault
from tests.integration.events import inversions, records
from tests.integration.test_membership import COUNT, Group, grouped, wait_to_hold
from tests.support.broker import Broker
from tests.support.connector_process import Connector
from tests.support.topics import Topics, produce

pytestmark = pytest.mark.broker_can("own_settings")


@pytest.fixture
def group(broker: Broker, topics: Topics, tmp_path: Path) -> Iterator[Group]:
    """A group that has enough to do to be still at it when its last member changes."""
    with grouped(broker, topics, 4, tmp_path) as made:
        del made.settings["kafka"]["session_timeout_ms"]
        made.settings["delivery"] |= {"requests_max": 2}
        made.sandbox.set_fault(LatencyFault(seconds=0.2))
        produce(broker.bootstrap_servers, made.topic, records(COUNT, users=300))
        yield made


def member(group: Group, name: str, protocol: str) -> Connector:
    session = {"session_timeout_ms": 6000} if protocol == "classic" else {}
    return group.member(name, group_protocol=protocol, **session)


def stop(connector: Connector) -> None:
    connector.process.terminate()
    connector.expect_end(30)


def expect_the_rest(group: Group, last: Connector) -> None:
    assert group.sandbox.summary().accepted < COUNT, "all was over before the protocol had changed"
    group.expect_everything(0, last)
    assert inversions(group.sandbox.events()) == 0


def test_to_consumer_the_group_is_emptied_first_and_goes_on_where_it_was(group: Group) -> None:
    with member(group, "first", "classic") as first, member(group, "second", "classic") as second:
        wait_to_hold(first, 2)
        wait_to_hold(second, 2)
        with member(group, "too-early", "consumer") as early:
            assert early.process.wait(30) == 1
            assert "The group id does not exist" in early.process.log_text()
            assert "stop all members before kafka.group_protocol is changed" in early.process.log_text()
        first.wait_ready()
        second.wait_ready()
        stop(first)
        stop(second)
    with member(group, "new", "consumer") as new:
        wait_to_hold(new, 4)
        expect_the_rest(group, new)


def test_to_classic_one_member_after_the_other_is_restarted(group: Group) -> None:
    with member(group, "first", "consumer") as first, member(group, "second", "consumer") as second:
        wait_to_hold(first, 2)
        wait_to_hold(second, 2)
        stop(first)
        with member(group, "first-again", "classic") as first_again:
            wait_to_hold(first_again, 2)
            wait_to_hold(second, 2)
            stop(second)
            with member(group, "second-again", "classic") as second_again:
                wait_to_hold(second_again, 2)
                expect_the_rest(group, second_again)
