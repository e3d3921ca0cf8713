"""The source of schemas: is it there, does it take the credentials?"""

from __future__ import annotations

from collections.abc import Iterator

from connector.cli.checks.findings import Finding, fail, ok, skip
from connector.decode.lookup import open_lookup
from connector.errors import RegistryUnavailable, SettingsError
from connector.settings import Settings


def check_registry(settings: Settings) -> Iterator[Finding]:
    """Waits at most as long as schema_registry.timeout_ms allows for each address."""
    registry = settings.schema_registry
    if registry is None:
        yield skip("schemas", "no schema_registry is set; routes read JSON")
        return
    try:
        lookup = open_lookup(registry)
    except SettingsError as error:
        yield from (fail("schemas", fault, "correct the setting that it names") for fault in error.faults)
        return
    try:
        yield ok("schemas", lookup.probe())
    except RegistryUnavailable as error:
        yield fail("schemas", str(error), _mend(str(error)))
    finally:
        lookup.close()


def _mend(said: str) -> str:
    if "401" in said or "403" in said:
        return "correct the credentials in schema_registry"
    if "certificate" in said.lower():
        return "name the authority that signed its certificate: schema_registry.ca_file (PEM)"
    return "start it, or correct schema_registry.url and the network between"
