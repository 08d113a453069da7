"""Test the volume driver that keeps directories of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.contracts.volume import VolumeDriver
from sampan.errors import Conflict, InvalidInput
from sampan.testing.volume import VolumeDriverSuite
from sampan_plugins.volumes.local import plugin
from sampan_plugins.volumes.local.driver import LocalVolumes

ONE, TWO = "1a" * 32, "2b" * 32
TMPFS = {"type": "tmpfs", "device": "tmpfs", "o": "size=64k,mode=1770"}


class TestLocal(VolumeDriverSuite):
    @pytest.fixture
    def make(self) -> Callable[[Path], VolumeDriver]:
        return lambda root: LocalVolumes(str(root))


@pytest.fixture
def driver(tmp_path: Path) -> LocalVolumes:
    return LocalVolumes(str(tmp_path))


def test_a_tmpfs_is_there_while_somebody_uses_it(driver: LocalVolumes) -> None:
    driver.create("scratch", TMPFS)
    where = driver.mount("scratch", ONE)
    assert os.path.ismount(where) and os.stat(where).st_mode & 0o7777 == 0o1770
    Path(where, "file").write_text("gone soon")
    assert driver.mount("scratch", TWO) == where
    driver.unmount("scratch", ONE)
    assert Path(where, "file").exists()
    driver.unmount("scratch", TWO)
    assert not os.path.ismount(where) and os.listdir(where) == []
    driver.remove("scratch")


def test_a_directory_is_bound(driver: LocalVolumes, tmp_path: Path) -> None:
    (tmp_path.parent / "elsewhere").mkdir()
    driver.create("bound", {"type": "none", "device": str(tmp_path.parent / "elsewhere"), "o": "bind"})
    Path(driver.mount("bound", ONE), "file").write_text("there")
    driver.unmount("bound", ONE)
    assert (tmp_path.parent / "elsewhere/file").read_text() == "there"
    driver.remove("bound")
    assert (tmp_path.parent / "elsewhere/file").read_text() == "there"


def test_a_mounted_volume_is_not_removed_and_an_abandoned_one_is(driver: LocalVolumes, tmp_path: Path) -> None:
    driver.create("scratch", TMPFS)
    where = driver.mount("scratch", ONE)
    with pytest.raises(Conflict, match="is mounted"):
        driver.remove("scratch")
    os.unlink(tmp_path / "scratch/users" / ONE)  # its user was killed and cleared up halfway
    driver.remove("scratch")
    assert not os.path.exists(where)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "tmpfs"}, 'missing required option: "device"'),
        ({"device": "tmpfs"}, 'missing required option: "type"'),
        ({"o": "size=1m"}, 'missing required option: "type"'),
        ({"type": "", "o": ""}, 'missing required option: "device"'),
        ({"sort": "x"}, 'invalid option: "sort"'),
    ],
)
def test_options_that_make_no_sense(driver: LocalVolumes, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        driver.create("data", options)


def test_what_cannot_be_mounted_has_no_user_left(driver: LocalVolumes, tmp_path: Path) -> None:
    driver.create("broken", {"type": "ext4", "device": "/nowhere/at/all"})
    with pytest.raises(InvalidInput, match="failed to mount local volume broken: no such file or directory"):
        driver.mount("broken", ONE)
    assert os.listdir(tmp_path / "broken/users") == []


def test_the_plugin_opens_it(tmp_path: Path) -> None:
    assert isinstance(plugin.sampan_open_volumes("local", str(tmp_path / "new"), {}), LocalVolumes)
    with pytest.raises(InvalidInput, match="unknown option 'x'"):
        plugin.sampan_open_volumes("local", str(tmp_path), {"x": 1})
    assert "directories of this machine" in plugin.sampan_plugin_info("volumes", "local").summary
