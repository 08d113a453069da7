import os

import pytest

from sampan.errors import InvalidInput
from sampan.testing.storage import Archive, StorageDriverSuite, layer, tree
from sampan_plugins.storage.vfs import plugin
from sampan_plugins.storage.vfs.driver import VfsDriver


class TestVfs(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        return VfsDriver


def test_links_between_files_stay_links_in_the_copy(tmp_path):
    driver = VfsDriver(str(tmp_path))
    layer(driver, "base", None, Archive().add("a", b"1").add("d", None).add("d/b", kind=b"1", link="a"))
    driver.prepare("top", "base")
    with tree(driver, "top") as top, tree(driver, "base") as base:
        assert os.stat(f"{top}/a").st_ino == os.stat(f"{top}/d/b").st_ino != os.stat(f"{base}/a").st_ino


def test_unknown_options_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="'size' for storage/vfs"):
        plugin.sampan_open_storage(name="vfs", root=str(tmp_path), options={"size": 1})
    assert isinstance(plugin.sampan_open_storage(name="vfs", root=str(tmp_path), options={}), VfsDriver)
    assert plugin.sampan_plugin_info(slot="storage", name="vfs").summary
