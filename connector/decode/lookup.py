"""The look-up that the settings name: each kind of identity goes to the source that knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from connector.decode.directory import DirectoryLookup
from connector.decode.schema_cache import LookupLimits
from connector.decode.schemas import Schema, SchemaLookup, SchemaUnknown
from connector.settings import SchemaRegistrySettings

_SETTINGS = {
    "id": "schema_registry.url or schema_registry.directory",
    "guid": "schema_registry.url or schema_registry.directory",
    "glue": "schema_registry.glue_region or schema_registry.directory",
    "fingerprint": "schema_registry.directory",
}


class ConfiguredLookup:
    """A `SchemaLookup` over the sources that are configured."""

    def __init__(self, by_kind: Mapping[str, SchemaLookup]) -> None:
        self._by_kind = dict(by_kind)
        self._sources = list(dict.fromkeys(by_kind.values()))

    def fetch(self, schema: str) -> Schema | SchemaUnknown:
        kind = schema.partition(":")[0]
        source = self._by_kind.get(kind)
        if source is None:
            # A bad record must not block its partition for a source that was never meant to be.
            return SchemaUnknown(f"a source of such schemas, and none is set ({_SETTINGS[kind]})", final=True)
        return source.fetch(schema)

    def probe(self) -> str:
        return "; ".join(source.probe() for source in self._sources) or "no source of schemas is set"

    def close(self) -> None:
        for source in self._sources:
            source.close()


def open_lookup(settings: SchemaRegistrySettings | None) -> ConfiguredLookup:
    """Reads a directory and no network. Raises SettingsError."""
    by_kind: dict[str, SchemaLookup] = {}
    if settings is None:
        return ConfiguredLookup(by_kind)
    if settings.directory is not None:
        directory = DirectoryLookup(Path(settings.directory))
        by_kind |= dict.fromkeys(("id", "guid", "glue", "fingerprint"), directory)
    if settings.url is not None:
        from connector.decode.registry import RegistryLookup

        registry = RegistryLookup(settings)
        by_kind |= dict.fromkeys(("id", "guid"), registry)
    if settings.glue_region is not None:
        from connector.decode.glue import GlueLookup

        by_kind["glue"] = GlueLookup(settings.glue_region, settings.timeout_ms / 1000)
    return ConfiguredLookup(by_kind)


def lookup_limits(settings: SchemaRegistrySettings | None) -> LookupLimits:
    """How the cache asks, by the same settings."""
    if settings is None:
        return LookupLimits()
    addresses = len((settings.url or "").split(","))
    return LookupLimits(
        recheck_seconds=settings.recheck_ms / 1000,
        # connecting, reading and a token, each with its own time-out, at each address
        deadline_seconds=3 * addresses * settings.timeout_ms / 1000,
    )
