"""What a container of the chart finds: its files and variables, made from the rendered objects.

The kubelet's part is played here: ConfigMaps, Secrets and projected volumes become files below a directory of the
test, and the paths in the variables are moved there. Secrets are made up as the chart expects them to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.chart.rendering import Object, connector, of_kind
from tests.unit.decode.certificates import Authority

APP_KEY = "0123456789abcdefghij-_"


class MissingSecretError(Exception):
    """A pod that would wait for ever."""


class Cluster:
    """The secrets and ConfigMaps of a namespace: made-up ones, and those that the objects bring."""

    def __init__(self, directory: Path, objects: list[Object], lacking: set[str] | None = None) -> None:
        self._root = directory
        self._lacking = lacking or set()
        self._maps = {found["metadata"]["name"]: found["data"] for found in of_kind(objects, "ConfigMap")}
        authority = Authority(directory)
        pair = authority.pair("connector")
        self._pem = {
            "ca.crt": authority.file.read_text(),
            "ca.pem": authority.file.read_text(),
            "user.crt": pair.certificate.read_text(),
            "user.key": pair.key.read_text(),
            "private-key": pair.key.read_text(),
            "app-key": APP_KEY,
        }

    def value(self, key: str, source: str) -> str:
        return self._pem.get(key, f"{source}/{key}")

    def environment(self, pod: Object) -> dict[str, str]:
        """Writes the files of the pod's connector, and gives its variables."""
        container = connector(pod)
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            self._write(self._root / mount["mountPath"].lstrip("/"), volumes[mount["name"]])
        return {
            variable["name"]: variable["value"].replace("/etc/", f"{self._root}/etc/")
            for variable in container["env"]
            if "value" in variable
        }

    def config(self, config: Mapping[str, Any]) -> Any:
        """The settings with the paths where they are now."""
        return moved(config, self._root)

    def _write(self, directory: Path, volume: Object) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        for source in sources:
            for name, text in self._files(source).items():
                (directory / name).write_text(text.replace("/etc/", f"{self._root}/etc/"))

    def _files(self, source: Object) -> dict[str, str]:
        kind, said = next((kind, source[kind]) for kind in ("secret", "configMap") if kind in source)
        name = said.get("secretName", said.get("name"))
        if kind == "configMap" and name in self._maps:
            held = self._maps[name]
            items = said.get("items", [{"key": key, "path": key} for key in held])
            return {item["path"]: held[item["key"]] for item in items}
        if name in self._lacking:
            if not said.get("optional"):
                raise MissingSecretError(name)
            return {}
        items = said.get("items", [{"key": "ca.pem", "path": "ca.pem"}])
        return {item["path"]: self.value(item["key"], name) for item in items}


def moved(value: Any, root: Path) -> Any:
    match value:
        case dict():
            return {key: moved(inside, root) for key, inside in value.items()}
        case list():
            return [moved(inside, root) for inside in value]
        case str():
            return value.replace("/etc/", f"{root}/etc/")
        case _:
            return value
