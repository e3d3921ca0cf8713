"""What was produced against what arrived: the sums of the demo's summary, each checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.demo.orders import Fate, Order


@dataclass(frozen=True, slots=True)
class Account:
    produced: int
    delivered: int
    skipped: int
    dead_lettered: int
    by_stage: Mapping[str, int]
    duplicates: int
    out_of_order: int
    faults: tuple[str, ...]
    """Each sum that is off, in words; none when all agree."""


def account(
    orders: Mapping[str, Order], arrived: Iterable[tuple[str, str]], dead_letters: Iterable[tuple[str, bytes]]
) -> Account:
    """`arrived`: (order id, customer) in the order of acceptance; `dead_letters`: (stage, value)."""
    expected: Counter[Fate] = Counter(order.fate for order in orders.values())
    place = {order_id: index for index, order_id in enumerate(orders)}
    seen: Counter[str] = Counter()
    last: dict[tuple[str, str], int] = {}
    out_of_order = 0
    for order_id, customer in arrived:
        seen[order_id] += 1
        source = (order_id.split("-")[0], customer)
        if place.get(order_id, -1) < last.get(source, -1):
            out_of_order += 1
        last[source] = max(last.get(source, -1), place.get(order_id, -1))
    letters = list(dead_letters)
    by_stage = Counter(stage for stage, _ in letters)
    duplicates = sum(count - 1 for count in seen.values())
    skipped = expected["skipped"]
    faults: list[str] = []
    wrong = [order_id for order_id in seen if order_id not in orders or orders[order_id].fate != "delivered"]
    if wrong:
        faults.append(f"{len(wrong)} events were delivered that should not have been, {wrong[0]} among them")
    if len(seen) != expected["delivered"]:
        faults.append(f"delivered: found {len(seen)} different events, expected {expected['delivered']}")
    stages: tuple[Fate, ...] = ("decode", "map", "validate", "deliver")
    faults += [
        f"dead letters of stage {stage}: found {by_stage[stage]}, expected {expected[stage]}"
        for stage in stages
        if by_stage[stage] != expected[stage]
    ]
    values = Counter(order.value for order in orders.values() if order.fate not in {"delivered", "skipped"})
    if Counter(value for _, value in letters) != values:
        faults.append("the dead letters are not byte for byte what was produced")
    if len(orders) != len(seen) + skipped + len(letters):
        faults.append(f"produced {len(orders)} != delivered {len(seen)} + skipped {skipped} + rejected {len(letters)}")
    if duplicates:
        faults.append(f"duplicates: found {duplicates}, expected 0")
    if out_of_order:
        faults.append(f"out of order within their customer: found {out_of_order}, expected 0")
    return Account(
        len(orders), len(seen), skipped, len(letters), dict(by_stage), duplicates, out_of_order, tuple(faults)
    )
