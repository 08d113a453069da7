"""Check what layers become: deletions, every kind of file, many of them, hostile ones."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import io
import os
import stat
import tarfile

import pytest

from sampan import naive
from sampan.contracts.storage import Change, ChangeKind, StorageDriver
from sampan.errors import Corrupt, NotFound
from sampan.testing.storage.archive import CAPABILITY, Archive
from sampan.testing.storage.trees import layer, names, read, tree


class LayerTests:
    """What is in a layer is in the snapshot."""

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
        assert list(naive.changes(driver, "container")) == [Change(b"/f125", ChangeKind.DELETED)]

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
