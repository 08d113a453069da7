"""Check that a storage driver keeps its contract.

A driver's author subclasses the suite and says how the driver is opened on a directory::

    class TestMine(StorageDriverSuite):
        @pytest.fixture
        def make(self):
            return MyDriver

``make`` is called with a directory that is empty at first, more than once and in other processes: that is what
commands do. What the driver declares as its capabilities decides what is asked of it, nothing else. It takes root.
"""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import io
import os
import signal
import stat
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sampan import naive
from sampan.contracts.storage import Change, ChangeKind, Kind, StorageDriver
from sampan.errors import AlreadyExists, Conflict, Corrupt, InvalidInput, NotFound, Unsupported

Make = Callable[[str], StorageDriver]

# VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective (capabilities(7)).
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
_ADDED, _MODIFIED, _DELETED = ChangeKind.ADDED, ChangeKind.MODIFIED, ChangeKind.DELETED


class Archive:
    """A layer in the making."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.TarFile(
            fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape")

    def add(self, name: str, content: bytes | None = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644,
            uid: int = 0, gid: int = 0, mtime: int = 1_000_000_000, link: str = "", device: tuple[int, int] = (0, 0),
            xattrs: dict[str, bytes] | None = None) -> Archive:
        """Add one member and return the archive; without content it is a directory."""
        member = tarfile.TarInfo(name)
        member.type = tarfile.DIRTYPE if content is None else kind
        member.mode = mode if content is not None or mode != 0o644 else 0o755
        member.uid, member.gid, member.mtime, member.linkname = uid, gid, mtime, link
        member.devmajor, member.devminor = device
        member.size = len(content or b"")
        member.pax_headers = {
            f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in (xattrs or {}).items()}
        self._tar.addfile(member, io.BytesIO(content or b""))
        return self

    def stream(self) -> io.BytesIO:
        """Return the finished layer."""
        self._tar.close()
        return io.BytesIO(self._bytes.getvalue())


class StorageDriverSuite:
    """The contract of sampan.contracts.storage, one rule a test."""

    @pytest.fixture
    def root(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        """Give a fresh directory, with nothing of it mounted or left afterwards."""
        from sampan.layers import removal

        path = str(tmp_path_factory.mktemp("storage"))
        with open("/proc/self/mountinfo", "rb") as file:
            before = file.read().count(os.fsencode(path))
        yield path
        with open("/proc/self/mountinfo", "rb") as file:
            assert file.read().count(os.fsencode(path)) == before, "a mount was left behind"
        removal.remove_tree(path)

    @pytest.fixture
    def driver(self, make: Make, root: str) -> Iterator[StorageDriver]:
        opened = make(root)
        yield opened
        opened.close()

    # Life cycle

    def test_starts_empty(self, driver: StorageDriver) -> None:
        assert list(driver.walk()) == []

    def test_tells_what_there_is(self, driver: StorageDriver, make: Make, root: str) -> None:
        layer(driver, "base", None, Archive())
        driver.prepare("top", "base")
        for seen in (driver, make(root)):
            assert {(s.key, s.kind, s.parent) for s in seen.walk()} == {
                ("base", Kind.COMMITTED, None), ("top", Kind.ACTIVE, "base")}
            assert seen.stat("top").parent == "base"
            assert seen.stat("base").kind is Kind.COMMITTED

    def test_a_child_starts_as_its_parent(self, driver: StorageDriver) -> None:
        layer(driver, "base", None, Archive().add("etc", None).add("etc/name", b"base"))
        driver.prepare("top", "base")
        with tree(driver, "top") as top:
            assert read(top, "etc/name") == b"base"
            with open(f"{top}/etc/name", "w") as file:
                file.write("changed")
        with tree(driver, "top") as top:
            assert read(top, "etc/name") == b"changed"
        with tree(driver, "base") as base:
            assert read(base, "etc/name") == b"base"

    def test_what_is_written_survives_commit(self, driver: StorageDriver) -> None:
        driver.prepare("a", None)
        with tree(driver, "a") as top, open(f"{top}/file", "w") as file:
            file.write("content")
        driver.commit("a", "sha256:" + "a" * 64)
        with tree(driver, "sha256:" + "a" * 64) as top:
            assert read(top, "file") == b"content"

    def test_siblings_do_not_see_each_other(self, driver: StorageDriver) -> None:
        layer(driver, "base", None, Archive().add("f", b"1"))
        driver.prepare("x", "base")
        driver.prepare("y", "base")
        with tree(driver, "x") as x:
            os.unlink(f"{x}/f")
        with tree(driver, "y") as y:
            assert os.listdir(y) == ["f"]

    def test_taken_keys(self, driver: StorageDriver) -> None:
        layer(driver, "base", None, Archive())
        driver.prepare("a", None)
        for taken in ("a", "base"):
            with pytest.raises(AlreadyExists):
                driver.prepare(taken, None)
        driver.prepare("b", None)
        with pytest.raises(AlreadyExists):
            driver.commit("b", "base")
        assert driver.stat("b").kind is Kind.ACTIVE

    def test_unknown_keys(self, driver: StorageDriver) -> None:
        driver.prepare("a", None)
        driver.commit("a", "committed")
        for call in (lambda: driver.mounts("none"), lambda: driver.stat("none"),
                     lambda: driver.commit("none", "x"), lambda: driver.commit("committed", "x")):
            with pytest.raises(NotFound):
                call()
        driver.remove("none")

    @pytest.mark.parametrize("parent", ["missing", "active"])
    def test_a_parent_is_a_committed_snapshot(self, driver: StorageDriver, parent: str) -> None:
        driver.prepare("active", None)
        with pytest.raises(NotFound):
            driver.prepare("child", parent)
            assert driver.capabilities.independent_layers
            driver.mounts("child")

    @pytest.mark.parametrize("key", ["", "..", "a/b", "a b", "é", "k" * 129])
    def test_what_is_no_key(self, driver: StorageDriver, key: str) -> None:
        with pytest.raises(InvalidInput):
            driver.prepare(key, None)
        assert list(driver.walk()) == []

    def test_every_kind_of_key(self, driver: StorageDriver) -> None:
        for key in ("k" * 128, "sha256:" + "0" * 64, "A.b_c-d:e", "-x", "_"):
            driver.prepare(key, None)
            driver.remove(key)
        assert list(driver.walk()) == []

    def test_removing(self, driver: StorageDriver) -> None:
        layer(driver, "base", None, Archive().add("f", b"1"))
        layer(driver, "top", "base", Archive().add("g", b"2"))
        with pytest.raises(Conflict):
            driver.remove("base")
        with tree(driver, "top") as top:
            assert sorted(os.listdir(top)) == ["f", "g"]
        driver.remove("top")
        driver.remove("base")
        assert list(driver.walk()) == []
        driver.prepare("base", None)
        with tree(driver, "base") as base:
            assert os.listdir(base) == []

    # Layers

    def test_deletions(self, driver: StorageDriver) -> None:
        base = Archive().add("d", None).add("d/a", b"1").add("d/b", b"2").add("e", None).add("e/x")
        layer(driver, "base", None, base)
        layer(driver, "top", "base", Archive().add("d", None).add("d/.wh.a").add(".wh.e").add("d/.wh.none"))
        layer(driver, "again", "top", Archive().add("e", None).add("e/y"))
        with tree(driver, "top") as top:
            assert names(top) == ["d", "d/b"]
        with tree(driver, "again") as top:
            assert names(top) == ["d", "d/b", "e", "e/y"]

    def test_deletions_in_a_lowest_layer(self, driver: StorageDriver) -> None:
        layer(driver, "base", None, Archive().add(".wh.x").add("d", None).add("d/.wh..wh..opq").add("d/f"))
        with tree(driver, "base") as base:
            assert names(base) == ["d", "d/f"]

    @pytest.mark.parametrize("first", [True, False])
    def test_opaque_directories(self, driver: StorageDriver, first: bool) -> None:
        layer(driver, "base", None, Archive().add("d", None).add("d/s", None).add("d/s/old").add("d/f", b"old"))
        top = Archive().add("d", None)
        if first:
            top.add("d/.wh..wh..opq")
        top.add("d/s", None).add("d/s/new").add("d/g", b"new")
        if not first:
            top.add("d/.wh..wh..opq")
        layer(driver, "top", "base", top)
        with tree(driver, "top") as seen:
            assert names(seen) == ["d", "d/g", "d/s", "d/s/new"]

    @pytest.mark.parametrize("first", [True, False])
    def test_a_directory_replaced_by_a_new_one(self, driver: StorageDriver, first: bool) -> None:
        layer(driver, "base", None, Archive().add("d", None).add("d/old"))
        top = Archive().add(".wh.d") if first else Archive()
        top.add("d", None).add("d/new")
        layer(driver, "top", "base", top if first else top.add(".wh.d"))
        with tree(driver, "top") as seen:
            assert names(seen) == ["d", "d/new"]

    def test_files_and_directories_trade_places(self, driver: StorageDriver) -> None:
        layer(driver, "base", None, Archive().add("a", None).add("a/x").add("b", b"file"))
        layer(driver, "top", "base", Archive().add("a", b"file").add("b", None).add("b/y"))
        layer(driver, "back", "top", Archive().add("a", None).add("a/z").add("b", kind=tarfile.SYMTYPE, link="a"))
        with tree(driver, "top") as seen:
            assert names(seen) == ["a", "b", "b/y"]
        with tree(driver, "back") as seen:
            assert names(seen) == ["a", "a/z", "b"]
            assert os.readlink(f"{seen}/b") == "a"

    def test_every_kind_of_file(self, driver: StorageDriver) -> None:
        odd = os.fsdecode(b"caf\xe9-\xff")
        long = "/".join(["n" * 200] * 3)
        base = (
            Archive().add("dir", None, mode=0o2755, uid=3, gid=4)
            .add("dir/f", b"x" * 70000, mode=0o4711, uid=70000, gid=80000)
            .add("big", b"", uid=3_000_000_000, gid=4_000_000_000).add("ro", b"", mode=0o400)
            .add("hard", kind=tarfile.LNKTYPE, link="dir/f", mode=0o4711, uid=70000, gid=80000)
            .add("soft", kind=tarfile.SYMTYPE, link="/nowhere", uid=5)
            .add("null", kind=tarfile.CHRTYPE, device=(1, 3), mode=0o666)
            .add("loop", kind=tarfile.BLKTYPE, device=(7, 9))
            .add("pipe", kind=tarfile.FIFOTYPE, mode=0o622).add(odd, b"odd").add(long, b"long")
            .add("ping", b"", uid=7, xattrs={"security.capability": CAPABILITY, "user.note": b"hi"})
            .add("tmp", None, mode=0o1777)
        )
        layer(driver, "base", None, base)
        driver.prepare("top", "base")
        for key in ("base", "top"):
            with tree(driver, key) as seen:
                self._check_kinds(seen, odd, long)

    def _check_kinds(self, seen: str, odd: str, long: str) -> None:
        def of(name: str) -> tuple[str, int, int]:
            status = os.lstat(f"{seen}/{name}")
            return stat.filemode(status.st_mode), status.st_uid, status.st_gid

        assert of("dir") == ("drwxr-sr-x", 3, 4)
        assert of("dir/f") == ("-rws--x--x", 70000, 80000)
        assert of("big") == ("-rw-r--r--", 3_000_000_000, 4_000_000_000)
        assert of("ro")[0] == "-r--------"
        assert of("soft")[1:] == (5, 0)
        assert of("null")[0] == "crw-rw-rw-"
        assert of("pipe")[0] == "prw--w--w-"
        assert of("tmp")[0] == "drwxrwxrwt"
        assert os.lstat(f"{seen}/null").st_rdev == os.makedev(1, 3)
        assert os.lstat(f"{seen}/loop").st_rdev == os.makedev(7, 9)
        assert os.lstat(f"{seen}/hard").st_ino == os.lstat(f"{seen}/dir/f").st_ino
        assert os.readlink(f"{seen}/soft") == "/nowhere"
        assert read(seen, odd) == b"odd"
        assert read(seen, long) == b"long"
        assert os.getxattr(f"{seen}/ping", "security.capability") == CAPABILITY
        assert os.getxattr(f"{seen}/ping", "user.note") == b"hi"
        for name in ("dir", "dir/f", "soft", "null", "pipe", "tmp"):
            assert os.lstat(f"{seen}/{name}").st_mtime == 1_000_000_000, name

    def test_127_layers(self, driver: StorageDriver) -> None:
        parent = None
        for number in range(127):
            archive = Archive().add(f"f{number}", b"%d" % number)
            if number > 1:
                archive.add(f".wh.f{number - 2}")
            layer(driver, f"sha256:{number:064}", parent, archive)
            parent = f"sha256:{number:064}"
        driver.prepare("container", parent)
        with tree(driver, "container") as top:
            assert sorted(os.listdir(top)) == ["f125", "f126"]
            os.unlink(f"{top}/f125")
        assert list(naive.changes(driver, "container")) == [Change(b"/f125", _DELETED)]

    def test_layers_before_their_parents(self, driver: StorageDriver) -> None:
        if not driver.capabilities.independent_layers:
            with pytest.raises(NotFound):
                driver.prepare("two", "sha256:one")
            return
        driver.prepare("two", "sha256:one")
        naive.apply(driver, "two", Archive().add(".wh.a").add("b").stream())
        layer(driver, "sha256:one", None, Archive().add("a").add("c"))
        driver.commit("two", "sha256:two")
        with tree(driver, "sha256:two") as seen:
            assert names(seen) == ["b", "c"]

    @pytest.mark.parametrize("damage", ["outside", "truncated", "garbage"])
    def test_a_hostile_layer(self, driver: StorageDriver, root: str, damage: str) -> None:
        content = Archive().add("../../../escaped" if damage == "outside" else "f", b"x" * 5000).stream().getvalue()
        content = {"truncated": content[:3000], "garbage": b"\1" * 2048}.get(damage, content)
        driver.prepare("a", None)
        with pytest.raises(Corrupt):
            naive.apply(driver, "a", io.BytesIO(content))
        driver.remove("a")
        assert list(driver.walk()) == []

    # What is derived

    def test_changes_and_usage(self, driver: StorageDriver) -> None:
        base = Archive().add("d", None).add("d/kept").add("d/gone").add("e", None).add("e/f", b"1")
        base.add("x", b"x").add("y")
        assert layer(driver, "base", None, base) == 2
        assert list(naive.changes(driver, "base"))[:2] == [Change(b"/d", _ADDED), Change(b"/d/gone", _ADDED)]
        assert (naive.usage(driver, "base").size, naive.usage(driver, "base").inodes) == (2, 7)
        driver.prepare("top", "base")
        assert list(naive.changes(driver, "top")) == []
        with tree(driver, "top") as top:
            os.unlink(f"{top}/d/gone")
            os.chmod(f"{top}/x", 0o600)
            os.unlink(f"{top}/e/f")
            os.rmdir(f"{top}/e")
            os.mkdir(f"{top}/e")
            for name in ("e/new", "d/new"):
                with open(f"{top}/{name}", "w") as file:
                    file.write("12345")
        wanted = [Change(b"/d", _MODIFIED), Change(b"/d/gone", _DELETED), Change(b"/d/new", _ADDED),
                  Change(b"/e", _MODIFIED), Change(b"/e/f", _DELETED), Change(b"/e/new", _ADDED),
                  Change(b"/x", _MODIFIED)]
        assert list(naive.changes(driver, "top")) == wanted
        assert naive.usage(driver, "top").size == 11
        driver.commit("top", "frozen")
        assert list(naive.changes(driver, "frozen")) == wanted

    @pytest.mark.parametrize("depth", [200, 1500])
    def test_deep_trees_are_served_or_refused(self, driver: StorageDriver, depth: int) -> None:
        layer(driver, "base", None, Archive().add("d/" * depth + "f", b"x"))
        try:
            driver.prepare("top", "base")
            assert naive.usage(driver, "base").inodes == depth + 1
            assert len(list(naive.changes(driver, "base"))) == depth + 1
        except Unsupported:
            assert depth > 300
        driver.remove("top")
        driver.remove("base")
        assert list(driver.walk()) == []

    # Commands die, and run side by side

    @pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.01, 0.03])
    def test_killed_in_the_middle(self, driver: StorageDriver, make: Make, root: str, delay: float) -> None:
        archive = Archive()
        for number in range(300):
            archive.add(f"d{number % 10}/f{number}", b"x" * 100)
        content = archive.stream().getvalue()
        layer(driver, "base", None, archive)

        def work() -> None:
            own = make(root)
            while True:
                own.prepare("a", "base")
                naive.apply(own, "a", io.BytesIO(content))
                own.commit("a", "b")
                own.remove("b")

        child = in_child(work)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        again = make(root)
        shown = {s.key: s for s in again.walk()}
        assert shown.keys() <= {"base", "a", "b"}
        if "b" in shown:
            with tree(again, "b") as seen:
                assert len(names(seen)) == 310
        for key in ("a", "b"):
            again.remove(key)
        again.prepare("a", "base")
        with tree(again, "a") as seen:
            assert len(names(seen)) == 310
        again.remove("a")
        again.remove("base")
        assert list(again.walk()) == []
        assert weight(root) < 40, "what was begun is still there"

    def test_several_processes(self, driver: StorageDriver, make: Make, root: str) -> None:
        layer(driver, "base", None, Archive().add("f", b"1"))

        def work(me: int) -> None:
            own = make(root)
            for number in range(5):
                own.prepare(f"{me}-{number}", "base")
                naive.apply(own, f"{me}-{number}", Archive().add(f"g{me}").stream())
                try:
                    own.commit(f"{me}-{number}", f"shared-{number}")
                except AlreadyExists:
                    own.remove(f"{me}-{number}")

        children = [in_child(lambda me=me: work(me)) for me in range(3)]  # type: ignore[misc]  # binds the loop's value
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
        assert {s.key for s in driver.walk()} == {"base", *(f"shared-{number}" for number in range(5))}


def layer(driver: StorageDriver, name: str, parent: str | None, archive: Archive) -> int:
    """Make a committed snapshot of a layer and return the bytes of its content."""
    driver.prepare(f"unpack-{name[-100:]}", parent)
    size = naive.apply(driver, f"unpack-{name[-100:]}", archive.stream())
    driver.commit(f"unpack-{name[-100:]}", name)
    return size


@contextmanager
def tree(driver: StorageDriver, key: str) -> Iterator[str]:
    """Give the root of a snapshot's tree."""
    with naive.mounted(driver.mounts(key)) as path:
        yield path


def names(top: str) -> list[str]:
    """Return the paths of everything in a tree, sorted."""
    found = []
    for path, directories, files in os.walk(top):
        found += [os.path.relpath(f"{path}/{name}", top) for name in directories + files]
    return sorted(found)


def read(top: str, name: str) -> bytes:
    """Return a file's content."""
    with open(f"{top}/{name}", "rb") as file:
        return file.read()


def weight(root: str) -> int:
    """Count what is in a directory."""
    return len(names(root))


def in_child(work: Callable[[], None]) -> int:
    """Do some work in a child process, which ends with it, and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    return pid
