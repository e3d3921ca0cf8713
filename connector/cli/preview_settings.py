"""The settings for a preview: what it has no use for may be missing.

Credentials and addresses often come from the environment of the place where the job runs; whoever works on the routes
has the file alone. So where the settings are refused, and something that a preview never uses is absent, a placeholder
stands in for it. What is there is checked as a start checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.errors import SettingsError

if TYPE_CHECKING:
    from connector.settings import Settings

_PLACEHOLDER = "placeholder-of-preview"
"""22 characters, as an app key has. Nothing is ever sent with it."""
_CREDENTIALS = {
    ("airship", "app_key"): ("CONNECTOR__AIRSHIP__APP_KEY", _PLACEHOLDER),
    ("airship", "auth"): ("CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN", _PLACEHOLDER),
}
_KAFKA = {
    ("kafka", "bootstrap_servers"): ("CONNECTOR__KAFKA__BOOTSTRAP_SERVERS", "localhost:9092"),
    ("kafka", "group_id"): ("CONNECTOR__KAFKA__GROUP_ID", _PLACEHOLDER),
}


def settings_for_preview(config: Path | None, environ: Mapping[str, str], *, without_kafka: bool) -> Settings:
    """`without_kafka`: no cluster is asked, so its address may be missing, too. Raises SettingsError."""
    from connector.configuration import load

    try:
        return load(config, environ, try_clients=not without_kafka)
    except SettingsError:
        placeholders = _placeholders(config, environ, _CREDENTIALS | (_KAFKA if without_kafka else {}))
        if not placeholders:
            raise
        return load(config, {**environ, **placeholders}, try_clients=not without_kafka)


def _placeholders(
    config: Path | None, environ: Mapping[str, str], unused: Mapping[tuple[str, str], tuple[str, str]]
) -> dict[str, str]:
    """Variables for those of `unused` that no source gives."""
    from connector.configuration.load import CONFIG_VARIABLE, SECRETS_VARIABLE
    from connector.configuration.sources import Source, from_environment, from_file, from_secrets

    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is None:
        return {}
    source: Source = from_file(named)
    if environ.get(SECRETS_VARIABLE):
        source.lay_over(from_secrets(Path(environ[SECRETS_VARIABLE])))
    source.lay_over(from_environment(environ))
    tree: dict[str, Any] = source.tree
    placeholders = {}
    for (section, key), (variable, value) in unused.items():
        inside = tree.get(section, {})
        if isinstance(inside, dict) and not inside.get(key):
            placeholders[variable] = value
    return placeholders
