import os
from concurrent.futures import ThreadPoolExecutor

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


def test_large_trees(tmp_path):
    """They are removed by several threads."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "f").touch()
    for number in range(200):
        inner = tmp_path / "top" / "a" / f"{number % 3}" / f"{number}" / "b"
        inner.mkdir(parents=True)
        (inner / "f").touch()
        (inner.parent / "f").touch()
        os.symlink(tmp_path / "kept", inner / "l")
    removal.remove_tree(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["f"]


def test_large_trees_that_several_remove_at_once(tmp_path):
    for number in range(200):
        (tmp_path / "top" / f"{number % 20}" / f"{number}").mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        for removed in [pool.submit(removal.remove_tree, str(tmp_path / "top")) for _ in range(4)]:
            removed.result()
    assert os.listdir(tmp_path) == []
