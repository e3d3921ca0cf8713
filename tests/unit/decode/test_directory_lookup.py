"""A directory as the source of schemas, and which source is asked for what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.decode.avro_resolve import resolve
from connector.decode.avro_schema import fingerprint_of
from connector.decode.avro_values import avro_value
from connector.decode.directory import DirectoryLookup
from connector.decode.lookup import lookup_limits, open_lookup
from connector.decode.schemas import AvroSchema, SchemaUnknown
from connector.errors import RegistryUnavailable, SettingsError
from connector.settings import SchemaRegistrySettings
from tests.support.registry_stub import registry_stub
from tests.unit.decode.avro_bytes import long, text

GUID = "89791762-2336-4186-9674-299b90a802e2"


def record(name: str, *fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields]}


def write(directory: Path, name: str, schema: Any) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))


def value(lookup: Any, schema: str, payload: bytes) -> Any:
    found = lookup.fetch(schema)
    assert isinstance(found, AvroSchema), found
    return avro_value(found, payload)


def test_a_file_is_found_by_number_by_uuid_and_by_fingerprint(tmp_path):
    write(tmp_path, "42.avsc", '"string"')
    write(tmp_path, "sub/order.43.avsc", '"long"')
    write(tmp_path, f"order.{GUID}.avsc", '"int"')
    write(tmp_path, "shop.Order.avsc", record("shop.Order", ("n", "int")))
    lookup = DirectoryLookup(tmp_path)
    assert value(lookup, "id:42", text("x")) == "x"
    assert value(lookup, "id:43", long(2**40)) == 2**40
    assert value(lookup, f"guid:{GUID}", long(1)) == 1
    assert value(lookup, f"glue:{GUID}", long(1)) == 1
    fingerprint = fingerprint_of(resolve(record("shop.Order", ("n", "int"))))
    assert value(lookup, f"fingerprint:{fingerprint}", long(1)) == {"n": 1}
    assert lookup.probe() == f"4 schema files in {tmp_path}"
    assert lookup.fetch("id:1") == SchemaUnknown(f"the directory {tmp_path}")


def test_types_come_from_the_file_that_defines_them(tmp_path):
    write(tmp_path, "1.avsc", record("shop.Order", ("buyer", "Customer"), ("zip", "geo.Zip")))
    write(tmp_path, "customer.avsc", record("shop.Customer", ("zip", "geo.Zip")))
    write(tmp_path, "zip.avsc", {"type": "fixed", "name": "geo.Zip", "size": 1})
    lookup = DirectoryLookup(tmp_path)
    assert value(lookup, "id:1", b"ab") == {"buyer": {"zip": "YQ=="}, "zip": "Yg=="}
    inlined = record(
        "shop.Order",
        ("buyer", record("shop.Customer", ("zip", {"type": "fixed", "name": "geo.Zip", "size": 1}))),
        ("zip", "geo.Zip"),
    )
    assert value(lookup, f"fingerprint:{fingerprint_of(resolve(inlined))}", b"ab")


def test_versions_of_a_type_stand_beside_each_other(tmp_path):
    write(tmp_path, "order.1.avsc", record("Order", ("a", "int")))
    write(tmp_path, "order.2.avsc", record("Order", ("a", "int"), ("b", "int")))
    lookup = DirectoryLookup(tmp_path)
    assert value(lookup, "id:1", long(1)) == {"a": 1}
    assert value(lookup, "id:2", long(1) + long(2)) == {"a": 1, "b": 2}


def faults(directory: Path) -> str:
    with pytest.raises(SettingsError) as faulty:
        DirectoryLookup(directory)
    return str(faulty.value)


def test_every_fault_is_named_at_the_start(tmp_path):
    write(tmp_path, "bad.avsc", "{")
    write(tmp_path, "binary.avsc", "")
    (tmp_path / "binary.avsc").write_bytes(b"\xff\xfe")
    write(tmp_path, "lonely.avsc", record("Lonely", ("x", "no.Such")))
    (tmp_path / "dir.avsc").mkdir()
    said = faults(tmp_path).splitlines()
    assert len(said) == 4
    assert all(any(name in line for line in said) for name in ("bad.avsc", "binary.avsc", "lonely.avsc", "dir.avsc"))
    assert any("'no.Such'" in line for line in said)


def test_an_ambiguous_type_is_refused(tmp_path):
    write(tmp_path, "a.1.avsc", record("x.A", ("n", "int")))
    write(tmp_path, "a.2.avsc", record("x.A", ("n", "string")))
    write(tmp_path, "b.avsc", record("x.B", ("a", "A")))
    assert "a.1.avsc and a.2.avsc define x.A differently" in faults(tmp_path)
    write(tmp_path, "a.2.avsc", record("x.A", ("n", "int")))
    DirectoryLookup(tmp_path)


def test_one_number_for_two_files_is_refused(tmp_path):
    write(tmp_path, "a.7.avsc", '"int"')
    write(tmp_path, "b.07.avsc", '"string"')
    assert "id:7" in faults(tmp_path)


def test_a_missing_directory_is_refused(tmp_path):
    assert "found no directory" in faults(tmp_path / "none")


def test_a_file_added_later_is_found(tmp_path):
    lookup = DirectoryLookup(tmp_path)
    assert isinstance(lookup.fetch("id:1"), SchemaUnknown)
    write(tmp_path, "1.avsc", '"string"')
    assert value(lookup, "id:1", text("x")) == "x"


def test_a_file_broken_later_is_systemic_and_what_was_read_stays(tmp_path):
    write(tmp_path, "1.avsc", '"string"')
    lookup = DirectoryLookup(tmp_path)
    write(tmp_path, "2.avsc", "{")
    with pytest.raises(RegistryUnavailable, match=r"2\.avsc"):
        lookup.fetch("id:2")
    with pytest.raises(RegistryUnavailable):
        lookup.probe()
    assert value(lookup, "id:1", text("x")) == "x"


def test_a_mounted_config_map_holds_each_file_once(tmp_path):
    """Kubernetes writes `..<date>/1.avsc`, a link `..data` to that directory, and a link `1.avsc` through it."""
    write(tmp_path, "..2024_01_02/1.avsc", '"string"')
    (tmp_path / "..data").symlink_to("..2024_01_02")
    (tmp_path / "1.avsc").symlink_to("..data/1.avsc")
    lookup = DirectoryLookup(tmp_path)
    assert value(lookup, "id:1", text("x")) == "x"
    assert lookup.probe().startswith("1 schema file")


def test_each_source_is_asked_for_what_it_knows(tmp_path):
    write(tmp_path, "5.avsc", '"string"')
    fingerprint = f"fingerprint:{fingerprint_of(resolve('string'))}"
    with registry_stub(schemas={"5": {"schema": '"int"'}}) as stub:
        lookup = open_lookup(SchemaRegistrySettings(url=stub.url, directory=str(tmp_path)))
        try:
            assert value(lookup, "id:5", long(3)) == 3, "the registry knows numbers better than a directory"
            assert value(lookup, fingerprint, text("x")) == "x"
            assert "answers" in lookup.probe()
            assert "1 schema file" in lookup.probe()
        finally:
            lookup.close()


@pytest.mark.parametrize(
    ("schema", "setting"),
    [("id:1", "url"), ("guid:x", "url"), ("glue:x", "glue_region"), ("fingerprint:x", "directory")],
)
def test_what_nobody_could_know_is_unknown_at_once(schema, setting):
    answer = open_lookup(None).fetch(schema)
    assert isinstance(answer, SchemaUnknown)
    assert answer.final
    assert f"schema_registry.{setting}" in answer.where


def test_no_source_at_all_can_be_probed():
    assert open_lookup(None).probe() == "no source of schemas is set"
    assert open_lookup(SchemaRegistrySettings()).fetch("id:1") == open_lookup(None).fetch("id:1")


def test_the_limits_follow_the_settings():
    limits = lookup_limits(SchemaRegistrySettings(url="http://a,http://b", timeout_ms=1_000, recheck_ms=500))
    assert limits.recheck_seconds == 0.5
    assert limits.deadline_seconds == 6
    assert lookup_limits(None).recheck_seconds == 2
