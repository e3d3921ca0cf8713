"""What the pages say of settings, metrics and addresses is what the program has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.airship import addresses
from connector.configuration.catalogue import catalogue
from connector.configuration.load import load
from connector.settings import Settings
from connector.telemetry import attributes, metrics_page
from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of, spans, text_of

SETTINGS = {setting.name for setting in catalogue().values()}
SECTIONS = {name.rsplit(".", depth)[0] for name in SETTINGS for depth in range(1, name.count(".") + 1)}
OWN_PROPERTIES = ("kafka.properties.", "dead_letters.properties.")

BASE: dict[str, Any] = {
    "kafka": {"bootstrap_servers": "kafka:9092", "group_id": "airship-connector"},
    "airship": {"app_key": "a" * 22, "auth": {"bearer_token": "any"}},
    "routes": [{"topics": ["orders"]}],
}
ALTERNATIVES = {
    # (page, first words): it shows what may not stand together, with comments that say so
    ("docs/decoding.md", "schema_registry:\n  url:"),
}


def settings_blocks() -> list[Block]:
    """Blocks that are settings: nothing at their top but sections of a settings file."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            try:
                tree = yaml.safe_load(block.text)
            except yaml.YAMLError:
                continue
            if isinstance(tree, dict) and tree and set(tree) <= set(Settings.model_fields):
                found.append(block)
    return found


def completed(tree: dict[str, Any]) -> dict[str, Any]:
    whole = {**BASE, **tree}
    for section in ("kafka", "airship"):
        own = tree.get(section, {})
        auth = own.get("auth", BASE["airship"]["auth"])
        whole[section] = {**BASE[section], **own, **({"auth": auth} if section == "airship" else {})}
    return whole


def test_there_are_such_blocks_on_these_pages() -> None:
    pages = {block.page for block in settings_blocks()}
    assert pages >= {"README.md", "docs/install.md", "docs/mapping.md", "docs/decoding.md"}


@pytest.mark.parametrize("block", settings_blocks(), ids=lambda block: block.page)
def test_settings_load(block: Block, tmp_path: Path) -> None:
    tree = completed(yaml.safe_load(block.text))
    if any(block.page == page and block.text.startswith(start) for page, start in ALTERNATIVES):
        for place in tree["schema_registry"]:
            assert f"schema_registry.{place}" in SETTINGS | SECTIONS
        return
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    password = {"CONNECTOR__KAFKA__PROPERTIES__SASL_PASSWORD": "any"} if "sasl.username" in block.text else {}
    load(tmp_path / "connector.yaml", password)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "settings.md"], ids=name_of)
def test_settings_that_are_named_exist(page: Path) -> None:
    sections = "|".join(name for name in Settings.model_fields)
    named = {
        found[1]
        for span in spans(page)
        if (found := re.fullmatch(rf"((?:{sections})(?:\[\])?(?:\.[a-z_.]+)+)(?::.*)?", span))
        and not found[1].startswith(OWN_PROPERTIES)
        and not found[1].endswith((".py", ".md", ".yaml"))
    }
    assert named - SETTINGS - SECTIONS == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "metrics.md"], ids=name_of)
def test_metrics_that_are_named_exist(page: Path) -> None:
    told = text_of(ROOT / "docs" / "metrics.md")
    names = {value for name, value in vars(attributes).items() if name.isupper() and isinstance(value, str)}
    names |= set(re.findall(r"^## (.+)$", told, re.MULTILINE)) | set(re.findall(r"`([a-z_.]+)`", told))
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in metrics_page.sample_names()}
    for span in spans(page):
        if re.fullmatch(r"(connector|messaging|http\.client|process)\.(?!yaml|schema)[a-z_.]+", span):
            module = ROOT / f"{span.replace('.', '/')}.py"
            assert span in names or module.exists() or module.with_suffix("").is_dir(), span
        for name in re.findall(r"\b((?:connector|messaging_client|http_client|process)_[a-z_]+)(?=[{\[]|$)", span):
            assert re.sub(r"_(bucket|count|sum)$", "", name) in families, name


def test_the_page_on_security_names_every_address() -> None:
    page = text_of(ROOT / "docs" / "security.md")
    for table in (addresses.BEARER_BASE_URLS, addresses.OAUTH_BASE_URLS, addresses.TOKEN_URLS):
        for address in table.values():
            assert f"`{addresses.parse_address(address, '').host}`" in page, address


def test_the_page_on_security_names_every_secret_and_every_file() -> None:
    """Each secret has a row that says how it is changed, and so has each file that the program reads."""
    page = text_of(ROOT / "docs" / "security.md")
    rows = page.partition("| secret | how it is changed |")[2]
    for setting in catalogue().values():
        if not setting.secret and not setting.name.endswith("_file"):
            continue
        match setting.name.split("."):
            case ["airship", "app_key"]:
                assert "| the app key |" in rows
            case ["schema_registry", *_, last] if last != "ca_file":
                assert "| the registry's password, token, certificate |" in rows
            case _:
                assert f"`{setting.name}`" in rows, setting.name
