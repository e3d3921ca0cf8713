"""Reads the settings: environment over secrets over file. All faults are told at once."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Set
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from connector.configuration.catalogue import Path, section_of, setting_at
from connector.configuration.checks import cross_faults
from connector.configuration.faults import described, unknown_keys
from connector.configuration.sources import Origin, SettingFault, Source, from_environment, from_file, from_secrets
from connector.errors import SettingsError
from connector.settings import DeadLetterSettings, KafkaSettings, Settings

CONFIG_VARIABLE = "CONNECTOR_CONFIG"
SECRETS_VARIABLE = "CONNECTOR_SECRETS_DIR"


def load(path: FilePath | None, environ: Mapping[str, str], *, try_clients: bool = True) -> Settings:
    """The settings of `path`, else of the file that CONNECTOR_CONFIG names, else of the environment alone.

    With `try_clients` the Kafka clients are made, without a broker, to find out whether they take their properties and
    whether the files that those name can be read. Raises SettingsError with one line for each fault.
    """
    if path is None and environ.get(CONFIG_VARIABLE):
        path = FilePath(environ[CONFIG_VARIABLE])
    source = from_file(path) if path is not None else Source()
    unreadable = bool(source.faults) and not source.tree
    if directory := environ.get(SECRETS_VARIABLE):
        source.lay_over(from_secrets(FilePath(directory)))
    source.lay_over(from_environment(environ))
    if unreadable:
        # Without the file everything would be missing: only why it cannot be read is of use.
        raise _error(source.faults)
    if not source.tree:
        text = "found no settings; name a file with -c or CONNECTOR_CONFIG, or set CONNECTOR__... variables"
        raise _error([SettingFault(Origin(0, 0, ""), (), text)])
    settings, invalid = _validated(source)
    _check(settings, invalid, source, try_clients=try_clients)
    if source.faults:
        raise _error(source.faults)
    return settings


def _error(faults: list[SettingFault]) -> SettingsError:
    lines = [str(fault) for fault in sorted(faults, key=lambda fault: fault.origin)]
    return SettingsError(list(dict.fromkeys(lines)))


def _validated(source: Source) -> tuple[Settings, Set[Path]]:
    """The settings; if some are invalid, without these, and with their paths."""
    invalid = {fault.path for fault in source.faults if fault.path}
    tree = source.tree
    try:
        return Settings.model_validate(tree), invalid
    except ValidationError as error:
        for path, text in described(error, tree):
            if path not in invalid and text is not None:
                source.fault(source.origin_of(path), path, text)
            invalid.add(path)
        unknown = unknown_keys(error)
    # A key that nobody knows makes nothing else invalid.
    invalid.difference_update(unknown)
    partial = _partial(Settings, _without(tree, unknown), (), invalid)
    assert isinstance(partial, Settings)
    return partial, invalid


def _without(tree: dict[str, Any], paths: list[Path]) -> dict[str, Any]:
    pruned = copy.deepcopy(tree)
    for path in paths:
        node: Any = pruned
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]
    return pruned


def _partial(model: type[BaseModel], tree: Mapping[str, Any], above: Path, invalid: Set[Path]) -> BaseModel:
    """A section with what is valid in it; the rest is missing, and the checks that read it are not run."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        path = (*above, name)
        if name not in tree or path in invalid:
            continue
        value = tree[name]
        setting = setting_at(path)
        assert setting is not None
        section = section_of(field.annotation)
        broken = {known[len(path)] for known in invalid if known[: len(path)] == path}
        if setting.kind == "properties" and isinstance(value, dict):
            values[name] = {key: inside for key, inside in value.items() if key not in broken}
        elif not broken:
            values[name] = TypeAdapter(field.rebuild_annotation()).validate_python(value)
        elif setting.kind == "section" and section is not None and isinstance(value, dict):
            values[name] = _partial(section, value, path, invalid)
    return model.model_construct(_fields_set=set(values), **values)


def _check(settings: Settings, invalid: Set[Path], source: Source, *, try_clients: bool) -> None:
    for path, text in cross_faults(settings, invalid):
        source.fault(source.origin_of(path), path, text)
    if not any(path[:1] in {("routes",), ("validation",)} for path in invalid):
        _compile_routes(settings, source)
    if try_clients and not any(path in invalid for path in (("kafka",), ("kafka", "properties"))):
        _try_clients(settings, invalid, source)


def _compile_routes(settings: Settings, source: Source) -> None:
    """Expressions and literals are checked here, with their lines: a wrong template stops the start, not the stream."""
    from connector.mapping.routes import compile_routes

    try:
        compile_routes(settings.routes, settings.validation)
    except SettingsError as error:
        told = {fault.path for fault in source.faults}
        for line in error.faults:
            name, _, text = line.partition(": ")
            path = _path_of(name)
            if path not in told:
                source.fault(source.origin_of(path), path, text)


def _path_of(name: str) -> Path:
    """`routes[0].event.body` as a path."""
    steps = re.findall(r"[^.\[\]]+|\[\d+\]", name)
    return tuple(int(step[1:-1]) if step.startswith("[") else step for step in steps)


def _try_clients(settings: Settings, invalid: Set[Path], source: Source) -> None:
    from connector.kafka.property_trial import tried_faults

    kafka, dead_letters = settings.kafka, settings.dead_letters
    if any(fault.path[:1] == ("kafka",) and fault.path[1:2] != ("properties",) for fault in source.faults):
        # Something else of Kafka's is wrong; the properties are tried beside settings that are right.
        kafka = KafkaSettings(bootstrap_servers="-", group_id="-", properties=kafka.properties)
    if any(path[:1] == ("dead_letters",) for path in invalid):
        dead_letters = DeadLetterSettings()
    for place, name, text in tried_faults(kafka, dead_letters):
        path = (place, "properties", name) if name else (place, "properties")
        source.fault(source.origin_of(path), path, text)
