"""A directory of `.avsc` files as the source of schemas.

What a file is looked up by:

    its content          fingerprint:... (Avro single object), for every file
    42.avsc, order.42.avsc            id:42
    <uuid>.avsc, order.<uuid>.avsc    guid:<uuid> and glue:<uuid>

A type that a file names and does not define is taken from the file that defines it; two files that define it
differently make it ambiguous, which is refused. All files are read at the start, and again when a schema is missing,
so that a file which is added later (a mounted ConfigMap) is found.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from connector.decode.avro_resolve import Definition, UnreadableSchemaError, definitions, resolve, schema_from
from connector.decode.avro_schema import fingerprint_of, reading_schema
from connector.decode.schemas import AvroSchema, Schema, SchemaUnknown
from connector.errors import RegistryUnavailable, SettingsError

FILES_MAX = 10_000
FILE_BYTES_MAX = 4 * 1024 * 1024


class _Loaded(NamedTuple):
    schemas: dict[str, AvroSchema]
    files: int


class DirectoryLookup:
    def __init__(self, directory: Path) -> None:
        """Raises SettingsError, one line for each fault."""
        self._directory = directory
        loaded, faults = _load(directory)
        if faults:
            raise SettingsError(faults)
        self._loaded = loaded

    def fetch(self, schema: str) -> Schema | SchemaUnknown:
        known = self._loaded.schemas.get(schema)
        if known is None:
            self._reload()
            known = self._loaded.schemas.get(schema)
        return known or SchemaUnknown(f"the directory {self._directory}")

    def probe(self) -> str:
        self._reload()
        return f"{self._loaded.files} schema files in {self._directory}"

    def close(self) -> None:
        pass

    def _reload(self) -> None:
        loaded, faults = _load(self._directory)
        if faults:  # what was read before stays good; a missing schema may be in the file that is broken now
            raise RegistryUnavailable("; ".join(faults))
        self._loaded = loaded


def _load(directory: Path) -> tuple[_Loaded, list[str]]:
    faults: list[str] = []
    texts = _read(directory, faults)
    parsed = {}
    for path, text in texts.items():
        try:
            schema = schema_from(text)
            parsed[path] = (schema, definitions(schema))
        except UnreadableSchemaError as error:
            faults.append(f"{path}: {error}")
    index, ambiguous = _index({path: own for path, (_, own) in parsed.items()})
    schemas: dict[str, AvroSchema] = {}
    origin: dict[str, Path] = {}
    for path, (schema, own) in parsed.items():
        try:
            resolved = resolve(schema, {**index, **own})
            usable = reading_schema(resolved)
            identities = [f"fingerprint:{fingerprint_of(resolved)}", *_named_identities(path)]
        except UnreadableSchemaError as error:
            hints = [hint for name, hint in ambiguous.items() if repr(name) in str(error)]
            faults.append(" ".join([f"{path}: {error}", *hints]))
            continue
        for identity in identities:
            if identity in schemas and not identity.startswith("fingerprint:"):
                faults.append(f"{path}: found the {identity} of {origin[identity]} again, expected one file for each")
            schemas[identity] = usable
            origin[identity] = path
    return _Loaded(schemas, len(texts)), faults


def _read(directory: Path, faults: list[str]) -> dict[Path, str]:
    """The files by path. Hidden ones are passed over: a mounted ConfigMap has each file twice, once below `..data`."""
    if not directory.is_dir():
        faults.append(f"schema_registry.directory: found no directory {directory}, expected one with .avsc files")
    paths = [path for path in sorted(directory.rglob("*.avsc")) if not _hidden(path.relative_to(directory))]
    if len(paths) > FILES_MAX:
        faults.append(f"{directory}: found {len(paths)} schema files, expected at most {FILES_MAX}")
    texts: dict[Path, str] = {}
    for path in paths[:FILES_MAX]:
        try:
            with path.open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
            texts[path] = content.decode("utf-8-sig")
        except OSError as error:
            faults.append(f"{path}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{path}: found bytes that are not UTF-8, expected a schema in JSON")
        else:
            if len(content) > FILE_BYTES_MAX:
                faults.append(f"{path}: found more than {FILE_BYTES_MAX} bytes, expected a schema")
    return texts


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _index(files: dict[Path, dict[str, Definition]]) -> tuple[dict[str, Definition], dict[str, str]]:
    """Every type by its full name, without the ambiguous ones; and for those a hint that names the files."""
    index: dict[str, Definition] = {}
    origin: dict[str, Path] = {}
    ambiguous: dict[str, str] = {}
    for path, named in files.items():
        for name, definition in named.items():
            if name in index and index[name] != definition:
                ambiguous[name] = f"({origin[name].name} and {path.name} define {name} differently: keep one)"
            index[name] = definition
            origin[name] = path
    return {name: definition for name, definition in index.items() if name not in ambiguous}, ambiguous


def _named_identities(path: Path) -> list[str]:
    """What the last part of the name before `.avsc` says: a number, a UUID, or nothing."""
    last = path.name.removesuffix(".avsc").rpartition(".")[2]
    if last.isascii() and last.isdigit():
        return [f"id:{int(last)}"]
    try:
        uuid = UUID(last)
    except ValueError:
        return []
    return [f"guid:{uuid}", f"glue:{uuid}"]
