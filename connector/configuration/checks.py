"""What only several settings together can get wrong. Each check is pure and names the settings that it reads.

A check runs when all of those were valid on their own, so that one start tells every fault there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from connector.configuration.catalogue import Path, dotted, listed, setting_at, size_text
from connector.configuration.topic_patterns import pattern_fault
from connector.kafka.property_rules import refused
from connector.settings import RouteSettings, Settings

Found: TypeAlias = Iterator[tuple[Path, str]]

TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
APP_KEY = re.compile(r"[\w-]{22}", re.ASCII)


class _Check(NamedTuple):
    needs: tuple[str, ...]
    run: Callable[[Settings], Found]


_CHECKS: list[_Check] = []


def _needs(*settings: str) -> Callable[[Callable[[Settings], Found]], Callable[[Settings], Found]]:
    def register(run: Callable[[Settings], Found]) -> Callable[[Settings], Found]:
        _CHECKS.append(_Check(settings, run))
        return run

    return register


def cross_faults(settings: Settings, invalid: Set[Path]) -> Found:
    """`settings` may lack what is `invalid`: no check reads it."""
    names = {dotted(path) for path in invalid if not _is_one_property(path)}
    for check in _CHECKS:
        if not any(_touches(needed, name) for needed in check.needs for name in names):
            yield from check.run(settings)


def _is_one_property(path: Path) -> bool:
    """An invalid librdkafka property is left out, and the others can be checked."""
    setting = setting_at(path)
    return setting is not None and setting.kind == "properties" and len(path) > len(setting.path)


def _touches(needed: str, invalid: str) -> bool:
    return needed == invalid or invalid.startswith((f"{needed}.", f"{needed}[")) or needed.startswith(f"{invalid}.")


# Kafka


@_needs("kafka.bootstrap_servers")
def _servers(settings: Settings) -> Found:
    for server in settings.kafka.bootstrap_servers.split(","):
        parts = urlsplit(server.strip() if "://" in server else f"//{server.strip()}")
        try:
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.path or "@" in server:
            yield ("kafka", "bootstrap_servers"), "found a server that is not host:port, expected a:9092,b:9092"
            return


@_needs("kafka.msk_iam_region", "kafka.properties")
def _msk_iam(settings: Settings) -> Found:
    if settings.kafka.msk_iam_region is not None:
        for name in settings.kafka.properties:
            if name == "security.protocol" or name.startswith("sasl."):
                yield ("kafka", "properties", name), "found beside kafka.msk_iam_region, which sets it; expected none"


@_needs("kafka.group_protocol", "kafka.session_timeout_ms")
def _session(settings: Settings) -> Found:
    kafka = settings.kafka
    if kafka.group_protocol == "consumer" and "session_timeout_ms" in kafka.model_fields_set:
        yield (
            ("kafka", "session_timeout_ms"),
            "has no effect with group_protocol: consumer; expected the broker's group.consumer.session.timeout.ms",
        )


@_needs("kafka.group_protocol", "kafka.session_timeout_ms", "kafka.max_poll_interval_ms")
def _poll_interval(settings: Settings) -> Found:
    kafka = settings.kafka
    if kafka.group_protocol == "classic" and kafka.max_poll_interval_ms < kafka.session_timeout_ms:
        yield (
            ("kafka", "max_poll_interval_ms"),
            f"found {kafka.max_poll_interval_ms}, expected at least session_timeout_ms ({kafka.session_timeout_ms})",
        )


@_needs("kafka.properties")
def _consumer_properties(settings: Settings) -> Found:
    for name, reason in refused("kafka", settings.kafka.properties):
        yield ("kafka", "properties", name), reason


@_needs("dead_letters.properties")
def _producer_properties(settings: Settings) -> Found:
    for name, reason in refused("dead_letters", settings.dead_letters.properties):
        yield ("dead_letters", "properties", name), reason


# Schema registry


@_needs("schema_registry")
def _one_schema_source(settings: Settings) -> Found:
    registry = settings.schema_registry
    if registry is None:
        return
    named = [name for name in ("url", "directory") if getattr(registry, name) is not None]
    if len(named) == 2:
        yield ("schema_registry",), "found url and directory, expected one of them"
    elif not named and registry.glue_region is None:
        yield ("schema_registry",), "found no source of schemas, expected url, directory or glue_region"


@_needs("schema_registry")
def _registry_credentials(settings: Settings) -> Found:
    registry = settings.schema_registry
    if registry is None:
        return
    ways = [name for name in ("username", "bearer_token", "oauth") if getattr(registry, name) is not None]
    if len(ways) > 1:
        yield ("schema_registry",), f"found {listed(ways, 'and')}, expected one way to authenticate"
    for one, other in (("username", "password"), ("certificate_file", "key_file")):
        found = [name for name in (one, other) if getattr(registry, name) is not None]
        if len(found) == 1:
            yield ("schema_registry", found[0]), f"found without {other if found[0] == one else one}, expected both"
    if registry.url is None:
        asked = ("username", "password", "bearer_token", "oauth", "ca_file", "certificate_file", "key_file")
        for name in asked:
            if getattr(registry, name) is not None:
                yield ("schema_registry", name), "has no effect without schema_registry.url"
        return
    for address in registry.url.split(","):
        if fault := _address_fault(address.strip()):
            yield ("schema_registry", "url"), fault


@_needs("schema_registry", "routes")
def _avro_needs_schemas(settings: Settings) -> Found:
    if settings.schema_registry is not None:
        return
    for place, route in enumerate(settings.routes):
        if route.format == "avro":
            yield (
                ("routes", place, "format"),
                "found avro without a schema_registry, expected one with url or directory",
            )


# Airship


@_needs("airship.app_key")
def _app_key(settings: Settings) -> Found:
    key = settings.airship.app_key.get_secret_value()
    if not APP_KEY.fullmatch(key):
        yield (
            ("airship", "app_key"),
            f"found a text of {len(key)} characters, expected 22 letters, digits, `_` or `-`",
        )


@_needs("airship.auth")
def _one_way_to_authenticate(settings: Settings) -> Found:
    auth = settings.airship.auth
    ways = ("bearer_token", "bearer_token_file", "oauth")
    found = [name for name in ways if getattr(auth, name) is not None]
    if len(found) != 1:
        what = listed(found, "and") if found else "nothing"
        yield ("airship", "auth"), f"found {what}, expected exactly one of bearer_token, bearer_token_file and oauth"
    if auth.bearer_token is not None:
        token = auth.bearer_token.get_secret_value()
        if not token or not token.isascii() or any(character.isspace() for character in token):
            yield ("airship", "auth", "bearer_token"), "found no usable token, expected ASCII text without white space"


@_needs("airship.auth.oauth")
def _one_oauth_proof(settings: Settings) -> Found:
    oauth = settings.airship.auth.oauth
    if oauth is None:
        return
    found = [name for name in ("client_secret", "private_key_file") if getattr(oauth, name) is not None]
    if len(found) != 1:
        what = listed(found, "and") if found else "neither"
        yield ("airship", "auth", "oauth"), f"found {what}, expected exactly one of client_secret and private_key_file"


@_needs("airship.region", "airship.base_url", "airship.token_url", "airship.auth")
def _region_or_address(settings: Settings) -> Found:
    airship = settings.airship
    if airship.base_url is not None and "region" in airship.model_fields_set:
        yield ("airship", "base_url"), "found beside region, expected one of them"
    if airship.base_url is not None and airship.auth.oauth is not None and airship.token_url is None:
        yield ("airship", "token_url"), "missing; with base_url and oauth it is expected: where tokens are issued"
    if airship.token_url is not None and airship.auth.oauth is None:
        yield ("airship", "token_url"), "has no effect without airship.auth.oauth"
    for name, address in (("base_url", airship.base_url), ("token_url", airship.token_url)):
        if address is not None and (fault := _address_fault(address)):
            yield ("airship", name), fault
    if airship.base_url is not None and "/api" in urlsplit(airship.base_url).path:
        yield ("airship", "base_url"), "found a path with /api, expected the address before /api/custom-events"


@_needs("airship.proxy")
def _proxy(settings: Settings) -> Found:
    proxy = settings.airship.proxy
    if proxy is not None and (fault := _address_fault(proxy, with_user=True)):
        yield ("airship", "proxy"), fault


def _address_fault(address: str, *, with_user: bool = False) -> str | None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        return "found no address, expected one such as https://host:port"
    if parts.username is not None and not with_user:
        return "found a user in the address, expected an address without credentials"
    if parts.query or parts.fragment:
        return "found `?` or `#` in the address, expected one without"
    return None


# Routes


@_needs("routes")
def _topics_of_routes(settings: Settings) -> Found:
    for place, route in enumerate(settings.routes):
        path: Path = ("routes", place)
        if (route.topics is None) == (route.topics_pattern is None):
            what = "neither" if route.topics is None else "topics and topics_pattern"
            yield path, f"found {what}, expected exactly one of topics and topics_pattern"
        for item, topic in enumerate(route.topics or ()):
            if not TOPIC_NAME.fullmatch(topic):
                yield (
                    (*path, "topics", item),
                    "found no name of a topic, expected up to 249 letters, digits, `.`, `_`, `-` (or topics_pattern)",
                )
            elif topic in (route.topics or ())[:item]:
                yield (*path, "topics", item), f"found {topic} for the second time in this route"
        if route.topics_pattern is not None and (fault := pattern_fault(route.topics_pattern)):
            yield (*path, "topics_pattern"), fault


@_needs("routes")
def _routes_that_nothing_reaches(settings: Settings) -> Found:
    names: dict[str, int] = {}
    for place, route in enumerate(settings.routes):
        if route.name is not None and names.setdefault(route.name, place) != place:
            yield (
                ("routes", place, "name"),
                f"found {route.name} for the second time; routes[{names[route.name]}] has it",
            )
        for before, earlier in enumerate(settings.routes[:place]):
            if earlier.when is None and _covers(earlier, route):
                yield (
                    ("routes", place),
                    f"takes no message: routes[{before}] stands before it, has the same topics and no `when`",
                )
                break


def _covers(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether every topic of the later route is one of the earlier."""
    if later.topics is None:
        return earlier.topics_pattern is not None and earlier.topics_pattern == later.topics_pattern
    return all(_takes(earlier, topic) for topic in later.topics)


def _takes(route: RouteSettings, topic: str) -> bool:
    if route.topics is not None:
        return topic in route.topics
    pattern = route.topics_pattern
    return pattern is not None and pattern_fault(pattern) is None and re.fullmatch(pattern, topic) is not None


# Delivery and dead letters


@_needs("delivery.batch.bytes_max", "delivery.window.bytes_max")
def _batch_fits_the_window(settings: Settings) -> Found:
    batch, window = settings.delivery.batch.bytes_max, settings.delivery.window.bytes_max
    if batch > window:
        yield (
            ("delivery", "window", "bytes_max"),
            f"found {size_text(window)}, expected at least a batch, delivery.batch.bytes_max ({size_text(batch)})",
        )


@_needs("delivery.retry")
def _back_off(settings: Settings) -> Found:
    retry = settings.delivery.retry
    if retry.initial_ms > retry.max_ms:
        yield ("delivery", "retry", "initial_ms"), f"found {retry.initial_ms}, expected at most max_ms ({retry.max_ms})"


@_needs("validation.value_min", "validation.value_max")
def _value_range(settings: Settings) -> Found:
    low, high = settings.validation.value_min, settings.validation.value_max
    if low is not None and high is not None and low > high:
        yield ("validation", "value_min"), f"found {low:g}, expected at most value_max ({high:g})"


@_needs("dead_letters.topic", "routes", "kafka.group_id")
def _dead_letter_topic(settings: Settings) -> Found:
    path: Path = ("dead_letters", "topic")
    template = settings.dead_letters.topic
    unknown = re.sub(r"\{(topic|group)\}", "", template)
    if "{" in unknown or "}" in unknown:
        yield path, "found braces around something else, expected at most {topic} and {group}"
        return
    group = settings.kafka.group_id
    topics = [topic for route in settings.routes for topic in route.topics or () if TOPIC_NAME.fullmatch(topic)]
    if "{topic}" in template and not topics:
        yield path, "found {topic}, and no route names a topic; expected a name without it"
    for topic in dict.fromkeys(topics if "{topic}" in template else [""]):
        name = template.replace("{topic}", topic).replace("{group}", group)
        if not TOPIC_NAME.fullmatch(name):
            yield path, f"becomes {name[:80]}, expected the name of a topic: up to 249 letters, digits, `.`, `_`, `-`"
            continue
        for place, route in enumerate(settings.routes):
            if _takes(route, name):
                reads = f"the pattern of routes[{place}]" if route.topics is None else f"routes[{place}]"
                yield path, f"becomes {name}, which {reads} reads: dead letters would come back; expected another topic"
                break
