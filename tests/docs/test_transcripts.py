"""What the documents show of a console is what happens there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.docs.services import Services
from tests.docs.test_guides import GUIDES
from tests.docs.transcripts import Console, Script, blocks
from tests.integration.sampan import Sampan

_ROOT = Path(__file__).parents[2]
_DAMAGE = "printf x | dd status=none conv=notrunc of=$(ls -S $SAMPAN_ROOT/blobs/sha256/* | head -1)"
_PREPARED: dict[str, Sequence[str]] = {
    "README.md": (),
    "docs/tutorial.md": (),
    "docs/images.md": ("sampan pull -q debian:12", "sampan create debian:12 bash"),
    "docs/archives.md": ("sampan pull -q debian:12", "sampan pull -q busybox"),
    "docs/registries.md": (),
    "docs/volumes.md": ("sampan pull -q debian:12",),
    "docs/plugin-kit.md": (),
    "docs/check.md": ("sampan pull -q debian:12", _DAMAGE),
}
"""The documents, and what to have done before."""
_ELSEWHERE = {"docs/restarting.md", "docs/sampan-oci.md"}  # takes systemd, Docker, pip
_TRANSLATED = {"docs/tutorial.zh.md": "docs/tutorial.md"}
_BEFOREHAND = ("make install", "make demo")  # scripts for whoever has no Sampan yet


@pytest.mark.parametrize("document", _PREPARED)
def test_transcripts(console: Console, services: Services, document: str) -> None:
    _carry_out(console, services, document)


def test_the_tutorial_runs_on_the_example_of_a_storage_driver(
    empty: Sampan, console: Console, services: Services, site: Path, tmp_path: Path
) -> None:
    empty.config.write_text('storage = ["copies"]\n' + empty.config.read_text())
    for part in ("sampan_example_storage.py", "sampan_example_storage-1.0.dist-info"):  # and nothing else of contrib
        subprocess.run(["cp", "-a", site / part, tmp_path], check=True)
    console.environ |= {"PYTHONPATH": str(tmp_path), "SAMPAN_CACHE_DIR": str(tmp_path / "cache")}
    _carry_out(console, services, "docs/tutorial.md")
    console.run("test \"$(sampan info -f '{{.Driver}}')\" = copies")
    assert "overlay2" not in os.listdir(empty.root / "storage")


def _carry_out(console: Console, services: Services, document: str) -> None:
    for script in _PREPARED[document]:
        console.run(script)
    text = services.placed((_ROOT / document).read_text()).replace("/root/", f"{console.directory}/")
    for block in blocks(text):
        if isinstance(block, Script):
            if not block.text.startswith(_BEFOREHAND):
                console.run(block.text)
            continue
        for exchange in block:
            console.check(exchange)


def test_every_transcript_is_carried_out() -> None:
    documents = [_ROOT / "README.md", *(_ROOT / "docs").rglob("*.md")]
    shown = {str(one.relative_to(_ROOT)) for one in documents if "```console" in one.read_text()}
    assert shown == set(_PREPARED) | _ELSEWHERE | set(_TRANSLATED) | {f"docs/{name}" for name in GUIDES.values()}


@pytest.mark.parametrize(("translation", "original"), _TRANSLATED.items())
def test_a_translation_shows_what_the_original_shows(translation: str, original: str) -> None:
    translated, tested = ((_ROOT / document).read_text() for document in (translation, original))
    assert list(blocks(translated)) == list(blocks(tested))
    assert re.findall(r"^#+ ", translated, re.M) == re.findall(r"^#+ ", tested, re.M)


def test_links_of_the_host_are_used_as_documented(console: Console) -> None:
    text = (_ROOT / "docs/networking.md").read_text().partition("## On a link of the host's")[2]
    script = next(block.text for block in blocks(text) if isinstance(block, Script))
    console.run("sampan pull -q busybox")
    host = [f"ip link {words}" for words in ("add eth0 type veth peer name far", "set eth0 up", "set far up")]
    whole = ["ip link set lo up", *host, script, "sampan rm -f printer", "sampan network prune -f"]
    (console.directory / "links").write_text("\n".join(whole))
    console.run("unshare --net sh -e links")


def test_plugins_of_cni_are_used_as_documented(console: Console) -> None:
    text = (_ROOT / "docs/networking.md").read_text().partition("## CNI plugins")[2]
    script = next(block.text for block in blocks(text) if isinstance(block, Script))
    own = script.replace('"host-local",', f'"host-local", "dataDir": "{console.directory}/addresses",')
    ask = "busybox wget -q -O- http://127.0.0.1:8080/etc/hostname >/dev/null"
    whole = ["ip link set lo up", own, ask, "sampan rm -f web", "sampan network rm routed"]
    console.run("sampan pull -q busybox")
    (console.directory / "cni").write_text("\n".join(whole))
    console.run("unshare --net sh -e cni")


def test_a_container_is_wired_as_documented(console: Console) -> None:
    text = (_ROOT / "docs/networking.md").read_text().partition("## Wire a container by hand")[2]
    scripts = [block.text for block in blocks(text) if isinstance(block, Script)]
    assert len(scripts) == 3
    console.run("sampan pull -q busybox")
    reach = "sampan exec box ping -c1 -W5 192.0.2.1"
    whole = ["ip link set lo up", scripts[0], reach, *scripts[1:], reach, "nft delete table ip box"]
    (console.directory / "wire").write_text("\n".join(whole))
    console.run("unshare --net sh -e wire")


def test_networks_are_made_as_documented(console: Console) -> None:
    text = (_ROOT / "docs/networking.md").read_text().partition("## The bridge")[0]
    made, named, published = (block.text for block in blocks(text) if isinstance(block, Script))
    console.run("sampan pull -q busybox")
    shown = "sampan exec box ip address show eth1 | grep 'inet6 fd'"
    # On a host of its own, where nobody has these subnets.
    fetched = "busybox wget -q -O- http://127.0.0.1:8080/etc/hostname >/dev/null"
    remove = "sampan rm -f box db web; sampan network rm web back"
    whole = ["ip link set lo up", made, shown, named, published, fetched, remove]
    (console.directory / "networks").write_text("\n".join(whole))
    console.run("unshare --net sh -e networks")
