"""What is in the built image, and what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped]
import pytest

from connector import __version__
from requirements.parts import runtime_names
from tests.image.bases import BARE_BASE, bare_base
from tests.image.build import build
from tests.image.containers import Containers

pytestmark = pytest.mark.timeout(1800)

PYTHON = "/opt/airship-connector/bin/python"
MEGABYTES_MAX = 150
BARE_IMAGE = "airship-connector-tests/connector:bare"

_INSIDE = Path(__file__).with_name("inside.py")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def inside(engine: docker.DockerClient, image: str) -> Any:
    """What the image's own user finds in it."""
    with Containers(engine, image) as containers:
        code, output = containers.run("-c", _INSIDE.read_text(), entry_point=PYTHON, network="none")
    assert code == 0, output
    return json.loads(output)


@pytest.fixture(scope="module")
def described(engine: docker.DockerClient, image: str) -> Any:
    return engine.images.get(image).attrs


def test_it_is_small(
    engine: docker.DockerClient, described: Any, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    megabytes = (described["Size"] - engine.images.get(base).attrs["Size"]) / 1e6
    with capsys.disabled():
        print(f"\nimage: {megabytes:.0f} MB on top of {base}; with it {described['Size'] / 1e6:.0f} MB")
    assert 20 < megabytes < MEGABYTES_MAX


def test_its_configuration(described: Any, base: str) -> None:
    configuration = described["Config"]
    assert configuration["User"] == "65532:65532"
    assert configuration["Entrypoint"] == ["/opt/airship-connector/bin/airship-connector"]
    assert configuration["Cmd"] == ["run"]
    assert "Healthcheck" not in configuration
    assert "PATH=/opt/airship-connector/bin:/usr/local/bin:/usr/bin:/bin" in configuration["Env"]
    assert configuration["ExposedPorts"] == {"8080/tcp": {}}
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in configuration["Labels"].items()}
    assert labels["title"] == "airship-connector"
    assert labels["version"] == __version__
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.name"] == base
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["revision"])


def test_nothing_of_the_way_to_the_package_index_is_left(engine: docker.DockerClient, image: str, inside: Any) -> None:
    history = " ".join(step["CreatedBy"] for step in engine.images.get(image).history())
    assert "opt/airship-connector" in history
    assert "://" not in history
    assert inside["secrets"] == []


def test_its_user_may_change_none_of_its_files(inside: Any) -> None:
    assert (inside["uid"], inside["gid"]) == (65532, 65532)
    assert inside["sources"] > 1000
    assert inside["writable"] == []
    assert inside["not_roots"] == []
    assert inside["set_id"] == []


def test_it_has_one_command_and_no_installer(inside: Any) -> None:
    assert inside["prefix"] == "/opt/airship-connector"
    assert [name for name in inside["programs"] if not name.startswith("python")] == ["airship-connector"]


def test_it_has_what_runtime_txt_names_and_nothing_else(inside: Any) -> None:
    found = {canonical(name) for name in inside["packages"]}
    named = {canonical(name) for name in runtime_names()}
    assert found <= named | {"airship-connector"}
    # a package may be for other systems only
    assert {name for name in named - found if not name.endswith("-jsfetch")} == set()


def test_all_of_it_is_compiled_for_a_file_system_that_cannot_be_written(inside: Any) -> None:
    assert inside["without_code"] == []
    assert inside["checked_code"] == []


def test_its_list_of_parts_names_what_is_there(inside: Any) -> None:
    sbom = inside["sbom"]
    assert sbom["bomFormat"] == "CycloneDX"
    root = sbom["metadata"]["component"]
    assert (root["name"], root["version"]) == ("airship-connector", __version__)
    assert {canonical(part["name"]) for part in sbom["components"]} == {
        canonical(name) for name in inside["packages"] if name != "airship-connector"
    }
    assert all(part["purl"].startswith("pkg:pypi/") for part in sbom["components"])
    [needed] = [each["dependsOn"] for each in sbom["dependencies"] if each["ref"] == root["bom-ref"]]
    assert any(part.startswith("confluent-kafka==") for part in needed)


def test_its_licences_are_there_with_their_texts(inside: Any) -> None:
    assert "Permission is hereby granted, free of charge" in inside["licences"]
    lines = {canonical(line) for line in inside["licences"].splitlines() if line}
    assert {canonical(name) for name in inside["packages"] if name != "airship-connector"} <= lines


def test_of_awss_services_those_that_glue_needs_are_left(containers: Containers) -> None:
    code = "import boto3; from connector.decode.glue import GlueLookup; GlueLookup('eu-west-1', 1).close();"
    code += "print(boto3.session.Session().get_available_services())"
    ended, output = containers.run("-c", code, entry_point=PYTHON, network="none")
    assert ended == 0, output
    assert {"glue", "sts"} <= set(json.loads(output.replace("'", '"'))) <= {"glue", "sts", "sso", "sso-oidc", "signin"}


def test_it_needs_no_shell(
    engine: docker.DockerClient, base: str, containers: Containers, request: pytest.FixtureRequest
) -> None:
    build(BARE_IMAGE, bare_base(base), build_base=base)
    request.addfinalizer(lambda: [engine.images.remove(name, force=True) for name in (BARE_IMAGE, BARE_BASE)])
    code = "import os; print([f for d in os.get_exec_path() if os.path.isdir(d) for f in os.listdir(d)])"
    ended, output = containers.run("-c", code, entry_point=PYTHON, image=BARE_IMAGE, network="none")
    assert ended == 0, output
    programs = json.loads(output.replace("'", '"'))
    assert [name for name in programs if "python" not in name] == ["airship-connector"]

    ended, output = containers.run("demo", "--orders", "2000", image=BARE_IMAGE, network="none", tmpfs=True)

    assert ended == 0, output
    assert "the sums agree" in " ".join(output.split())
