"""Check what is derived from a driver, or what it derives itself: changes and sizes."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os

import pytest

from sampan import naive
from sampan.contracts.storage import Change, ChangeKind, StorageDriver
from sampan.errors import Unsupported
from sampan.testing.storage.archive import Archive
from sampan.testing.storage.trees import layer, tree

_ADDED, _MODIFIED, _DELETED = ChangeKind.ADDED, ChangeKind.MODIFIED, ChangeKind.DELETED


class DerivedTests:
    """Changes and sizes."""

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
