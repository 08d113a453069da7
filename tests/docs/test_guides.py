"""The guides to the slots show what is tested: their files are files, their methods the contract's, their consoles run.

The conformance suites that the guides show are in contrib/examples, and run with all tests.
"""

from __future__ import annotations

import importlib
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from tests.docs.transcripts import Console, Script, blocks
from tests.integration.sampan import Sampan

from sampan.contracts.network import NetworkDriver
from sampan.contracts.runtime import Runtime
from sampan.contracts.storage import StorageDriver
from sampan.plugin.slots import SLOTS

_ROOT = Path(__file__).parents[2]
_EXAMPLES = _ROOT / "contrib/examples"
_DECLARED = tomllib.loads((_EXAMPLES / "pyproject.toml").read_text())["project"]["entry-points"]
GUIDES = {
    "commands": "command.md", "registries": "registry-client.md", "storage": "storage-driver.md",
    "network": "network-driver.md", "formats": "snapshot-format.md", "runtimes": "runtime.md",
    "logs": "log-driver.md", "volumes": "volume-driver.md", "extensions": "extension.md",
}  # fmt: skip
_CAPABILITIES = {"storage": StorageDriver, "network": NetworkDriver, "runtimes": Runtime}
_CONTRACTS = {
    "storage": ["storage:StorageDriver"],
    "network": ["network:NetworkDriver"],
    "registries": ["registry:Registry", "registry:Pushes", "registry:Authenticates"],
    "formats": ["format:RootfsFormat", "format:ImageFormat", "format:ImageArchive"],
    "logs": ["log:LogDriver", "log:LogWriter"],
    "volumes": ["volume:VolumeDriver"],
    "runtimes": ["runtime:Runtime", "runtime:Pauses", "runtime:Updates", "runtime:Measures"],
}


def guide(slot: str) -> str:
    return (_ROOT / "docs" / GUIDES[slot]).read_text()


def files(text: str) -> dict[str, str]:
    """Return what a document shows of files, by their paths in the repository."""
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', text, re.M | re.S))


def test_every_slot_has_a_guide() -> None:
    assert set(GUIDES) == set(SLOTS)


@pytest.mark.parametrize("document", sorted((_ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_files_are_shown_as_they_are(document: Path) -> None:
    for path, shown in files(document.read_text()).items():
        assert shown == (_ROOT / path).read_text(), path


@pytest.mark.parametrize("slot", _CONTRACTS)
def test_every_method_of_the_contract_is_told(slot: str) -> None:
    for contract in _CONTRACTS[slot]:
        module, _, name = contract.partition(":")
        described = vars(getattr(importlib.import_module(f"sampan.contracts.{module}"), name))
        methods = {key for key, value in described.items() if callable(value) and not key.startswith("_")}
        assert methods and not {key for key in methods if not re.search(rf"`(\w+\.)?{key}[(`]", guide(slot))}


@pytest.mark.parametrize(("slot", "driver"), _CAPABILITIES.items())
def test_every_capability_is_told(slot: str, driver: type[StorageDriver | NetworkDriver | Runtime]) -> None:
    fields = driver.capabilities.__struct_fields__
    assert fields and not [name for name in fields if f"`{name}`" not in guide(slot)]


@pytest.mark.parametrize("slot", [slot for slot in GUIDES if slot != "storage"])
def test_the_guide_shows_an_example_and_how_it_is_declared(slot: str) -> None:
    declared = {f"contrib/examples/{module}.py" for module in _DECLARED[f"sampan.{slot}"].values()}
    assert declared <= set(files(guide(slot)))
    declaration, _ = _tables(guide(slot))
    assert tomllib.loads(declaration)["project"]["entry-points"] == {f"sampan.{slot}": _DECLARED[f"sampan.{slot}"]}


def _tables(text: str) -> tuple[str, str]:
    """Return what a guide shows of the example's pyproject.toml, and of Sampan's configuration."""
    tables = re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)
    return "".join(one for one in tables if "[project" in one), "".join(one for one in tables if "[project" not in one)


def test_every_plugin_in_contrib_is_told() -> None:
    page = (_ROOT / "docs/plugins.md").read_text()
    told = set(re.findall(r"^\| `([\w-]+)` \|", page, re.M))
    assert told == {path.parent.name for path in (_ROOT / "contrib").glob("*/pyproject.toml")}
    assert not [name for name in GUIDES.values() if f"]({name})" not in page]


@pytest.mark.parametrize("example", sorted(_EXAMPLES.glob("sampan_example_*.py")), ids=lambda path: path.stem)
def test_examples_are_short(example: Path) -> None:
    assert len([line for line in example.read_text().splitlines() if line.strip()]) <= 60


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that the examples are installed in, as pip does it, on the path of the tests too."""
    directory = tmp_path / "site"
    metadata = directory / "sampan_examples-1.0.dist-info"
    metadata.mkdir(parents=True)
    for module in _EXAMPLES.glob("sampan_example_*.py"):
        shutil.copy(module, directory)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sampan-examples\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in _DECLARED.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(directory)
    monkeypatch.setenv("PYTHONPATH", str(directory))
    monkeypatch.setenv("SAMPAN_CACHE_DIR", str(tmp_path / "cache"))
    return directory


@pytest.mark.usefixtures("site")  # before the store, which is cleaned up by the drivers that it was used with
def test_the_consoles_of_the_guides(sampan: Sampan, tmp_path: Path) -> None:
    text = "".join(guide(slot) for slot in GUIDES if slot != "storage")  # whose example pip installs
    text = text.replace("/etc/sampan/wire", str(_EXAMPLES / "wire"))
    text = text.replace("/run/sampan/", f"{sampan.run_root}/").replace("/mnt/", f"{tmp_path}/")
    (tmp_path / "volumes").mkdir()
    sampan.config.write_text(_tables(text)[1] + sampan.config.read_text())
    sampan.run("tag", "bb:1", "busybox")
    console = Console(sampan, {}, "")
    for block in blocks(text):
        assert not isinstance(block, Script)
        for exchange in block:
            console.check(exchange)
