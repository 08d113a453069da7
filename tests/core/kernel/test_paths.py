from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.errors import InvalidInput
from sampan.kernel import paths


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


@pytest.fixture
def root(tree: Path) -> Iterator[int]:
    fd = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def _where(fd: int) -> str:
    try:
        return os.readlink(paths.name_of(fd))
    finally:
        os.close(fd)


def test_absolute_links_and_dots_stay_inside(tree: Path, root: int) -> None:
    (tree / "etc").mkdir()
    (tree / "abs").symlink_to("/etc")
    (tree / "up").symlink_to("../../../../etc")
    for path in ("/abs", "up", "../../etc", "/etc/../../etc"):
        assert _where(paths.open_in(root, path)) == f"{tree}/etc"


def test_links_can_be_refused(tree: Path, root: int) -> None:
    (tree / "link").symlink_to("/")
    with pytest.raises(OSError, match="symbolic links"):
        paths.open_in(root, "link", follow=False)


def test_magic_links_are_not_followed(tree: Path) -> None:
    root = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError):
            paths.open_in(root, "/self/root/etc")
    finally:
        os.close(root)


def test_directories_are_made(tree: Path, root: int) -> None:
    assert _where(paths.make_directories(root, "/a/b/../c")) == f"{tree}/a/c"
    assert (tree / "a/b").is_dir()
    assert _where(paths.make_directories(root, "/")) == str(tree)


def test_dangling_links_are_made_true_inside(tree: Path, root: int, tmp_path: Path) -> None:
    (tree / "var").mkdir()
    (tree / "var/run").symlink_to("/run/deep")
    (tree / "out").symlink_to(f"../..{tmp_path}/outside")
    assert _where(paths.make_directories(root, "/var/run/lock")) == f"{tree}/run/deep/lock"
    os.close(paths.make_directories(root, "/out"))
    assert not (tmp_path / "outside").exists()


def test_links_in_circles(tree: Path, root: int) -> None:
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises((InvalidInput, OSError)):
        paths.make_directories(root, "/a/x")


def test_files_are_made_and_existing_ones_kept(tree: Path, root: int) -> None:
    assert _where(paths.make_file(root, "/etc/hosts")) == f"{tree}/etc/hosts"
    (tree / "etc/hosts").write_text("x")
    os.close(paths.make_file(root, "/etc/hosts"))
    assert (tree / "etc/hosts").read_text() == "x"


def test_a_dangling_link_to_a_file(tree: Path, root: int, tmp_path: Path) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/resolv.conf").symlink_to("../run/resolv.conf")
    assert _where(paths.make_file(root, "/etc/resolv.conf")) == f"{tree}/run/resolv.conf"


def test_a_file_in_the_way(tree: Path, root: int) -> None:
    (tree / "file").touch()
    with pytest.raises(NotADirectoryError):
        paths.make_directories(root, "/file/x")
