"""The root file system of an image is Docker's, file by file, whichever storage driver holds it.

Docker is the one whose layers are stacked (overlay2). It is followed also where it does not do as the OCI image
specification says: it leaves the root's own mode and owner alone, has no times before the epoch, does not carry out an
opaque mark of the root, makes plain directories (root's, 0755) of those on the way to an entry that the layer has no
entries for, whatever lower layers have in their place, and gives a file the owner, the mode and the capabilities of the
last of its links' entries.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.workbench import DRIVERS, engine_at, push
from tests.interop.trees import Tree, docker_root, sampan_root, tree_of
from tests.services.archives import (
    BLOCK,
    CHARACTER,
    FIFO,
    archive,
    directory,
    extended,
    hardlink,
    header,
    member,
    padded,
    symlink,
)  # fmt: skip
from tests.services.docker import Docker
from tests.services.registry import RegistryServer

from sampan.layers import removal
from sampan.testing.storage import CAPABILITY

_CAPABLE = {b"SCHILY.xattr.security.capability": CAPABILITY}

Layers = list[tuple[bytes, ...]]


class _Case:
    """Makes members below a directory of the case's own, so that many cases share an image."""

    def __init__(self, name: bytes) -> None:
        self.prefix = name + b"/" if name else b""

    def member(self, name: bytes, *rest: Any, **more: Any) -> bytes:
        return member(self.prefix + name, *rest, **more)

    def directory(self, name: bytes, **more: Any) -> bytes:
        return directory(self.prefix + name, **more)

    def symlink(self, name: bytes, target: bytes, **more: Any) -> bytes:
        return symlink(self.prefix + name, target, **more)

    def hardlink(self, name: bytes, target: bytes, **more: Any) -> bytes:
        return hardlink(self.prefix + name, self.prefix + target, **more)

    @property
    def base(self) -> tuple[bytes, ...]:
        c = self
        return (
            c.directory(b"d"),
            c.member(b"d/a", b"a"),
            c.member(b"d/b", b"b"),
            c.directory(b"d/s"),
            c.member(b"d/s/deep", b"deep"),
            c.directory(b"tmp", mode=0o1777, uid=5),
            c.symlink(b"bin", b"usr/bin"),
            c.directory(b"usr"),
            c.directory(b"usr/bin"),
            c.member(b"usr/bin/x", b"x", mode=0o755),
            c.member(b"f", b"f"),
            c.symlink(b"s", b"f"),
        )


CASES: dict[str, Callable[[_Case], Layers]] = {
    # Whiteouts
    "a file deleted": lambda c: [c.base, (c.directory(b"d"), c.member(b"d/.wh.a"), c.member(b".wh.s"))],
    "a directory deleted": lambda c: [c.base, (c.member(b".wh.d"),)],
    "deleted, then made again": lambda c: [
        c.base,
        (c.member(b".wh.d"), c.member(b".wh.f")),
        (c.directory(b"d"), c.member(b"f", b"new")),
    ],
    "a file deleted and made in one layer": lambda c: [c.base, (c.member(b".wh.f"), c.member(b"f", b"new"))],
    "what is not there deleted": lambda c: [c.base, (c.member(b".wh.nothing"), c.member(b"no/.wh.nothing"))],
    "whiteouts of other types": lambda c: [c.base, (c.directory(b".wh.d"), c.member(b".wh.f", b"content"))],
    "whiteouts in the lowest layer": lambda c: [
        (c.directory(b"d"), c.member(b"d/.wh.x"), c.member(b"d/.wh..wh..opq"), c.member(b"a"))
    ],
    "opaque first": lambda c: [
        c.base,
        (c.directory(b"d"), c.member(b"d/.wh..wh..opq"), c.directory(b"d/s"), c.member(b"d/c")),
    ],
    "opaque last": lambda c: [
        c.base,
        (c.directory(b"d"), c.directory(b"d/s"), c.member(b"d/c"), c.member(b"d/.wh..wh..opq")),
    ],
    "opaque and nothing else": lambda c: [
        c.base,
        (c.member(b"d/.wh..wh..opq"),),
        (c.directory(b"d"), c.member(b"d/new")),
    ],
    "opaque where nothing was": lambda c: [c.base, (c.member(b"nowhere/.wh..wh..opq"),)],
    "overlayfs's own whiteout": lambda c: [c.base, (c.member(b"f", kind=CHARACTER), c.member(b"q", kind=CHARACTER))],
    # Trading places
    "a directory, now a file": lambda c: [c.base, (c.member(b"d", b"now"),), (c.directory(b"d"), c.member(b"d/z"))],
    "a file, now a directory": lambda c: [
        c.base,
        (c.directory(b"f", mtime=7), c.member(b"f/x")),
        (c.member(b"f", b"again"),),
    ],
    "a directory, now a link": lambda c: [c.base, (c.symlink(b"d", b"usr/bin"),)],
    "a link, now a directory": lambda c: [c.base, (c.directory(b"bin", mtime=7), c.member(b"bin/y"))],
    "a link, now a file": lambda c: [c.base, (c.member(b"s", b"file now"),)],
    "a link, now another": lambda c: [c.base, (c.symlink(b"s", b"d"),)],
    "a file, now a device": lambda c: [
        c.base,
        (c.member(b"f", kind=CHARACTER, device=(1, 3)),),
        (c.member(b"f", kind=FIFO),),
    ],
    # Directories without entries of their own
    "directories implied": lambda c: [c.base, (c.member(b"tmp/x"), c.member(b"new/y/z"), c.member(b"d/s/more"))],
    "a directory implied where a file was": lambda c: [c.base, (c.member(b"f/x"),)],
    "a directory implied where a link was": lambda c: [c.base, (c.member(b"bin/y", b"y"),)],
    "a directory implied by a whiteout": lambda c: [c.base, (c.member(b"tmp/.wh.x"), c.member(b"bin/.wh.x"))],
    "links of the same layer": lambda c: [
        c.base,
        (
            c.directory(b"d"),
            c.symlink(b"l", b"d"),
            c.member(b"l/q"),
            c.symlink(b"m", b"/" + c.prefix + b"d/s"),
            c.directory(b"d/s", mode=0o700),
            c.member(b"m/r"),
        ),
    ],
    # Links between files
    "links between layers": lambda c: [
        (c.member(b"a", b"1"), c.hardlink(b"b", b"a"), c.hardlink(b"c", b"/a"), c.hardlink(b"d", b"./b")),
        (c.member(b"a", b"2"),),
        (c.member(b".wh.b"),),
    ],
    "links to links": lambda c: [(c.symlink(b"s", b"nowhere", mtime=5), c.hardlink(b"h", b"s", mtime=6, uid=3))],
    "links by way of links": lambda c: [
        (c.directory(b"d"), c.member(b"d/a", b"1"), c.symlink(b"l", b"d"), c.hardlink(b"h", b"l/a"))
    ],
    "a link's entry has the last word": lambda c: [
        (c.member(b"a", b"1"), c.hardlink(b"b", b"a", mode=0o4755, uid=7, mtime=77))
    ],
    "a link's entry without capabilities": lambda c: [(c.member(b"a", b"1", pax=_CAPABLE), c.hardlink(b"b", b"a"))],
    "a link's entry with capabilities": lambda c: [
        (c.member(b"a", pax=_CAPABLE), c.hardlink(b"b", b"a", pax=_CAPABLE))
    ],
    # Metadata
    "capabilities and attributes": lambda c: [
        (c.member(b"a", b"1", mode=0o755, uid=1, pax={**_CAPABLE, b"SCHILY.xattr.user.x": b"\0=\n"}),),
        (
            c.member(b"b", b"1", pax={b"SCHILY.xattr.trusted.x": b"y"}),
            c.symlink(b"s", b"b", pax={b"SCHILY.xattr.user.x": b"y", b"SCHILY.xattr.trusted.z": b"z"}),
        ),
    ],
    "capabilities taken back": lambda c: [(c.member(b"a", b"1", pax=_CAPABLE),), (c.member(b"a", b"1"),)],
    "attributes of a directory": lambda c: [
        (
            c.directory(b"d", pax={b"SCHILY.xattr.user.x": b"1"}),
            c.directory(b"e", pax={b"SCHILY.xattr.user.x": b"1"}),
            c.member(b"e/a"),
        ),
        (c.directory(b"d"), c.member(b"e/b")),
    ],
    "a directory's metadata": lambda c: [
        c.base,
        (c.directory(b"d", uid=9, gid=8, mode=0o2750, mtime=b"55.5"), c.member(b"d/new")),
    ],
    "modes": lambda c: [
        (
            c.member(b"a", mode=0o4755),
            c.member(b"b", mode=0o2755, gid=9),
            c.member(b"c", mode=0o1777),
            c.member(b"none", mode=0),
            c.directory(b"g", mode=0o2775, gid=50),
            c.member(b"g/x"),
            c.directory(b"g/y"),
        )
    ],
    "devices": lambda c: [
        (
            c.member(b"n", kind=CHARACTER, device=(1, 3), mode=0o666, uid=3),
            c.member(b"p", kind=FIFO, mode=0o622),
            c.member(b"b", kind=BLOCK, device=(7, 300), mode=0o4660),
        )
    ],
    "times": lambda c: [
        (
            *(
                make(name + b"%d" % number, mtime=mtime)
                for number, mtime in enumerate(
                    (b"1.123456789", b"1.9999999999", b"0", b"-1.5", -7, b"99999999999", 2**33)
                )
                for name, make in ((b"f", c.member), (b"d", c.directory))
            ),
            c.symlink(b"s", b"a", mtime=b"3.000000001"),
            c.symlink(b"t", b"a", mtime=b"-3.25"),
            c.member(b"p", kind=FIFO, mtime=b"-1"),
        )
    ],
    "big owners": lambda c: [
        (
            c.member(b"a", uid=3_000_000, gid=4_294_967_294),
            c.member(b"b", pax={b"uid": b"123456789", b"gid": b"4000000000"}),
        )
    ],
    # Names and forms
    "names that are not UTF-8": lambda c: [
        (
            c.member(b"\xff\xfe\x80", b"1"),
            c.directory(b"caf\xe9"),
            c.member(b"caf\xe9/new\nline"),
            c.symlink(b"\xf0s", b"\xe9t"),
            c.member(b"back\\slash"),
            c.member(b" lead"),
            c.member(b"pax", pax={b"path": c.prefix + b"\xffpax\xe9"}),
        ),
        (c.directory(b"caf\xe9"), c.member(b"caf\xe9/.wh.new\nline")),
    ],
    "long names": lambda c: [
        (
            c.member(b"n" * 255, b"1"),
            c.member(b"/".join([b"d" * 200] * 10) + b"/f", b"x"),
            c.symlink(b"s", b"t" * 3000),
            c.member(b"x" * 100),
            c.symlink(b"t", b"u" * 100),
        )
    ],
    "GNU's long names": lambda c: [
        (
            header(b"././@LongLink", b"L", 0, size=len(c.prefix) + 151)
            + padded(c.prefix + b"q" * 150 + b"\0")
            + header(b"././@LongLink", b"K", 0, size=121)
            + padded(b"t" * 120 + b"\0")
            + c.symlink(b"short", b"target"),
        )
    ],
    "dots and slashes in names": lambda c: [
        (c.member(b"./a"), c.directory(b"./b/."), c.member(b"b//c"), c.member(b"b/../e"))
    ],
    "slashes after names": lambda c: [
        (c.member(b"a/"), c.member(b"b/", kind=b"\0"), c.member(b"c/", b"xyz"), c.directory(b"d/"))
    ],
    "global records": lambda c: [(extended({b"mtime": b"5", b"uid": b"9"}, b"g"), c.member(b"a"), c.member(b"b"))],
    "empty records": lambda c: [(c.member(b"a", b"1", pax={b"path": b"", b"mtime": b"", b"uid": b""}, uid=4),)],
    "a size in a record": lambda c: [(c.member(b"a", b"hello", size=0, pax={b"size": b"5"}), c.member(b"b", b"x"))],
    # Sparse files
    "sparse": lambda c: [
        (
            c.member(
                b"f",
                padded(b"2\n0\n3\n4096\n2\n") + b"abcde",
                pax={
                    b"GNU.sparse.major": b"1",
                    b"GNU.sparse.minor": b"0",
                    b"GNU.sparse.name": c.prefix + b"sparse/1.0",
                    b"GNU.sparse.realsize": b"70000",
                },
            ),
            c.member(
                b"f",
                b"abcde",
                pax={
                    b"GNU.sparse.map": b"0,3,4096,2",
                    b"GNU.sparse.numblocks": b"2",
                    b"GNU.sparse.size": b"70000",
                    b"GNU.sparse.name": c.prefix + b"sparse/0.1",
                },
            ),
        )
    ],
}

ALONE: dict[str, Layers] = {
    "an opaque root": [_Case(b"").base, (member(b".wh..wh..opq"), member(b"new"))],
    "the root's entry": [(directory(b"./", mode=0o700, uid=7, mtime=1000), member(b"./a")), (directory(b"."),)],
    "empty layers": [(member(b"a"),), (), (), (member(b"b"),)],
    "nothing but an empty layer": [()],
    "repeated layers": [(member(b"a", b"1"),), (member(b".wh.a"),), (member(b"a", b"1"),), (member(b".wh.a"),)],
    "many layers": [
        (directory(b"d"), member(b"d/%d" % (n % 50), b"%d" % n), member(b"d/.wh.%d" % (n % 50 + 1))) for n in range(30)
    ],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, docker: Docker, registry: RegistryServer) -> dict[str, Tree]:
    """The trees of one image with all the cases, by whose they are."""
    made = [case(_Case(b"%d" % number)) for number, case in enumerate(CASES.values())]
    layers = [archive(*(directory(b"%d" % number) for number in range(len(made))))]
    for level in range(max(map(len, made))):
        layers.append(archive(*(entry for case in made if level < len(case) for entry in case[level])))
    push(registry, "trees/shared:1", layers)
    reference, root = f"{registry.address}/trees/shared:1", tmp_path_factory.mktemp("shared")
    return {"docker": docker_tree(docker, reference), **{name: tree(root, name, reference) for name in DRIVERS}}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", CASES)
def test_the_tree_is_dockers(shared: dict[str, Tree], case: str, driver: str) -> None:
    top = b"%d" % list(CASES).index(case)
    ours, theirs = (
        {path: node for path, node in shared[whose].items() if path.split(b"/")[0] == top}
        for whose in (driver, "docker")
    )
    assert len(theirs) > 1
    assert ours == theirs


@pytest.mark.parametrize("case", ALONE)
def test_a_whole_image_is_dockers(tmp_path: Path, docker: Docker, registry: RegistryServer, case: str) -> None:
    repository = f"trees/alone-{list(ALONE).index(case)}"
    push(registry, f"{repository}:1", [archive(*members) for members in ALONE[case]])
    expected = docker_tree(docker, f"{registry.address}/{repository}:1")
    for driver in DRIVERS:
        assert tree(tmp_path, driver, f"{registry.address}/{repository}:1") == expected, driver


@pytest.mark.parametrize("driver", DRIVERS)
def test_sparse_files_have_holes(shared: dict[str, Tree], driver: str) -> None:
    top = b"%d" % list(CASES).index("sparse")
    assert [shared[driver][top + name].blocks for name in (b"/sparse/1.0", b"/sparse/0.1")] == [16, 16]


def docker_tree(docker: Docker, reference: str) -> Tree:
    docker.run("pull", "-q", reference)
    try:
        with docker_root(docker, reference) as top:
            return tree_of(top)
    finally:
        docker.run("rmi", reference)


def tree(tmp_path: Path, driver: str, reference: str) -> Tree:
    root = tmp_path / driver
    try:
        with engine_at(root, driver) as engine:
            engine.pull(reference)
            with sampan_root(engine, reference) as top:
                return tree_of(top)
    finally:
        removal.remove_tree(str(root))
