import os
import stat
import tarfile

import pytest

from sampan import naive
from sampan.contracts.storage import Applies, Change, ChangeKind, Compares, Measures
from sampan.errors import InvalidInput, NotFound, Unsupported
from sampan.testing.storage import Archive, StorageDriverSuite, layer, names, tree
from sampan_plugins.storage.overlay2 import plugin
from sampan_plugins.storage.overlay2.driver import OverlayDriver


class TestOverlay(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        return OverlayDriver


@pytest.fixture
def driver(tmp_path):
    return OverlayDriver(str(tmp_path / "root"))


def test_does_it_all_itself(driver):
    assert isinstance(driver, Applies) and isinstance(driver, Compares) and isinstance(driver, Measures)


def test_a_single_layer_needs_no_overlay(driver):
    layer(driver, "base", None, Archive().add("f"))
    (mount,) = driver.mounts("base")
    assert mount.options == ("rbind", "ro")


def test_what_a_rename_and_a_rewrite_leave_is_told_apart(driver):
    base = Archive().add("d", None).add("d/f", b"1").add("same", b"content").add("changed", b"content")
    layer(driver, "base", None, base)
    driver.prepare("top", "base")
    with tree(driver, "top") as top:
        for name in ("same", "changed"):  # copied up, with size and time as before
            status = os.stat(f"{top}/{name}")
            with open(f"{top}/{name}", "r+b") as file:
                file.write(b"content" if name == "same" else b"CONTENT")
            os.utime(f"{top}/{name}", ns=(status.st_atime_ns, status.st_mtime_ns))
        with pytest.raises(OSError, match="cross-device"):
            os.rename(f"{top}/d", f"{top}/e")  # a mover copies then, so that the layer is complete
    assert list(driver.changes("top")) == [Change(b"/changed", ChangeKind.MODIFIED)]


def test_an_image_cannot_set_the_overlays_own_marks(driver):
    layer(driver, "base", None, Archive().add("d", None).add("d/f").add("secret", b"s"))
    marks = {"trusted.overlay.opaque": b"y", "trusted.overlay.redirect": b"/secret", "user.overlay.opaque": b"y"}
    layer(driver, "top", "base", Archive().add("d", None, xattrs=marks))
    with tree(driver, "top") as top:
        assert names(top) == ["d", "d/f", "secret"]


def test_a_failed_parent_shows_when_mounted(driver):
    driver.prepare("a", "sha256:none")
    with pytest.raises(NotFound):
        driver.mounts("a")


def test_devices_are_not_taken_for_deletions_of_the_lowest_layer(driver):
    layer(driver, "base", None, Archive().add("zero", kind=tarfile.CHRTYPE, device=(0, 1)))
    layer(driver, "top", "base", Archive().add("x"))
    with tree(driver, "top") as top:
        assert stat.S_ISCHR(os.lstat(f"{top}/zero").st_mode)


def test_a_root_that_is_on_an_overlay_is_unsupported(driver, tmp_path):
    layer(driver, "base", None, Archive())
    driver.prepare("top", "base")
    wanted = pytest.raises(Unsupported, match="another storage driver")
    with naive.mounted(driver.mounts("top")) as top, wanted as caught:
        OverlayDriver(f"{top}/nested")
    assert caught.value.hint


@pytest.mark.parametrize("root", ["a,b", "a:b", "a\\b"])
def test_roots_that_mount_options_cannot_hold(root, tmp_path):
    with pytest.raises(InvalidInput):
        OverlayDriver(f"{tmp_path}/{root}")


def test_unknown_options_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="'size' for storage/overlay2"):
        plugin.sampan_open_storage(name="overlay2", root=str(tmp_path), options={"size": 1})
    assert isinstance(plugin.sampan_open_storage(name="overlay2", root=str(tmp_path), options={}), OverlayDriver)
    told = plugin.sampan_plugin_info(slot="storage", name="overlay2").capabilities
    assert told["independent_layers"] == "yes"
    assert told["most_layers"] == str(OverlayDriver.capabilities.most_layers)
