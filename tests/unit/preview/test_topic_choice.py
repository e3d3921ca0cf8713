"""Which topic is previewed, and how few messages are dealt out over many partitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import SettingsError
from connector.kafka.topic_sample import shares
from connector.preview.topic_choice import chosen_topic, expected_topics
from connector.settings import RouteSettings

ORDERS = RouteSettings(topics=["orders"])
RETURNS = RouteSettings(topics=["orders", "returns"])
SHOP = RouteSettings(topics_pattern=r"shop\.[a-z]+")


def test_the_only_topic_needs_no_name() -> None:
    assert chosen_topic([ORDERS, ORDERS], None) == "orders"
    assert chosen_topic([ORDERS, RETURNS], None) is None
    assert chosen_topic([ORDERS, SHOP], None) is None
    assert chosen_topic([SHOP], None) is None


def test_a_topic_that_a_route_takes_may_be_named() -> None:
    assert chosen_topic([ORDERS, RETURNS], "returns") == "returns"
    assert chosen_topic([ORDERS, SHOP], "shop.baskets") == "shop.baskets"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("order", "--topic: found order, which no route takes; did you mean orders?"),
        ("other", "--topic: found other, which no route takes; expected orders, returns or one like shop\\.[a-z]+"),
        ("shop.a2", "--topic: found shop.a2, which no route takes; expected "),
        ("xshop.a", "--topic: found xshop.a, which no route takes; expected "),
    ],
)
def test_a_topic_that_no_route_takes_is_a_slip(named: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        chosen_topic([ORDERS, RETURNS, SHOP], named)
    assert str(refused.value).startswith(said)


def test_what_may_be_named() -> None:
    assert expected_topics([ORDERS]) == "orders"
    assert expected_topics([ORDERS, RETURNS, SHOP, SHOP]) == "orders, returns or one like shop\\.[a-z]+"


@given(st.integers(0, 1000), st.lists(st.integers(0, 300), max_size=20))
def test_shares_are_even_and_nothing_is_left_where_more_could_be_had(count: int, available: list[int]) -> None:
    dealt = shares(count, available)
    assert all(0 <= part <= most for part, most in zip(dealt, available, strict=True))
    assert sum(dealt) == min(count, sum(available))
    unfilled = [part for part, most in zip(dealt, available, strict=True) if part < most]
    assert not unfilled or max(dealt) - min(unfilled) <= 1


def test_the_first_ones_have_the_rest() -> None:
    assert shares(7, [10, 10, 10]) == [3, 2, 2]
    assert shares(2, [0, 10, 10, 10]) == [0, 1, 1, 0]
    assert shares(9, [1, 10, 2]) == [1, 6, 2]
