"""What the documents show of a console is what happens there."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.core.engine.workbench import OCI_MANIFEST, engine_at
from tests.docs.transcripts import Console, Script, blocks
from tests.integration.sampan import Sampan
from tests.services.images import push_index
from tests.services.registry import PASSWORD, USER, RegistryServer, running_registry

_ROOT = Path(__file__).parents[2]
_DEBIAN = {
    "os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "bash.bashrc": r"PS1='\u@\h:\w\$ '",
}
"""What of /etc tells Debian from another userland, as far as the documents show it."""
_DAMAGE = "printf x | dd status=none conv=notrunc of=$(ls -S $SAMPAN_ROOT/blobs/sha256/* | head -1)"
_PREPARED: dict[str, Sequence[str]] = {
    "README.md": (),
    "docs/tutorial.md": (),
    "docs/images.md": ("sampan pull -q debian:12", "sampan create debian:12 bash"),
    "docs/archives.md": ("sampan pull -q debian:12", "sampan pull -q busybox"),
    "docs/registries.md": (),
    "docs/volumes.md": ("sampan pull -q debian:12",),
    "docs/check.md": ("sampan pull -q debian:12", _DAMAGE),
}
"""The documents, and what to have done before."""
_ELSEWHERE = {"docs/restarting.md", "docs/sampan-oci.md", "docs/storage-driver.md"}  # takes systemd, Docker, pip
_TRANSLATED = {"docs/tutorial.zh.md": "docs/tutorial.md"}
_BEFOREHAND = ("make install", "make demo")  # scripts for whoever has no Sampan yet


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Services:
    """A registry that stands for Docker Hub, one that wants to know who asks, and a web server with a file."""

    hub: RegistryServer
    private: RegistryServer
    digest: str
    web: str

    def placed(self, text: str) -> str:
        """Return a document with these in place of its examples."""
        text = text.replace("registry.example:5000", self.private.address).replace("registry.example", self.hub.address)
        text = text.replace("other.example", f"{self.hub.address}/other").replace("http://example.com", self.web)
        return text.replace("sha256:…", self.digest).replace("alice", USER)


@pytest.fixture(scope="module")
def services(
    rootfs_tar: Path, registry: RegistryServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    directory = tmp_path_factory.mktemp("services")
    shutil.copy(rootfs_tar, directory / "debian.tar")
    with tarfile.open(directory / "debian.tar", "a") as tar:
        for name, content in _DEBIAN.items():
            (directory / name).write_text(content)
            tar.add(directory / name, f"./etc/{name}")
    (directory / "web").mkdir()
    (directory / "web/exampleimage.tgz").write_bytes(gzip.compress(rootfs_tar.read_bytes(), 1))
    pushed = {}
    with engine_at(directory) as engine:
        for name, archive, command, platform in (
            ("library/debian:12", "debian.tar", "bash", ""), ("library/busybox:latest", rootfs_tar, "sh", ""),
            ("team/app:amd64", rootfs_tar, "sh", "linux/amd64"), ("team/app:arm64", rootfs_tar, "sh", "linux/arm64"),
        ):  # fmt: skip
            whole, changes = f"{registry.address}/{name}", [f'CMD ["{command}"]']
            with (directory / archive).open("rb") as source:
                engine.import_image(source, whole, changes=changes, platform=platform)
            pushed[name] = engine.push(whole)
    push_index(registry, "team/app", "1", [
        {"mediaType": OCI_MANIFEST, "digest": one.digest, "size": one.size,
         "platform": {"os": "linux", "architecture": one.reference.version}}
        for name, one in pushed.items() if name.startswith("team/app")
    ])  # fmt: skip
    with (
        running_registry(directory / "private", basic=True) as private,
        ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=directory / "web")) as web,
    ):
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield Services(registry, private, pushed["team/app:amd64"].digest, f"http://127.0.0.1:{web.server_address[1]}")
        web.shutdown()


@pytest.fixture
def console(empty: Sampan, services: Services) -> Console:
    with empty.config.open("a") as config:
        config.write(f'[registries."docker.io"]\nmirrors = ["http://{services.hub.address}"]\n')
    return Console(empty, {"pass": f"echo '{PASSWORD}'"}, PASSWORD)


@pytest.mark.parametrize("document", _PREPARED)
def test_transcripts(console: Console, services: Services, document: str) -> None:
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
    assert shown == set(_PREPARED) | _ELSEWHERE | set(_TRANSLATED)


@pytest.mark.parametrize(("translation", "original"), _TRANSLATED.items())
def test_a_translation_shows_what_the_original_shows(translation: str, original: str) -> None:
    translated, tested = ((_ROOT / document).read_text() for document in (translation, original))
    assert list(blocks(translated)) == list(blocks(tested))
    assert re.findall(r"^#+ ", translated, re.M) == re.findall(r"^#+ ", tested, re.M)


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
    text = (_ROOT / "docs/networking.md").read_text()
    first = next(block.text for block in blocks(text) if isinstance(block, Script))
    console.run("sampan pull -q busybox")
    console.run(first)
    console.run("sampan exec box ip address show eth1 | grep 'inet6 fd'; sampan rm -f box; sampan network rm web back")
