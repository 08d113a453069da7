"""Check that commands can be killed in the middle of whatever they do, and run side by side."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from sampan import naive
from sampan.contracts.storage import Kind, StorageDriver
from sampan.errors import AlreadyExists
from sampan.testing.forking import killed, together
from sampan.testing.storage.archive import Archive
from sampan.testing.storage.trees import Make, layer, names, tree, weight

_DELAYS = (0.0, 0.0005, 0.002, 0.006, 0.02)
_FILES, _ENTRIES = 300, 310


class KilledTests:
    """What a killed command leaves is the old state, or nothing that anybody sees."""

    @pytest.mark.parametrize("operation", ["prepare", "apply", "commit", "remove"])
    def test_killed_in_the_middle(self, driver: StorageDriver, make: Make, root: str, operation: str) -> None:
        archive = _archive()
        layer(driver, "base", None, archive)
        for delay in _DELAYS:
            steps = _steps(archive)
            while (name := next(iter(steps))) != operation:
                steps.pop(name)(driver)
            killed(partial(_do, make, root, steps[operation]), delay)
            again = make(root)
            _check(again, operation)
            for key in ("a", "b"):
                again.remove(key)
            assert [snapshot.key for snapshot in again.walk()] == ["base"]
            again.close()
        driver.remove("base")
        assert list(driver.walk()) == []
        assert weight(root) < 40, "what was begun is still there"

    def test_killed_again_and_again(self, driver: StorageDriver, make: Make, root: str) -> None:
        archive = _archive()
        layer(driver, "base", None, archive)

        def work() -> None:
            own = make(root)
            while True:
                for step in _steps(archive).values():
                    step(own)

        for delay in (0.005, 0.03):
            killed(work, delay)
        again = make(root)
        assert {snapshot.key for snapshot in again.walk()} <= {"base", "a", "b"}
        for key in ("a", "b"):
            again.remove(key)
        again.prepare("a", "base")
        with tree(again, "a") as seen:
            assert len(names(seen)) == _ENTRIES
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

        assert together(partial(work, me) for me in range(3)) == [0, 0, 0]
        assert {s.key for s in driver.walk()} == {"base", *(f"shared-{number}" for number in range(5))}

def _archive() -> Archive:
    archive = Archive()
    for number in range(_FILES):
        archive.add(f"d{number % 10}/f{number}", b"x" * 100)
    return archive


def _steps(archive: Archive) -> dict[str, Callable[[StorageDriver], object]]:
    """Return what a snapshot goes through, in order."""
    return {
        "prepare": lambda driver: driver.prepare("a", "base"),
        "apply": lambda driver: naive.apply(driver, "a", archive.stream()),
        "commit": lambda driver: driver.commit("a", "b"),
        "remove": lambda driver: driver.remove("b"),
    }


def _do(make: Make, root: str, step: Callable[[StorageDriver], object]) -> None:
    step(make(root))


def _check(driver: StorageDriver, operation: str) -> None:
    shown = {snapshot.key: snapshot.kind for snapshot in driver.walk() if snapshot.key != "base"}
    allowed = {
        "prepare": [{}, {"a": Kind.ACTIVE}], "apply": [{"a": Kind.ACTIVE}],
        "commit": [{"a": Kind.ACTIVE}, {"b": Kind.COMMITTED}], "remove": [{"b": Kind.COMMITTED}, {}],
    }  # fmt: skip
    assert shown in allowed[operation]
    for key in shown:
        with tree(driver, key) as seen:
            assert len(names(seen)) == _ENTRIES or operation == "apply"  # which may have got half through
