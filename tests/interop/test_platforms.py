"""Images for several platforms, their layers compressed with zstd, are what they are to Podman, skopeo and umoci."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.core.engine.workbench import DRIVERS, OCI_MANIFEST, engine_at, push
from tests.integration.sampan import Sampan
from tests.interop.trees import Tree, below, podman_tree, sampan_root, umoci_tree
from tests.services.archives import CHARACTER, FIFO, archive, directory, hardlink, member, symlink
from tests.services.images import push_index, skopeo
from tests.services.podman import Podman
from tests.services.registry import RegistryServer

from sampan.layers import removal
from sampan.testing.storage import CAPABILITY

ARCHITECTURES = ("amd64", "arm64")
_NOTED = {b"SCHILY.xattr.security.capability": CAPABILITY, b"SCHILY.xattr.user.note": b"\0=\n"}


def layers(architecture: str) -> list[bytes]:
    """Return layers with what layers can have; each platform's differ, but for the second."""
    name = architecture.encode()
    return [
        archive(
            directory(b"etc", mode=0o750, uid=7), member(b"etc/platform", name), member(b"etc/gone", name),
            directory(b"opaque"), member(b"opaque/old", b"1" * 70000), symlink(b"lib", b"usr/lib"),
            member(b"program", name * 999, mode=0o4755, uid=8, gid=9, pax=_NOTED),
            hardlink(b"linked", b"program", mode=0o4755, uid=8, gid=9, pax=_NOTED),
            member(b"null", kind=CHARACTER, device=(1, 3)), member(b"pipe", kind=FIFO),
        ),
        archive(directory(b"both", mode=0o2770, gid=5), member(b"both/same", b"same" * 50000, mtime=b"1234.5678")),
        archive(
            directory(b"etc", mode=0o755), member(b"etc/.wh.gone"), directory(b"opaque"),
            member(b"opaque/.wh..wh..opq"), member(b"opaque/new", name), member(b"lib", b"a file now"),
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Published:
    """An index in a registry: the manifests of its platforms, and where it is."""

    name: str
    manifests: Mapping[str, str]


@pytest.fixture(scope="module")
def published(registry: RegistryServer) -> Published:
    entries: list[dict[str, object]] = []
    for architecture in ARCHITECTURES:
        name = f"platforms/zstd:{architecture}"
        digest = push(registry, name, layers(architecture), config={"architecture": architecture}, compression="zstd")
        raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry.address}/{name}")
        entries.append({"mediaType": OCI_MANIFEST, "size": len(raw), "digest": digest,
                        "platform": {"os": "linux", "architecture": architecture}})
    push_index(registry, "platforms/zstd", "all", entries)
    return Published(f"{registry.address}/platforms/zstd:all",
                     {str(entry["platform"]["architecture"]): str(entry["digest"]) for entry in entries})  # type: ignore[index]


@pytest.fixture(scope="module")
def peers(published: Published, podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Tree]]:
    """The trees that Podman, and skopeo with umoci, have of each platform."""
    policy, found = f"--signature-policy={podman.directory}/policy.json", {}
    for architecture in ARCHITECTURES:
        podman.run("pull", "-q", "--tls-verify=false", policy, "--arch", architecture, published.name)
        place = tmp_path_factory.mktemp(architecture)
        # This umoci reads no zstd.
        skopeo("copy", "-q", "--src-tls-verify=false", "--override-arch", architecture, "--dest-compress-format=gzip",
                f"docker://{published.name}", f"oci:{place}/layout:it")
        found[architecture] = [podman_tree(podman, published.name), umoci_tree(f"{place}/layout:it", place / "bundle")]
        podman.run("rmi", published.name)
    return found


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_trees_are_the_peers(
    published: Published, peers: dict[str, list[Tree]], tmp_path: Path, architecture: str, driver: str
) -> None:
    try:
        with engine_at(tmp_path, driver) as engine:
            engine.pull(published.name, platform=f"linux/{architecture}")
            assert engine.image(published.name).manifest == published.manifests[architecture]
            with sampan_root(engine, published.name) as top:
                ours = below(top)
    finally:
        removal.remove_tree(str(tmp_path))
    assert ours[b"etc/platform"].size == len(architecture) and ours[b"program"].xattrs["security.capability"]
    for theirs in peers[architecture]:
        assert ours == theirs


@pytest.mark.parametrize("driver", DRIVERS)
def test_platforms_by_command(published: Published, registry: RegistryServer, driver: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sq", dir="/tmp") as directory:
        sampan = Sampan(Path(directory))
        sampan.config.write_text(f'storage = "{driver}"\n{sampan.config.read_text()}')
        _pull_both(sampan, published)
        _save_and_load(sampan, published)
        _push(sampan, published, f"{registry.address}/platforms/{driver}:1")


def _pull_both(sampan: Sampan, published: Published) -> None:
    shape = "{{.Id}} {{.Os}}/{{.Architecture}}"
    sampan.run("pull", "-q", published.name)
    native, _, platform = sampan.run("inspect", "-f", shape, published.name).partition(" ")
    assert platform == "linux/amd64"
    sampan.run("pull", "-q", "--platform", "linux/arm64", published.name)  # takes the tag over, as with Docker
    other, _, platform = sampan.run("inspect", "-f", shape, published.name).partition(" ")
    assert platform == "linux/arm64" and other != native
    rows = [line.split()[:3] for line in sampan.run("images", "--tree").splitlines()[3:] if line]
    short = {platform: identity[7:19] for identity, platform in ((native, "linux/amd64"), (other, "linux/arm64"))}
    assert [row[1] for row in rows if row[0] != "└─"] == [short["linux/arm64"], short["linux/amd64"]]
    assert {row[1]: row[2] for row in rows if row[0] == "└─"} == short


def _save_and_load(sampan: Sampan, published: Published) -> None:
    everything, saved = sampan.directory / "all.tar", sampan.directory / "saved.tar"
    refusal = sampan.fails("save", "--platform", "linux/amd64", "-o", saved, published.name)
    assert refusal.endswith("does not match the specified platform: wanted linux/amd64, actual: linux/arm64")
    skopeo("copy", "-q", "--all", "--src-tls-verify=false", f"docker://{published.name}",
            f"oci-archive:{everything}:example.org/all:1")
    for architecture, manifest in published.manifests.items():
        platform = f"linux/{architecture}"
        sampan.run("load", "-q", "--platform", platform, "-i", everything)
        assert sampan.run("inspect", "-f", "{{.Architecture}}", "example.org/all:1") == architecture
        sampan.run("save", "--platform", platform, "--format-driver", "oci-archive", "-o", saved, "example.org/all:1")
        kept = skopeo("inspect", "--raw", f"oci-archive:{saved}:example.org/all:1")
        assert "sha256:" + hashlib.sha256(kept).hexdigest() == manifest


def _push(sampan: Sampan, published: Published, name: str) -> None:
    sampan.run("tag", published.name, name)
    refusal = sampan.fails("push", "--platform", "linux/amd64", name)
    assert "wanted linux/amd64, actual: linux/arm64" in refusal
    sampan.run("push", "-q", "--platform", "linux/arm64", name)
    digest = json.loads(skopeo("inspect", "--override-arch=arm64", "--tls-verify=false", f"docker://{name}"))["Digest"]
    assert digest == published.manifests["arm64"]


def test_podman_loads_what_is_compressed_with_zstd(
    published: Published, peers: dict[str, list[Tree]], podman: Podman, tmp_path: Path
) -> None:
    with engine_at(tmp_path) as engine, (tmp_path / "saved.tar").open("wb") as out:
        engine.pull(published.name)
        engine.save([published.name], out, format="oci-archive")
    policy = f"--signature-policy={podman.directory}/policy.json"
    podman.run("load", "-q", policy, "-i", tmp_path / "saved.tar")
    assert podman_tree(podman, published.name) == peers["amd64"][0]
    podman.run("rmi", published.name)


def test_podman_pushes_zstd_in_chunks(podman: Podman, registry: RegistryServer, tmp_path: Path) -> None:
    """``zstd:chunked`` has frames besides the content, which tell where in it each file is."""
    (tmp_path / "layer.tar").write_bytes(layers("chunked")[0])
    own, name = "platforms/chunked:1", f"{registry.address}/platforms/chunked:1"
    podman.run("import", "-q", tmp_path / "layer.tar", own)
    podman.run("push", "-q", "--tls-verify=false", f"--signature-policy={podman.directory}/policy.json",
               "--compression-format", "zstd:chunked", own, f"docker://{name}")
    assert b"io.containers.zstd-chunked" in skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}")
    with engine_at(tmp_path) as engine:
        engine.pull(name)
        with sampan_root(engine, name) as top:
            assert below(top) == podman_tree(podman, own)
    podman.run("rmi", own)
