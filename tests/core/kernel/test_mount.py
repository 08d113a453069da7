from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.kernel import mount, paths
from sampan.model.mount import Mount

Runner = Callable[[Callable[[], Any]], Any]


def _info(path: Path) -> str:
    with open("/proc/self/mountinfo") as file:
        return [line for line in file if line.split()[4] == str(path)][-1]


def test_words_are_sorted() -> None:
    parsed = mount.parse(["ro", "nosuid", "rbind", "rprivate", "size=1k", "rw", "", "defaults"])
    assert parsed.flags == mount.NOSUID | mount.BIND | mount.REC
    assert parsed.cleared == mount.RDONLY
    assert parsed.propagation == [mount.PRIVATE | mount.REC]
    assert parsed.data == ["size=1k"]


def test_tmpfs_with_flags_and_data(in_mounts: Runner, tmp_path: Path) -> None:
    def body() -> str:
        mount.mount("tmpfs", "tmpfs", str(tmp_path), ["nosuid", "noexec", "size=64k", "mode=711"])
        return _info(tmp_path)

    line = in_mounts(body)
    assert "nosuid,noexec" in line
    assert "size=64k" in line


def test_propagation_of_a_new_mount(in_mounts: Runner, tmp_path: Path) -> None:
    def body() -> str:
        mount.mount("tmpfs", "tmpfs", str(tmp_path), ["shared"])
        return _info(tmp_path)

    assert "shared:" in in_mounts(body)


def test_propagation_alone(in_mounts: Runner, tmp_path: Path) -> None:
    def body() -> str:
        mount.mount("tmpfs", "tmpfs", str(tmp_path), [])
        mount.mount("none", "", str(tmp_path), ["shared"])
        return _info(tmp_path)

    assert "shared:" in in_mounts(body)


def test_a_bind_keeps_the_flags_of_its_source(in_mounts: Runner, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()

    def body() -> tuple[str, str]:
        mount.mount("tmpfs", "tmpfs", str(source), ["nosuid", "nodev"])
        mount.mount("bind", str(source), str(target), ["bind", "ro"])
        first = _info(target)
        mount.mount("bind", str(source), str(target), ["bind", "suid"])
        return first, _info(target)

    first, second = in_mounts(body)
    assert "ro,nosuid,nodev" in first
    assert "nosuid" not in second
    assert "nodev" in second


def test_read_only_all_the_way_down(in_mounts: Runner, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()

    def body() -> None:
        mount.mount("tmpfs", "tmpfs", str(source), [])
        (source / "below").mkdir()
        mount.mount("tmpfs", "tmpfs", str(source / "below"), [])
        mount.mount("bind", str(source), str(target), ["rbind", "rro"])
        (source / "below/x").touch()
        (target / "below/y").touch()

    with pytest.raises(OSError, match="Read-only"):
        in_mounts(body)


def test_options_longer_than_a_page(in_mounts: Runner, tmp_path: Path) -> None:
    layers = []
    for number in range(60):
        layer = tmp_path / f"a-rather-long-name-for-a-layer-with-a:colon-{number:03}-{'x' * 60}"
        layer.mkdir()
        (layer / f"file{number}").touch()
        layers.append(str(layer).replace(":", "\\:"))
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = (f"lowerdir={':'.join(layers)}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work")
    assert len(",".join(options)) > 4096

    def body() -> int:
        mount.mount_all([Mount("overlay", "overlay", options)], str(tmp_path / "merged"))
        (tmp_path / "merged/new").touch()
        return len(os.listdir(tmp_path / "merged"))

    assert in_mounts(body) == 61
    assert (tmp_path / "upper/new").exists()


def test_mounts_inside_a_tree_do_not_leave_it(in_mounts: Runner, tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "etc").mkdir(parents=True)
    outside.mkdir()
    (tree / "way").symlink_to("/etc")

    def body() -> tuple[bool, bool]:
        mount.mount_all([
            Mount("bind", str(tree), ("bind",)),
            Mount("tmpfs", "tmpfs", (), target="way"),
        ], str(tree))
        return os.path.ismount(tree / "etc"), os.path.ismount("/etc")

    assert in_mounts(body) == (True, False)


def test_a_failure_undoes_what_came_before(in_mounts: Runner, tmp_path: Path) -> None:
    def body() -> bool:
        try:
            mount.mount_all([Mount("tmpfs", "tmpfs"), Mount("no-such-type", "x")], str(tmp_path))
        except OSError:
            return os.path.ismount(tmp_path)
        return True

    assert in_mounts(body) is False


def test_unmounting_what_is_not_mounted_is_done(in_mounts: Runner, tmp_path: Path) -> None:
    def body() -> bool:
        mount.mount("tmpfs", "tmpfs", str(tmp_path), [])
        mount.unmount(str(tmp_path))
        mount.unmount(str(tmp_path))
        mount.unmount(str(tmp_path / "nowhere"))
        return os.path.ismount(tmp_path)

    assert in_mounts(body) is False


def test_mounting_at_a_descriptor(in_mounts: Runner, tmp_path: Path) -> None:
    def body() -> bool:
        fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
        mount.mount("bind", "/proc", paths.name_of(fd), ["rbind", "ro", "rprivate"])
        os.close(fd)
        return (tmp_path / "self").exists()

    assert in_mounts(body)
