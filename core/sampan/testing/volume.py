"""Check a volume driver against the contract of ``sampan.contracts.volume``.

A plugin's test subclasses VolumeDriverSuite and provides one fixture, ``make``, that opens a driver on a directory::

    class TestMyVolumes(VolumeDriverSuite):
        @pytest.fixture
        def make(self) -> Callable[[Path], VolumeDriver]:
            return lambda root: MyDriver(str(root))

Opened again on the same directory, it must know what was made before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from sampan.contracts.volume import VolumeDriver
from sampan.errors import InvalidInput, NotFound
from sampan.testing.forking import killed, together

Make = Callable[[Path], VolumeDriver]
_ONE, _TWO = "1a" * 32, "2b" * 32


class VolumeDriverSuite:
    """What every volume driver keeps to."""

    @pytest.fixture
    def make(self) -> Make:
        """Return a function that opens the driver under test on a directory."""
        raise NotImplementedError("a volume driver's test provides the fixture make")

    @pytest.fixture
    def options(self) -> Mapping[str, str]:
        """Return the options that a volume cannot be made without; a derived class may have some."""
        return {}

    @pytest.fixture
    def driver(self, make: Make, tmp_path: Path) -> Iterator[VolumeDriver]:
        """Open a driver with no volumes, and see that none is left mounted."""
        before = _mounted(tmp_path)
        driver = make(tmp_path / "volumes")
        yield driver
        driver.close()
        assert _mounted(tmp_path) == before, "a mount was left behind"

    def test_a_volume_is_made_listed_and_removed(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """``walk`` tells of it exactly while it is there."""
        assert list(driver.walk()) == []
        driver.create("data", options)
        assert list(driver.walk()) == ["data"]
        driver.remove("data")
        assert list(driver.walk()) == []

    def test_making_and_removing_twice_is_harmless(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """What is there already is kept with its content; what is gone already is gone."""
        driver.create("data", options)
        Path(driver.mount("data", _ONE), "file").write_text("kept")
        driver.unmount("data", _ONE)
        driver.create("data", options)
        assert Path(driver.mount("data", _ONE), "file").read_text() == "kept"
        driver.unmount("data", _ONE)
        driver.remove("data")
        driver.remove("data")

    def test_content_outlives_its_users(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """One container writes, another one reads, later."""
        driver.create("data", options)
        Path(driver.mount("data", _ONE), "file").write_text("from one")
        driver.unmount("data", _ONE)
        assert Path(driver.mount("data", _TWO), "file").read_text() == "from one"
        driver.unmount("data", _TWO)

    def test_several_use_one_volume(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """All see the same; the first to leave does not take it from the other."""
        driver.create("data", options)
        first, second = Path(driver.mount("data", _ONE)), Path(driver.mount("data", _TWO))
        (first / "file").write_text("shared")
        driver.unmount("data", _ONE)
        assert (second / "file").read_text() == "shared"
        driver.unmount("data", _TWO)

    def test_unmounting_what_is_not_mounted_is_harmless(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """After a kill or a reboot the engine unmounts for whoever may have mounted."""
        driver.unmount("nothing-of-the-kind", _ONE)
        driver.create("data", options)
        driver.unmount("data", _ONE)
        driver.mount("data", _ONE)
        driver.unmount("data", _ONE)
        driver.unmount("data", _ONE)

    def test_what_is_not_there_cannot_be_mounted(self, driver: VolumeDriver) -> None:
        """It is NotFound."""
        with pytest.raises(NotFound):
            driver.mount("nothing-of-the-kind", _ONE)

    def test_volumes_are_apart(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """What is written to one is not in another, and removing one leaves the other."""
        for name in ("data", "other"):
            driver.create(name, options)
            Path(driver.mount(name, _ONE), "file").write_text(name)
            driver.unmount(name, _ONE)
        assert Path(driver.mount("data", _ONE), "file").read_text() == "data"
        driver.unmount("data", _ONE)
        driver.remove("data")
        assert Path(driver.mount("other", _ONE), "file").read_text() == "other"
        driver.unmount("other", _ONE)
        assert list(driver.walk()) == ["other"]

    def test_volumes_outlive_the_driver(self, make: Make, tmp_path: Path, options: Mapping[str, str]) -> None:
        """Opened anew, it has them still."""
        first = make(tmp_path / "volumes")
        first.create("data", options)
        first.close()
        again = make(tmp_path / "volumes")
        assert list(again.walk()) == ["data"]
        again.remove("data")

    @pytest.mark.parametrize("name", ["..", "../escape", "a/b", "/etc", ""])
    def test_no_name_leads_elsewhere(
        self, driver: VolumeDriver, tmp_path: Path, name: str, options: Mapping[str, str]
    ) -> None:
        """Names are what users type: one that would be a path is refused, and nothing is made of it."""
        before = sorted(path for path in tmp_path.rglob("*"))
        with pytest.raises(InvalidInput):
            driver.create(name, options)
        driver.remove(name)  # what cannot be is removed already
        assert sorted(path for path in tmp_path.rglob("*")) == before

    def test_unknown_options_are_refused(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """An option nobody knows is InvalidInput, and there is no volume then."""
        with pytest.raises(InvalidInput):
            driver.create("data", {**options, "no-such-option": "1"})
        assert list(driver.walk()) == []

    def test_many_are_made_at_once(self, driver: VolumeDriver, options: Mapping[str, str]) -> None:
        """Several commands make, use and remove volumes of their own at the same time."""

        def live(number: int) -> str:
            name = f"volume-{number}"
            driver.create(name, options)
            Path(driver.mount(name, _ONE), "file").write_text(name)
            driver.unmount(name, _ONE)
            content = Path(driver.mount(name, _TWO), "file").read_text()
            driver.unmount(name, _TWO)
            driver.remove(name)
            return content

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(live, range(24))) == [f"volume-{number}" for number in range(24)]
        assert list(driver.walk()) == []

    @pytest.mark.parametrize("operation", ["create", "mount", "unmount", "remove"])
    def test_killed_in_the_middle(
        self, driver: VolumeDriver, make: Make, tmp_path: Path, options: Mapping[str, str], operation: str
    ) -> None:
        """It is done by the next command, or undone; what was kept stays as long as the volume."""
        steps: dict[str, Callable[[VolumeDriver], object]] = {
            "create": lambda driver: driver.create("data", options), "mount": lambda driver: driver.mount("data", _ONE),
            "unmount": lambda driver: driver.unmount("data", _ONE), "remove": lambda driver: driver.remove("data"),
        }  # fmt: skip
        for delay in (0.0, 0.0005, 0.002):
            for name in list(steps)[: list(steps).index(operation)]:
                steps[name](driver)
            if operation != "create":
                Path(driver.mount("data", _TWO), "kept").write_text("kept")
                driver.unmount("data", _TWO)
            killed(lambda: steps[operation](make(tmp_path / "volumes")), delay)
            again = make(tmp_path / "volumes")
            assert list(again.walk()) in ([], ["data"])
            for step in ("create", "unmount"):
                steps[step](again)
            where = Path(again.mount("data", _TWO))
            (where / "file").write_text("usable")
            assert operation in ("create", "remove") or (where / "kept").read_text() == "kept"
            again.unmount("data", _TWO)
            again.remove("data")
            assert list(again.walk()) == []

    def test_several_processes(
        self, driver: VolumeDriver, make: Make, tmp_path: Path, options: Mapping[str, str]
    ) -> None:
        """Commands make, use and remove volumes of their own at the same time."""

        def live(number: int) -> None:
            own = make(tmp_path / "volumes")
            for _ in range(5):
                own.create(f"volume-{number}", options)
                Path(own.mount(f"volume-{number}", _ONE), "file").write_text("mine")
                own.unmount(f"volume-{number}", _ONE)
                own.remove(f"volume-{number}")

        assert together(partial(live, number) for number in range(4)) == [0] * 4
        assert list(driver.walk()) == []


def _mounted(where: Path) -> int:
    return Path("/proc/self/mountinfo").read_text().count(f" {where}/")
