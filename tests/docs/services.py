"""Stand in for the registries and web servers that the documents name."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.core.engine.workbench import OCI_MANIFEST, engine_at
from tests.docs.transcripts import Console
from tests.integration.sampan import Sampan
from tests.services.images import push_index
from tests.services.registry import PASSWORD, USER, RegistryServer, running_registry

_DEBIAN = {
    "os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "bash.bashrc": r"PS1='\u@\h:\w\$ '",
}
"""What of /etc tells Debian from another userland, as far as the documents show it."""


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


@pytest.fixture(scope="session")
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
