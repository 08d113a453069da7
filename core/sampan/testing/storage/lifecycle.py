"""Check the life of a snapshot: prepared, written, committed, built upon, removed."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os

import pytest

from sampan.contracts.storage import Kind, StorageDriver
from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from sampan.testing.storage.archive import Archive
from sampan.testing.storage.trees import Make, layer, read, tree


class LifecycleTests:
    """One rule of the contract a test."""

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
