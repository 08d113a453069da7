"""What Sampan saves, Docker, Podman, skopeo and umoci read, and the other way round: same id, history, files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.workbench import engine_at, tree
from tests.services.images import push_image, push_index, skopeo, umoci

from sampan.engine.engine import Engine

NAME = "example.org/team/both:1"
FILES = {"etc/one": b"1" * 5000, "etc/both": b"upper", "etc/two": b"2"}


def loaded(engine: Engine, archive: Path, *names: str) -> str:
    """Load an archive of one image, and check its names and files; its id."""
    (one,) = engine.load(str(archive))
    assert [name.familiar for name in one.names] == list(names)
    assert tree(engine, one.image.id) == FILES
    return one.image.id


def save(engine: Engine, path: Path, *names: str, form: str) -> Path:
    with path.open("wb") as out:
        engine.save(names, out, format=form)
    return path


def document(engine: Engine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.store.blobs.read(engine.image(name).id))
    return found


def exported(whole: bytes) -> dict[str, bytes]:
    """Return the files of an exported container that are the image's."""
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        return {name: tar.extractfile(name).read() for name in FILES}  # type: ignore[union-attr]


@pytest.fixture
def engine(tmp_path, small_image):  # type: ignore[no-untyped-def]
    """An engine with the image of two layers, which are compressed, under NAME."""
    skopeo("copy", "-q", f"oci:{small_image}", f"oci-archive:{tmp_path}/first.tar:{NAME}")
    with engine_at(tmp_path) as opened:
        loaded(opened, tmp_path / "first.tar", NAME)
        yield opened


@pytest.fixture
def other(tmp_path):  # type: ignore[no-untyped-def]
    with engine_at(tmp_path / "other") as opened:
        yield opened


def test_docker_and_back(engine, other, docker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    identity = engine.image(NAME).id
    archive = save(engine, tmp_path / "saved.tar", NAME, form="docker-archive")
    assert docker.run("load", "-i", archive) == f"Loaded image: {NAME}"
    try:
        (seen,) = json.loads(docker.run("image", "inspect", NAME))
        assert seen["Id"] == identity
        assert seen["RootFS"]["Layers"] == document(engine, NAME)["rootfs"]["diff_ids"]
        created = [step.get("created_by", "") for step in document(engine, NAME)["history"]]
        history = docker.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", NAME).split("\n")
        assert history == created[::-1]
        container = docker.run("create", NAME, "/none")
        assert exported(docker.result("export", container).stdout) == FILES
        docker.run("rm", container)
        docker.run("save", "-o", tmp_path / "docker.tar", NAME)
        assert loaded(other, tmp_path / "docker.tar", NAME) == identity
        assert document(other, NAME) == document(engine, NAME)
    finally:
        docker.run("rmi", NAME)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_and_back(engine, other, podman, tmp_path, form) -> None:  # type: ignore[no-untyped-def]
    identity = engine.image(NAME).id
    archive = save(engine, tmp_path / "saved.tar", NAME, form=form)
    policy = f"--signature-policy={podman.directory}/policy.json"
    assert podman.run("load", "-q", policy, "-i", archive) == f"Loaded image: {NAME}"
    try:
        (seen,) = json.loads(podman.run("image", "inspect", NAME))
        assert f"sha256:{seen['Id']}" == identity
        assert seen["RootFS"]["Layers"] == document(engine, NAME)["rootfs"]["diff_ids"]
        assert len(seen["History"]) == len(document(engine, NAME)["history"])
        container = podman.run("create", "--network=none", NAME, "/none")
        try:
            assert exported(podman.result("export", container).stdout) == FILES
        finally:
            podman.run("rm", container)
        podman.run("save", "-q", "--format", form, "-o", tmp_path / "podman.tar", NAME)
        assert loaded(other, tmp_path / "podman.tar", NAME) == identity
    finally:
        podman.run("rmi", NAME)


def test_skopeo_and_back(engine, other, tmp_path) -> None:  # type: ignore[no-untyped-def]
    image = engine.image(NAME)
    config = engine.store.blobs.read(image.id)
    docker = save(engine, tmp_path / "docker.tar", NAME, form="docker-archive")
    oci = save(engine, tmp_path / "oci.tar", NAME, form="oci-archive")
    assert skopeo("inspect", "--raw", f"oci-archive:{oci}:{NAME}") == engine.store.blobs.read(image.manifest)
    for archive in (f"docker-archive:{docker}", f"oci-archive:{oci}"):
        assert skopeo("inspect", "--config", "--raw", archive) == config
    skopeo("copy", "-q", f"oci-archive:{oci}", f"docker-archive:{tmp_path}/theirs.tar:{NAME}")
    loaded(other, tmp_path / "theirs.tar", NAME)  # skopeo writes the configuration anew for Docker
    assert document(other, NAME)["rootfs"] == document(engine, NAME)["rootfs"]
    skopeo("copy", "-q", f"oci-archive:{oci}", f"oci:{tmp_path}/layout:{NAME}")
    assert loaded(other, tmp_path / "layout", NAME) == image.id


def test_umoci_and_back(engine, other, tmp_path) -> None:  # type: ignore[no-untyped-def]
    layout = tmp_path / "layout"
    with tarfile.open(save(engine, tmp_path / "oci.tar", NAME, form="oci-archive")) as tar:
        tar.extractall(layout, filter="data")
    umoci("unpack", "--rootless", "--image", f"{layout}:{NAME}", tmp_path / "bundle")
    found = {name: (tmp_path / "bundle/rootfs" / name).read_bytes() for name in FILES}
    assert found == FILES
    umoci("config", "--image", f"{layout}:{NAME}", "--tag", "example.org/team/changed:2", "--author", "someone")
    found = {name.familiar: one for one in other.load(str(layout)) for name in one.names}
    assert found[NAME].image.id == engine.image(NAME).id
    assert document(other, "example.org/team/changed:2")["author"] == "someone"


def test_several_images_at_once(engine, docker, tmp_path) -> None:  # type: ignore[no-untyped-def]
    docker.run("import", "-m", "another", "-", "another:1", stdin=_tar())
    try:
        docker.run("save", "-o", tmp_path / "one.tar", "another:1")
        (one,) = engine.load(str(tmp_path / "one.tar"))
        both = save(engine, tmp_path / "both.tar", NAME, "another:1", form="docker-archive")
        docker.run("rmi", "another:1")
        assert docker.run("load", "-i", both) == f"Loaded image: {NAME}\nLoaded image: another:1"
        assert docker.run("image", "inspect", "-f", "{{.Id}}", "another:1") == one.image.id
    finally:
        docker.result("rmi", NAME, "another:1")


def test_every_platform_of_a_list(engine, registry, small_image, tmp_path) -> None:  # type: ignore[no-untyped-def]
    first = push_image(small_image, registry, "archives/list:1")
    umoci("config", "--image", small_image, "--tag", "arm", "--architecture", "arm64")
    arm = push_image(small_image.rpartition(":")[0] + ":arm", registry, "archives/list:arm")
    entries = [(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}"), arch)
               for name, arch in ((first, "amd64"), (arm, "arm64"))]  # fmt: skip
    push_index(registry, "archives/list", "all", [
        {"mediaType": json.loads(raw).get("mediaType", "application/vnd.oci.image.manifest.v1+json"),
         "digest": "sha256:" + hashlib.sha256(raw).hexdigest(), "size": len(raw),
         "platform": {"os": "linux", "architecture": arch}} for raw, arch in entries
    ])  # fmt: skip
    archive = tmp_path / "all.tar"
    skopeo("copy", "-q", "--all", "--src-tls-verify=false", f"docker://{registry.address}/archives/list:all",
           f"oci-archive:{archive}:example.org/list:1")
    for arch, platform in (("amd64", ""), ("arm64", "linux/arm64")):
        (one,) = engine.load(str(archive), platform=platform)
        assert document(engine, one.image.id)["architecture"] == arch
        whole = io.BytesIO()
        engine.save(["example.org/list:1"], whole, platform=f"linux/{arch}")
        assert one.image.manifest.partition(":")[2].encode() in whole.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    return out.getvalue()
