"""Trouble with Kafka lasts while it is told of, and began when it was told of first."""

from __future__ import annotations

from connector.kafka.trouble import KafkaTrouble


def test_what_is_told_again_and_again_is_one_trouble_since_it_was_told_first() -> None:
    trouble = KafkaTrouble()
    assert trouble.current(0.0) is None
    for now in (100.0, 105.0, 112.0):
        trouble.told("_TRANSPORT", f"refused at {now}", now)
    told = trouble.current(121.0)
    assert told is not None
    assert (told.since, told.code, told.detail) == (100.0, "_TRANSPORT", "refused at 112.0")


def test_an_outage_that_is_told_by_several_codes_in_turn_is_one_trouble() -> None:
    trouble = KafkaTrouble()
    trouble.told("_TRANSPORT", "connection refused", 100.0)
    trouble.told("_ALL_BROKERS_DOWN", "1/1 brokers are down", 101.0)
    told = trouble.current(102.0)
    assert told is not None
    assert (told.since, told.code, told.detail) == (100.0, "_TRANSPORT", "1/1 brokers are down")


def test_what_is_not_told_again_is_over_and_begins_anew_later() -> None:
    trouble = KafkaTrouble()
    trouble.told("_TRANSPORT", "refused", 100.0)
    assert trouble.current(110.0) is None
    trouble.told("_TRANSPORT", "refused", 200.0)
    told = trouble.current(200.0)
    assert told is not None
    assert told.since == 200.0


def test_an_answer_of_the_cluster_ends_it() -> None:
    trouble = KafkaTrouble()
    trouble.told("not_ready", "no dead-letter topic", 100.0)
    trouble.over()
    assert trouble.current(100.0) is None
