"""`airship-connector schema`: the JSON Schema of the settings."""

from __future__ import annotations

import click


@click.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of the settings, for editors and other programs.

    An editor completes and checks connector.yaml when its first line is

    \b
        # yaml-language-server: $schema=connector.schema.json
    """
    from connector.configuration.describe import json_schema_text

    click.echo(json_schema_text(), nl=False)
