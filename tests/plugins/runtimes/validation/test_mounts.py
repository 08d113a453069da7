"""config.md, "mounts", and config-linux.md: every kind of mount and option, and where they must not lead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import InvalidInput, SampanError
from sampan.model import runtime_spec as oci

PRIVATE = ["rbind", "rprivate"]


def bind(source: Path, destination: str, *options: str) -> oci.Mount:
    return oci.Mount(destination=destination, type="bind", source=str(source), options=[*PRIVATE, *options])


def shown(box: Any, *more: str) -> dict[str, list[str]]:
    """Run, and return the options of the mounts by their places: their own, and their file systems'."""
    lines = [line.split() for line in box.shell(f"cat /proc/self/mountinfo; {'; '.join(more)}").splitlines()]
    return {item[4]: [*item[5].split(","), *item[6:-3], *item[-1].split(",")] for item in lines if len(item) > 9}


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file, and a tmpfs mounted below it."""
    (tmp_path / "data/below").mkdir(parents=True)
    (tmp_path / "data/file").write_text("content\n")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", tmp_path / "data/below"], check=True)
    yield tmp_path / "data"
    subprocess.run(["umount", tmp_path / "data/below"], check=True)


def test_they_are_made_in_order(box: Any, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/inner").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two/marker").touch()
    box.spec.mounts += [bind(tmp_path / "one", "/m"), bind(tmp_path / "two", "/m/inner")]
    assert box.shell("ls /m/inner") == "marker\n"


def test_options_of_a_tmpfs(box: Any) -> None:
    words = ("nosuid", "nodev", "noexec", "ro", "noatime", "nodiratime", "relatime", "sync")
    wanted = {f"/{word}": [word] for word in words} | {"/all": ["nosuid", "nodev", "noexec", "ro", "noatime"]}
    box.spec.mounts += [
        oci.Mount(destination=path, type="tmpfs", source="tmpfs", options=options) for path, options in wanted.items()]
    found = shown(box)
    assert [path for path, options in wanted.items() if not {*options} <= {*found[path]}] == []


def test_a_tmpfs_has_its_size_and_mode(box: Any) -> None:
    options = ["size=64k", "mode=1750", "uid=7", "gid=8", "strictatime"]
    box.spec.mounts.append(oci.Mount(destination="/t", type="tmpfs", source="tmpfs", options=options))
    found = shown(box)["/t"]
    assert {"size=64k", "mode=1750", "uid=7", "gid=8"} <= set(found) and "relatime" not in found


def test_options_of_a_bind_mount(box: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    wanted = {f"/{word}": [word] for word in ("nosuid", "nodev", "noexec", "ro", "noatime")}
    wanted["/all"] = ["ro", "nosuid", "nodev", "noexec"]
    box.spec.mounts += [bind(tmp_path / "data", path, *options) for path, options in wanted.items()]
    found = shown(box)
    assert [path for path, options in wanted.items() if not {*options} <= {*found[path]}] == []


def test_later_options_outdo_earlier_ones(box: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    box.spec.mounts.append(bind(tmp_path / "data", "/data", "ro", "noexec", "rw"))
    found = shown(box, "touch /data/x")["/data"]
    assert "rw" in found and "noexec" in found


def test_binding_with_and_without_what_is_below(box: Any, nested: Path) -> None:
    (nested / "below/hidden").touch()
    box.spec.mounts += [
        oci.Mount(destination="/alone", type="bind", source=str(nested), options=["bind", "private"]),
        bind(nested, "/whole")]
    assert box.shell("ls /alone/below; echo -; ls /whole/below; cat /alone/file") == "-\nhidden\ncontent\n"


def test_read_only_does_not_reach_below(box: Any, nested: Path) -> None:
    box.spec.mounts.append(bind(nested, "/data", "ro"))
    assert box.shell("touch /data/below/x; ! touch /data/x 2>/dev/null") == ""


def test_read_only_recursively_reaches_below(box: Any, nested: Path) -> None:
    box.spec.mounts.append(bind(nested, "/data", "rro"))
    assert box.shell("! touch /data/below/x 2>/dev/null; ! touch /data/x 2>/dev/null") == ""


def test_recursive_options(box: Any, nested: Path) -> None:
    words = ("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow")
    box.spec.mounts += [bind(nested, f"/{word}", f"r{word}") for word in words]
    found = shown(box)
    for word in words:
        assert word in found[f"/{word}"] and word in found[f"/{word}/below"]


def test_recursive_options_can_be_taken_back(native_box: Any, nested: Path) -> None:
    native_box.spec.mounts.append(bind(nested, "/data", "rro", "rnoatime", "rnoexec", "rrw", "ratime", "rexec"))
    found = shown(native_box, "touch /data/below/x")["/data/below"]
    assert "rw" in found and "noatime" not in found and "noexec" not in found


def test_how_mounts_propagate(box: Any, nested: Path) -> None:
    subprocess.run(["mount", "--make-shared", nested / "below"], check=True)
    wanted = {"private": "", "rprivate": "", "slave": "master", "rslave": "master", "unbindable": "unbindable",
              "runbindable": "unbindable"}
    box.spec.mounts += [
        oci.Mount(destination=f"/{word}", type="bind", source=str(nested / "below"), options=["rbind", word])
        for word in wanted]
    found = shown(box)
    for word, expected in wanted.items():
        tags = [item.partition(":")[0] for item in found[f"/{word}"] if ":" in item or item == "unbindable"]
        assert tags[:1] == ([expected] if expected else [])


def test_shared_propagation_reaches_the_host(box: Any, nested: Path) -> None:
    below = nested / "below"
    (below / "spot").mkdir()
    subprocess.run(["mount", "--make-shared", below], check=True)
    box.spec.linux.rootfs_propagation = "rshared"
    box.spec.linux.seccomp = None
    box.spec.process.capabilities = _with(box.spec.process.capabilities, "CAP_SYS_ADMIN")
    box.spec.mounts.append(oci.Mount(destination="/data", type="bind", source=str(below), options=["rbind", "rshared"]))
    try:
        box.begin("sh", "-ec", "mount -t tmpfs inner /data/spot; touch /data/spot/seen; sleep 1000; true")
        _until(lambda: (below / "spot/seen").exists())
        with open("/proc/self/mountinfo") as file:
            # What is the container's alone is not the host's to see, however the rest propagates.
            assert str(box.rootfs) not in file.read()
    finally:
        subprocess.run(["umount", below / "spot"], check=False)


def test_the_host_keeps_what_is_in_its_shared_mounts(box: Any, nested: Path) -> None:
    below = nested / "below"
    (below / "spot").mkdir()
    subprocess.run(["mount", "--make-shared", below], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "inner", below / "spot"], check=True)
    try:
        box.spec.linux.rootfs_propagation = "rshared"
        box.shell("true")
        assert (below / "spot").is_mount()
    finally:
        subprocess.run(["umount", below / "spot"], check=True)


@pytest.mark.parametrize("word", ["shared", "slave", "private", "unbindable"])
def test_the_roots_propagation(native_box: Any, word: str) -> None:
    # runc 1.1 binds a root that is to be shared or unbindable to itself, which fails.
    box = native_box
    box.spec.linux.rootfs_propagation = word
    line = next(line for line in box.shell("cat /proc/self/mountinfo").splitlines() if line.split()[4] == "/")
    assert ("shared:" in line) == (word == "shared")
    assert ("unbindable" in line) == (word == "unbindable")


def test_an_unknown_propagation(box: Any) -> None:
    box.spec.linux.rootfs_propagation = "bogus"
    with pytest.raises(SampanError):
        box.create("true")


def test_files_are_bound_onto_files(box: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new\n")
    box.spec.mounts += [bind(tmp_path / "file", "/etc/passwd", "ro"), bind(tmp_path / "file", "/deep/er/file")]
    assert box.shell("cat /etc/passwd /deep/er/file; ! echo x 2>/dev/null > /etc/passwd") == "new\nnew\n"


def test_a_source_is_relative_to_the_bundle(box: Any) -> None:
    (box.bundle / "beside").mkdir()
    (box.bundle / "beside/marker").touch()
    box.spec.mounts.append(oci.Mount(destination="/data", type="bind", source="beside", options=PRIVATE))
    assert box.shell("ls /data") == "marker\n"


def test_a_directory_cannot_be_bound_onto_a_file(box: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    box.spec.mounts.append(bind(tmp_path / "data", "/etc/passwd"))
    with pytest.raises(SampanError):
        box.create("true")


@pytest.mark.parametrize("kind", ["bogusfs", "nodev"])
def test_file_systems_that_there_are_not(box: Any, kind: str) -> None:
    box.spec.mounts.append(oci.Mount(destination="/x", type=kind, source="x"))
    with pytest.raises(SampanError):
        box.create("true")


def test_a_tmpfs_begins_with_what_it_hides(box: Any) -> None:
    (box.rootfs / "etc/dir").mkdir()
    (box.rootfs / "etc/dir/file").write_text("kept\n")
    box.spec.mounts.append(
        oci.Mount(destination="/etc", type="tmpfs", source="tmpfs", options=["nodev", "tmpcopyup"]))
    assert box.shell("cat /etc/dir/file; touch /etc/new; ls /etc").split() == ["kept", "dir", "new", "passwd"]
    assert not (box.rootfs / "etc/new").exists()


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


def test_the_root_is_read_only_and_what_is_mounted_is_not(box: Any) -> None:
    box.spec.root.readonly = True
    box.spec.mounts.append(oci.Mount(destination="/t", type="tmpfs", source="tmpfs"))
    assert box.shell("touch /t/x; ! touch /x 2>/dev/null") == ""


def _with(capabilities: oci.Capabilities, name: str) -> oci.Capabilities:
    return oci.Capabilities(**{
        kind: [*getattr(capabilities, kind), name] for kind in ("bounding", "effective", "permitted")})


def _until(condition: Any) -> None:
    import time

    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
