"""Images made here are pulled, loaded and run elsewhere with the same files, history and configuration, and back."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, bench_at, image_tar
from tests.interop.trees import Tree, below, docker_root, podman_tree, sampan_root, umoci_tree
from tests.services.docker import Docker
from tests.services.images import skopeo
from tests.services.podman import Podman
from tests.services.registry import RegistryServer

from sampan import naive
from sampan.model.container import ContainerSpec
from sampan.testing.storage import CAPABILITY

_DEFAULTS = ('CMD ["cat", "/etc/plain"]', "ENV A=1", "WORKDIR /tmp", "LABEL l=1", "EXPOSE 80", "VOLUME /vol")
_CHANGE = """
mkdir /new /new/deep; echo 1 > /new/file; ln /new/file /new/deep/hard; ln -s /nowhere /new/soft; mkfifo /new/fifo
rm /bin/yes; rm -r /home/alice; mkdir /home/alice; echo 2 > /home/alice/only; rm -r /root; echo 3 > /root
mknod /null c 1 3; chmod 4750 /new/file; chown 7:8 /etc/group /new; echo changed > /etc/plain
touch -d '2001-02-03 04:05:06' /etc/passwd
"""
_AGAIN = "rm -r /new/deep; mkdir /new/deep; mv /bin/wc /bin/cw; rm /root; mkdir /root; echo again > /etc/plain"
_KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "empty": ("imported", "", ()),
    "metadata": ("imported", "", ("ENV B=2", "USER 1000", "EXPOSE 90/udp", "LABEL l=2")),
    "changed": ("imported", _CHANGE, ()),
    "again": ("changed", _AGAIN, ("VOLUME /other",)),
}
"""Ways to make an image: of which other, by what script, with which instructions."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench_at(tmp_path_factory.mktemp("exchange")) as opened:
        yield opened


@pytest.fixture(scope="module")
def made(bench: Bench, registry: RegistryServer) -> dict[str, str]:
    """Images of each kind, made here and pushed; their names."""
    engine = bench.engine
    names = {kind: f"{registry.address}/exchange/{kind}:1" for kind in ("imported", *_KINDS)}
    engine.import_image(io.BytesIO(image_tar()), names["imported"], changes=_DEFAULTS, message="brought")
    for kind, (base, script, changes) in _KINDS.items():
        container = engine.create(ContainerSpec(image=names[base], command=("sh", "-ec", script), network="none"))
        if script:
            engine.start(container.id)
            assert engine.wait(container.id) == 0
            with naive.mounted(engine.storage().mounts(container.id)) as root:
                os.setxattr(f"{root}/new/file", "security.capability", CAPABILITY)
                os.setxattr(f"{root}/new", "user.note", b"\0=\n")
        engine.commit(
            container.id, names[kind], author="Jo <jo@example.com>", message=f"é {kind}",
            changes=(_DEFAULTS[0], *changes),
        )
        engine.remove(container.id, volumes=True)
    for name in names.values():
        engine.push(name)
    return names


@pytest.mark.parametrize("kind", ["imported", *_KINDS])
def test_docker_takes_what_is_made_here(
    bench: Bench, made: dict[str, str], docker: Docker, tmp_path: Path, kind: str
) -> None:
    name = made[kind]
    for bring in (("pull", "-q", name), ("load", "-i", saved(bench, name, tmp_path, "docker-archive"))):
        docker.run(*bring)
        try:
            (seen,) = json.loads(docker.run("image", "inspect", name))
            assert {key: seen[key] for key in _SAME} == {key: bench.engine.inspect_image(name)[key] for key in _SAME}
            assert docker_history(docker, name) == history(bench, name)
            with docker_root(docker, name) as top:
                assert below(top) == tree(bench, name)
            assert docker.run("run", "--rm", "--net=none", name) == _PRINTED.get(kind, "not a program")
        finally:
            docker.run("rmi", name)


@pytest.mark.parametrize("kind", ["imported", *_KINDS])
def test_podman_takes_what_is_made_here(
    bench: Bench, made: dict[str, str], podman: Podman, tmp_path: Path, kind: str
) -> None:
    name, archive = made[kind], saved(bench, made[kind], tmp_path, "oci-archive")
    policy = f"--signature-policy={podman.directory}/policy.json"
    for bring in (("pull", "--tls-verify=false", name), ("load", "-i", archive)):
        podman.run(bring[0], "-q", policy, *bring[1:])
        try:
            (seen,) = json.loads(podman.run("image", "inspect", name))
            assert f"sha256:{seen['Id']}" == bench.engine.image(name).id
            assert len(seen["History"]) == len(history(bench, name))
            assert podman_tree(podman, name) == tree(bench, name)
            assert podman.run("run", "--rm", "--network=none", name) == _PRINTED.get(kind, "not a program")
        finally:
            podman.run("rmi", name)


@pytest.mark.parametrize("kind", ["imported", *_KINDS])
def test_umoci_takes_what_is_made_here(bench: Bench, made: dict[str, str], tmp_path: Path, kind: str) -> None:
    layout = f"{tmp_path}/layout:it"
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{made[kind]}", f"oci:{layout}")
    assert skopeo("inspect", "--raw", f"oci:{layout}") == bench.engine.store.blobs.read(
        bench.engine.image(made[kind]).manifest)
    assert umoci_tree(layout, tmp_path / "bundle") == tree(bench, made[kind])


@pytest.mark.parametrize("kind", _KINDS)
def test_what_docker_commits_comes_here(
    bench: Bench, made: dict[str, str], docker: Docker, registry: RegistryServer, tmp_path: Path, kind: str
) -> None:
    _, script, changes = _KINDS[kind]
    name, engine = f"{registry.address}/exchange/docker-{kind}:1", bench.engine
    docker.run("pull", "-q", made[_KINDS[kind][0]])
    container = docker.run("create", "--net=none", made[_KINDS[kind][0]], "sh", "-ec", script)
    docker.run("start", "-a", container)
    words = [word for change in (_DEFAULTS[0], *changes) for word in ("-c", change)]
    docker.run("commit", "-m", f"é {kind}", "-a", "Jo", *words, container, name)
    try:
        docker.run("push", "-q", name)
        docker.run("save", "-o", tmp_path / "saved.tar", name)
        for bring in (lambda: engine.pull(name), lambda: engine.load(str(tmp_path / "saved.tar"))):
            bring()
            (seen,) = json.loads(docker.run("image", "inspect", name))
            assert {key: seen[key] for key in _SAME} == {key: engine.inspect_image(name)[key] for key in _SAME}
            assert docker_history(docker, name) == history(bench, name)
            with docker_root(docker, name) as top:
                assert below(top) == tree(bench, name)
            engine.remove_image(name)
    finally:
        docker.run("rm", "-v", container)
        docker.run("rmi", name, made[_KINDS[kind][0]])


def test_commits_upon_each_others_commits(
    bench: Bench, made: dict[str, str], docker: Docker, podman: Podman, registry: RegistryServer
) -> None:
    """Docker's manifest of gzip, ours of OCI's types and Docker's again: one image grows in turn."""
    engine, name = bench.engine, f"{registry.address}/exchange/turns:1"
    docker.run("pull", "-q", made["changed"])
    container = docker.run("create", "--net=none", made["changed"], "sh", "-c", "echo 1 > /turn; rm /new/soft")
    docker.run("start", "-a", container)
    docker.run("commit", "-m", "first", container, name)
    docker.run("push", "-q", name)
    engine.pull(name)
    ours = engine.create(ContainerSpec(image=name, command=("sh", "-c", "echo 2 >> /turn; rm -r /new"), network="none"))
    engine.start(ours.id)
    assert engine.wait(ours.id) == 0
    engine.commit(ours.id, name, message="second", changes=('CMD ["cat", "/turn"]',))
    engine.push(name)
    engine.remove(ours.id, volumes=True)
    try:
        docker.run("pull", "-q", name)
        assert docker.run("run", "--rm", "--net=none", name) == "1\n2"
        assert docker_history(docker, name) == history(bench, name)
        assert [comment for _, comment in history(bench, name)][:3] == ["second", "first", "é changed"]
        with docker_root(docker, name) as top:
            assert below(top) == tree(bench, name)
        podman.pull(name)
        assert podman_tree(podman, name) == tree(bench, name)
        podman.run("rmi", name)
    finally:
        docker.run("rm", "-v", container)
        docker.run("rmi", name, made["changed"])


_SAME = (
    "Id", "Config", "ContainerConfig", "Comment", "Author", "Created", "Architecture", "Os", "RootFS", "RepoTags",
    "Size",
)  # fmt: skip
_PRINTED = {"changed": "changed", "again": "again"}


def saved(bench: Bench, name: str, directory: Path, form: str) -> Path:
    """Write an image to an archive."""
    with (directory / form).open("wb") as out:
        bench.engine.save([name], out, format=form)
    return directory / form


def tree(bench: Bench, name: str) -> Tree:
    with sampan_root(bench.engine, name) as top:
        return below(top)


def history(bench: Bench, name: str) -> list[tuple[str, str]]:
    return [(step.created_by, step.comment) for step in bench.engine.history(name)]


def docker_history(docker: Docker, name: str) -> list[tuple[str, str]]:
    lines = docker.run("history", "--no-trunc", "--format", "{{json .}}", name).splitlines()
    return [(step["CreatedBy"], step["Comment"]) for step in map(json.loads, lines)]
