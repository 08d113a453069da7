"""``diff`` and ``commit`` find what Docker finds: the same actions on the same image, told and committed by both."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator

import msgspec
import pytest
from tests.core.engine.containers import Bench, bench_at, image_tar
from tests.services.docker import Docker

from sampan.model.container import ContainerSpec

_IMAGE = "peers/commit:1"
_DEFAULTS = ("CMD [\"sh\"]", "ENV A=1 B=2", "LABEL l=1", "EXPOSE 80", "VOLUME /vol", "WORKDIR /work")
_SCRIPT = """
mkdir /new /new-er; echo 1 > /new/file; echo 2 > /new-er/file; ln /new/file /new/hard; ln -s /nowhere /new/soft
rm /etc/plain; mkdir /etc/plain; rm -r /home/alice; mkdir /home/alice; echo 3 > /home/alice/only
rm -r /root; echo 4 > /root; chmod 700 /home; chown 7:8 /etc/group; touch -d '2001-02-03 04:05:06' /etc/passwd
mkfifo /fifo; mknod /node c 1 3; rm /bin/yes; mv /bin/wc /bin/cw; echo 5 > /tmp/gone; rm /tmp/gone; chmod 4755 /new/file
echo 6 > /etc/hosts; touch /dev/x; mkdir -p /etc/deep/er; cat /etc/group > /tmp/same; cp -a /etc/passwd /tmp/again
"""
_OWN = ("dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv")
_CHANGES = [
    ["ENV A=$B C=3", "LABEL l=2 m=3", "USER 5:6", "WORKDIR sub", "EXPOSE 90/udp", "VOLUME /other"],
    ["CMD echo hi", "HEALTHCHECK --interval=3s CMD true", "ONBUILD USER x"],
    ["ENTRYPOINT [\"cat\"]"], ["ENTRYPOINT cat", "CMD [\"x\"]"], ["CMD []"], ["ENTRYPOINT []"], ["HEALTHCHECK NONE"],
]  # fmt: skip


@pytest.fixture
def both(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Docker, Bench]]:
    """Both engines with the same image."""
    flags = [word for change in _DEFAULTS for word in ("-c", change)]
    docker.run("import", *flags, "-", _IMAGE, stdin=image_tar())
    with bench_at(tmp_path_factory.mktemp("both")) as bench:
        bench.engine.import_image(io.BytesIO(image_tar()), _IMAGE, changes=_DEFAULTS)
        try:
            yield docker, bench
        finally:
            if made := docker.run("ps", "-aq").split():
                docker.run("rm", "-f", "-v", *made)
            docker.run("rmi", _IMAGE)


def test_the_same_actions_are_the_same_changes(both: tuple[Docker, Bench]) -> None:
    docker, bench = both
    engine = bench.engine
    docker.run("run", "--net=none", "--name", "changed", _IMAGE, "sh", "-ec", _SCRIPT)
    container = engine.create(ContainerSpec(image=_IMAGE, command=("sh", "-ec", _SCRIPT), network="none"))
    engine.start(container.id)
    assert engine.wait(container.id) == 0
    theirs = docker.run("diff", "changed").splitlines()
    ours = [f"{change.kind} {change.path.decode()}" for change in engine.diff(container.id)]
    assert sorted(ours) == sorted(theirs)

    docker.run("commit", "changed", "peers/committed:1")
    engine.commit(container.id, "committed:1")
    exported = docker.result("export", docker.run("create", "peers/committed:1")).stdout
    out = io.BytesIO()
    again = engine.create(ContainerSpec(image="committed:1", command=("true",), network="none"))
    engine.export(again.id, out)
    assert _tree(out.getvalue()) == _tree(exported)
    docker.run("rmi", "-f", "peers/committed:1")


def _tree(archive: bytes) -> dict[str, tuple[object, ...]]:
    """Return what an archive says of each path, links between files resolved."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for entry in tar:
            name = entry.name.removeprefix("./").rstrip("/")
            if not name or name.startswith(_OWN):
                continue
            content = tar.extractfile(entry).read() if entry.isfile() or entry.islnk() else b""  # type: ignore[union-attr]
            kind = tarfile.REGTYPE if entry.islnk() else entry.type
            link = entry.linkname if entry.issym() else ""
            when = int(entry.mtime) if name in ("etc/passwd", "tmp/again") else 0
            found[name] = (kind, entry.mode & 0o7777, entry.uid, entry.gid, content, link, when)
    return found


@pytest.mark.parametrize("changes", _CHANGES, ids=lambda changes: changes[0].split()[0])
def test_the_same_instructions_are_the_same_configuration(both: tuple[Docker, Bench], changes: list[str]) -> None:
    docker, bench = both
    flags = ("--hostname", "h", "-e", "A=9", "--label", "n=1")
    with_docker = docker.run("create", *flags, _IMAGE, "sh", "-c", "true")
    spec = ContainerSpec(image=_IMAGE, command=("sh", "-c", "true"), hostname="h", env=("A=9",), labels={"n": "1"})
    ours = bench.engine.create(msgspec.structs.replace(spec, network="none"))
    words = [word for change in changes for word in ("-c", change)]
    theirs = docker.run("commit", "-m", "why", "-a", "who", *words, with_docker)
    made = bench.engine.commit(ours.id, message="why", author="who", changes=changes)
    (expected,) = json.loads(docker.run("image", "inspect", theirs))
    found = bench.engine.inspect_image(made.id)
    for document in (expected, found):
        for config in (document["Config"], document["ContainerConfig"]):
            for key in ("AttachStdout", "AttachStderr"):
                del config[key]
    for key in ("Config", "ContainerConfig", "Comment", "Author"):
        assert found[key] == expected[key]
    history = docker.run("history", "--format", "{{.CreatedBy}} {{.Comment}}", "--no-trunc", theirs).splitlines()
    assert history[0] == "sh -c true why"
    docker.run("rmi", theirs)
