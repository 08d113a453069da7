import os

import pytest

from sampan.layers import removal


def test_removes_trees_but_nothing_behind_links(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "f").touch()
    (tmp_path / "top" / "d").mkdir(parents=True)
    os.symlink(tmp_path / "kept", tmp_path / "top" / "l")
    os.symlink(tmp_path / "kept", tmp_path / "l")
    removal.remove_tree(str(tmp_path / "top"))
    removal.remove_tree(str(tmp_path / "l"))
    removal.remove_tree(str(tmp_path / "never"))
    removal.remove_tree(str(tmp_path / "never" / "there"))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["f"]


def test_removes_what_is_deeper_than_any_path(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=fd)
        inner = os.open("deep", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("f", os.O_CREAT, dir_fd=fd))
    os.close(fd)
    removal.remove_tree(str(tmp_path / "deep"))
    assert os.listdir(tmp_path) == []


def test_says_what_may_not_be_removed(tmp_path):
    import fcntl
    import struct

    (tmp_path / "f").touch()
    with open(tmp_path / "f") as file:
        fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x10))  # FS_IOC_SETFLAGS, FS_IMMUTABLE_FL
        try:
            with pytest.raises(PermissionError):
                removal.remove_tree(str(tmp_path / "f"))
        finally:
            fcntl.ioctl(file, 0x40086602, struct.pack("l", 0))
