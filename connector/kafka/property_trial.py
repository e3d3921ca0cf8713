"""What the Kafka clients themselves have against their properties.

Each client is made without a broker, again and again without what it refused, until it is made; so every refusal is
told at once, with the nearest name that the client knows. Nothing is connected to and nobody is asked for a token.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer

from connector.kafka.properties import consumer_properties_of, producer_properties_of
from connector.kafka.property_names import COMMON, CONSUMER_ONLY, PRODUCER_ONLY
from connector.kafka.property_rules import Place, refused
from connector.settings import DeadLetterSettings, KafkaSettings, Property

_SILENT = logging.getLogger("connector.kafka.trial")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class _Client(NamedTuple):
    place: Place
    kind: Callable[[dict[str, Any]], Any]
    own: Mapping[str, Property]
    """The properties that a user set in this place."""
    final: Mapping[str, Any]


def tried_faults(kafka: KafkaSettings, dead_letters: DeadLetterSettings) -> Iterator[tuple[Place, str, str]]:
    """Section, name of the property (empty for all together), what is wrong. Those refused by name are not tried."""
    kafka = kafka.model_copy(update={"properties": _allowed("kafka", kafka.properties)})
    dead_letters = dead_letters.model_copy(update={"properties": _allowed("dead_letters", dead_letters.properties)})
    faults = _tried(_Client("kafka", Consumer, kafka.properties, consumer_properties_of(kafka)))
    yield from faults
    # The producer shares the connection's properties: what the consumer refused is told once.
    told = {name for _, name, _ in faults}
    if "" in told:
        return
    shared = {name: value for name, value in kafka.properties.items() if name not in told}
    kafka = kafka.model_copy(update={"properties": shared})
    final = producer_properties_of(kafka, dead_letters)
    yield from _tried(_Client("dead_letters", Producer, dead_letters.properties, final))


def _allowed(place: Place, own: Mapping[str, Property]) -> dict[str, Property]:
    names = {name for name, _ in refused(place, own)}
    return {name: value for name, value in own.items() if name not in names}


def _tried(client: _Client) -> list[tuple[Place, str, str]]:
    properties: dict[str, Any] = dict(client.final)
    properties.pop("bootstrap.servers")
    _ask_nobody(properties)
    faults: list[tuple[Place, str, str]] = []
    for _ in range(len(client.own) + 1):
        said = _make(client.kind, properties)
        if said is None:
            return faults
        name = _name_in(said, client.own)
        if name is None or name not in properties:
            faults.append((client.place, "", f"the Kafka client refuses them: {_plain(said)}"))
            return faults
        faults.append((client.place, name, _meaning(name, said, client.place)))
        del properties[name]
    return faults


def _make(kind: Callable[[dict[str, Any]], Any], properties: dict[str, Any]) -> str | None:
    """What the client says against them, else None."""
    try:
        made = kind({**properties, "logger": _SILENT})
    except KafkaException as error:
        return str(error.args[0].str())
    except (TypeError, ValueError) as error:
        return str(error)
    if isinstance(made, Consumer):
        made.close()
    return None


def _ask_nobody(properties: dict[str, Any]) -> None:
    """A client that gets its tokens by HTTP, or from AWS's credentials, would begin with it at once."""
    by_http = properties.get("sasl.oauthbearer.method", "default") != "default"
    by_http = properties.pop("oauth_cb", None) is not None or by_http
    if by_http or properties.get("sasl.oauthbearer.metadata.authentication.type", "none") != "none":
        protocol = str(properties.get("security.protocol", "")).lower()
        properties["security.protocol"] = "ssl" if protocol in {"ssl", "sasl_ssl"} else "plaintext"


def _name_in(said: str, own: Mapping[str, Property]) -> str | None:
    """The user's property that the client speaks of; the longest, since names are parts of others."""
    quoted = re.findall(r'["`]([\w.]+)["`]', said)
    named = [name for name in own if name in quoted]
    if not named:
        named = [name for name in own if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", said)]
    return max(named, key=len, default=None)


def _meaning(name: str, said: str, place: Place) -> str:
    if "No such configuration property" in said:
        return f"librdkafka knows no such property{_did_you_mean(name, place)}"
    if "failed" in said and name.endswith(".location"):
        return "the file cannot be used; expected one that exists, can be read and is of the right form"
    return f"the Kafka client refuses it: {_plain(said)}"


def _did_you_mean(name: str, place: Place) -> str:
    names = COMMON | (CONSUMER_ONLY if place == "kafka" else PRODUCER_ONLY)
    near = difflib.get_close_matches(name.lower().replace("_", ".").replace("-", "."), sorted(names), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _plain(said: str) -> str:
    """Without line ends and without values: a value may be a secret in the wrong place."""
    text = (
        " ".join(said.split()).removeprefix("Failed to create consumer: ").removeprefix("Failed to create producer: ")
    )
    text = re.sub(r'Invalid value "[^"]*"', "invalid value", text)
    if "No provider for SASL mechanism GSSAPI" in text:
        return (
            "Kerberos (GSSAPI) is not built in; set sasl.mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
        )
    return re.sub(r"error:[0-9A-F]+:", "", text)
