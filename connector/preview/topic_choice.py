"""Which topic's messages are previewed, and whether a route takes them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from connector.errors import SettingsError
from connector.settings import RouteSettings


def takes(route: RouteSettings, topic: str) -> bool:
    if route.topics_pattern is not None:
        return re.fullmatch(route.topics_pattern, topic) is not None
    return topic in (route.topics or ())


def chosen_topic(routes: Sequence[RouteSettings], named: str | None) -> str | None:
    """The topic that is named, else the only one that there is; None: there are several.

    Raises SettingsError for a name that no route takes: more likely a slip than a wish to see nothing but rejects.
    """
    known = list(dict.fromkeys(topic for route in routes for topic in route.topics or ()))
    patterns = [route.topics_pattern for route in routes if route.topics_pattern is not None]
    if named is None:
        return known[0] if len(known) == 1 and not patterns else None
    if any(takes(route, named) for route in routes):
        return named
    near = difflib.get_close_matches(named, known, 1)
    expected = f"did you mean {near[0]}?" if near else f"expected {expected_topics(routes)}"
    raise SettingsError([f"--topic: found {named}, which no route takes; {expected}"])


def expected_topics(routes: Sequence[RouteSettings]) -> str:
    """`orders, returns, or one like shop\\..*`."""
    known = dict.fromkeys(topic for route in routes for topic in route.topics or ())
    patterns = dict.fromkeys(f"one like {route.topics_pattern}" for route in routes if route.topics_pattern)
    *most, last = [*known, *patterns]
    return f"{', '.join(most)} or {last}" if most else last
