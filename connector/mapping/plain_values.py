"""What a user's function gives, as the plain values that everything behind it works with.

A function may give an enum whose members are texts, an OrderedDict, an object inside itself: the first two are made
plain, the rest is refused here, so that nothing behind it meets a value that it cannot look at, write or finish.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.mapping.contract_rules import describe
from connector.mapping.faults import ValueFault

DEPTH_MAX = 100
"""Objects and arrays inside each other, as in what is decoded."""
_PLAIN = frozenset({str, int, float, bool, type(None), Decimal})


def plain(value: Any, *, foreign: bool) -> Any:
    """A copy in dict, list, str, int, float, bool, None and Decimal. Raises ValueFault.

    `foreign`: values that are nothing of the kind stay, for the models that judge an event say in which field they are.
    """
    return _plain(value, foreign, set())


def _plain(value: Any, foreign: bool, inside: set[int]) -> Any:
    """`inside`: the identities of the objects and arrays around it, to tell one that holds itself."""
    if type(value) in _PLAIN:
        return value
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
        case Decimal():
            return Decimal(value)
        case dict() | list():
            return _container(value, foreign, inside)
        case _ if foreign:
            return value
        case _:
            raise ValueFault(describe(value), "JSON's values and decimals")


def _container(value: Any, foreign: bool, inside: set[int]) -> Any:
    if id(value) in inside:
        raise ValueFault("an object or array that holds itself", "values that end")
    if len(inside) >= DEPTH_MAX:
        raise ValueFault(f"objects and arrays nested deeper than {DEPTH_MAX}", f"at most {DEPTH_MAX} inside each other")
    inside.add(id(value))
    copy = (
        {_name(name): _plain(item, foreign, inside) for name, item in value.items()}
        if isinstance(value, dict)
        else [_plain(item, foreign, inside) for item in value]
    )
    inside.remove(id(value))
    return copy


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueFault(f"a name that is {describe(name)}", "names that are text")
    return str.__str__(name)
