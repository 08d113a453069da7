"""config.md, "mounts": what only the native runtime does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import InvalidInput
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.mounts import bind, shown


def test_recursive_options_can_be_taken_back(native_box: Any, nested: Path) -> None:
    native_box.spec.mounts.append(bind(nested, "/data", "rro", "rnoatime", "rnoexec", "rrw", "ratime", "rexec"))
    found = shown(native_box, "touch /data/below/x")["/data/below"]
    assert "rw" in found and "noatime" not in found and "noexec" not in found


@pytest.mark.parametrize("word", ["shared", "slave", "private", "unbindable"])
def test_the_roots_propagation(native_box: Any, word: str) -> None:
    # runc 1.1 binds a root that is to be shared or unbindable to itself, which fails.
    box = native_box
    box.spec.linux.rootfs_propagation = word
    line = next(line for line in box.shell("cat /proc/self/mountinfo").splitlines() if line.split()[4] == "/")
    assert ("shared:" in line) == (word == "shared")
    assert ("unbindable" in line) == (word == "unbindable")


def test_a_tmpfs_that_is_filled_can_be_read_only(native_box: Any) -> None:
    native_box.spec.mounts.append(
        oci.Mount(destination="/etc", type="tmpfs", source="tmpfs", options=["ro", "tmpcopyup"]))
    assert native_box.shell("ls /etc; ! touch /etc/new 2>/dev/null") == "passwd\n"


@pytest.mark.parametrize("word", ["idmap", "ridmap"])
def test_ids_can_be_mapped(native_box: Any, tmp_path: Path, word: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").touch()
    os.chown(data / "file", 5, 6)
    mapping = [oci.IDMapping(container_id=0, host_id=1000, size=100)]
    native_box.spec.mounts.append(oci.Mount(
        destination="/data", type="bind", source=str(data), options=["bind", "rprivate", word], uid_mappings=mapping,
        gid_mappings=mapping))
    assert native_box.shell("stat -c %u:%g /data/file") == "1005:1006\n"


def test_ids_are_mapped_as_those_of_the_containers_user_namespace(native_box: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").touch()
    (native_box.rootfs / "data").mkdir()
    for path in (native_box.bundle, *native_box.bundle.parents):
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    native_box.spec.linux.namespaces.append(oci.Namespace(type="user"))
    native_box.spec.linux.uid_mappings = [oci.IDMapping(container_id=0, host_id=100000, size=65536)]
    native_box.spec.linux.gid_mappings = [oci.IDMapping(container_id=0, host_id=100000, size=65536)]
    native_box.spec.mounts.append(
        oci.Mount(destination="/data", type="bind", source=str(data), options=["bind", "idmap"]))
    assert native_box.shell("stat -c %u:%g /data/file; touch /data/new") == "0:0\n"
    assert (data / "new").stat().st_uid == 0


def test_mapped_ids_need_mappings_and_a_bind_mount(native_box: Any, tmp_path: Path) -> None:
    native_box.spec.mounts.append(bind(tmp_path, "/data", "idmap"))
    with pytest.raises(InvalidInput, match="no mappings"):
        native_box.create("true")
    native_box.spec.mounts[-1] = oci.Mount(destination="/data", type="tmpfs", source="tmpfs", options=["idmap"])
    with pytest.raises(InvalidInput, match="no bind mount"):
        native_box.create("true")
