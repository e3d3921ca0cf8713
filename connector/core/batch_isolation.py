"""Isolation of a batch: what `isolation` does with any items, with the events of a batch and their partitions."""

from __future__ import annotations

from connector.core.batching import Batch, Item
from connector.core.isolation import Group, Remainder


def key_of(item: Item) -> object:
    """The same for events that must keep their order; None: it need not keep any."""
    key = item[1][1]
    return None if key is None else (id(item[0]), key)


def begin_isolation(batch: Batch) -> tuple[Group[Item], Remainder[Item]]:
    """What the refused request carried, and what is left beside it; begun with the first refusal of a batch."""
    if batch.group is None or batch.remainder is None:
        batch.group = Group(batch.items(), batch.requests)
        batch.remainder = Remainder(key_of)
    return batch.group, batch.remainder


def without_gone(batch: Batch) -> bool:
    """Takes events of partitions that were given away out of a batch and all that is left of it. True if it had any."""
    if batch.remainder is not None:
        batch.remainder.drop(lambda item: item[0].gone)
    if not batch.without_gone():
        return False
    if batch.group is not None:
        batch.group.items = batch.items()
        batch.group.known_bad = False
    return True
