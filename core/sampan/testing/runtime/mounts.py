"""Check mounts (config.md, "mounts", and config-linux.md): every kind and option, and where they must not lead."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sampan.errors import SampanError
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box, until

PRIVATE = ["rbind", "rprivate"]


def bind(source: Path, destination: str, *options: str) -> oci.Mount:
    """Return a bind mount that what is mounted below follows."""
    return oci.Mount(destination=destination, type="bind", source=str(source), options=[*PRIVATE, *options])


def shown(box: Box, *more: str) -> dict[str, list[str]]:
    """Run, and return the options of the mounts by their places: their own, and their file systems'."""
    lines = [line.split() for line in box.shell(f"cat /proc/self/mountinfo; {'; '.join(more)}").splitlines()]
    return {item[4]: [*item[5].split(","), *item[6:-3], *item[-1].split(",")] for item in lines if len(item) > 9}


@contextmanager
def nested_below(top: Path) -> Iterator[Path]:
    """Make a directory with a file, and a tmpfs mounted below it."""
    (top / "data/below").mkdir(parents=True)
    (top / "data/file").write_text("content\n")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", top / "data/below"], check=True)
    try:
        yield top / "data"
    finally:
        subprocess.run(["umount", top / "data/below"], check=True)


def _with(capabilities: oci.Capabilities, name: str) -> oci.Capabilities:
    return oci.Capabilities(**{
        kind: [*getattr(capabilities, kind), name] for kind in ("bounding", "effective", "permitted")})


class MountTests:
    """What config.md says of mounts."""

    @pytest.fixture
    def nested(self, tmp_path: Path) -> Iterator[Path]:
        """Make a directory with a file system mounted below it."""
        with nested_below(tmp_path) as data:
            yield data

    def test_they_are_made_in_order(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "one/inner").mkdir()
        (tmp_path / "two").mkdir()
        (tmp_path / "two/marker").touch()
        box.spec.mounts += [bind(tmp_path / "one", "/m"), bind(tmp_path / "two", "/m/inner")]
        assert box.shell("ls /m/inner") == "marker\n"

    def test_options_of_a_tmpfs(self, box: Box) -> None:
        words = ("nosuid", "nodev", "noexec", "ro", "noatime", "nodiratime", "relatime", "sync")
        wanted = {f"/{word}": [word] for word in words} | {"/all": ["nosuid", "nodev", "noexec", "ro", "noatime"]}
        for path, options in wanted.items():
            box.spec.mounts.append(oci.Mount(destination=path, type="tmpfs", source="tmpfs", options=options))
        found = shown(box)
        assert [path for path, options in wanted.items() if not {*options} <= {*found[path]}] == []

    def test_a_tmpfs_has_its_size_and_mode(self, box: Box) -> None:
        options = ["size=64k", "mode=1750", "uid=7", "gid=8", "strictatime"]
        box.spec.mounts.append(oci.Mount(destination="/t", type="tmpfs", source="tmpfs", options=options))
        found = shown(box)["/t"]
        assert {"size=64k", "mode=1750", "uid=7", "gid=8"} <= set(found) and "relatime" not in found

    def test_options_of_a_bind_mount(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        wanted = {f"/{word}": [word] for word in ("nosuid", "nodev", "noexec", "ro", "noatime")}
        wanted["/all"] = ["ro", "nosuid", "nodev", "noexec"]
        box.spec.mounts += [bind(tmp_path / "data", path, *options) for path, options in wanted.items()]
        found = shown(box)
        assert [path for path, options in wanted.items() if not {*options} <= {*found[path]}] == []

    def test_later_options_outdo_earlier_ones(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        box.spec.mounts.append(bind(tmp_path / "data", "/data", "ro", "noexec", "rw"))
        found = shown(box, "touch /data/x")["/data"]
        assert "rw" in found and "noexec" in found

    def test_binding_with_and_without_what_is_below(self, box: Box, nested: Path) -> None:
        (nested / "below/hidden").touch()
        box.spec.mounts += [
            oci.Mount(destination="/alone", type="bind", source=str(nested), options=["bind", "private"]),
            bind(nested, "/whole")]
        assert box.shell("ls /alone/below; echo -; ls /whole/below; cat /alone/file") == "-\nhidden\ncontent\n"

    def test_read_only_does_not_reach_below(self, box: Box, nested: Path) -> None:
        box.spec.mounts.append(bind(nested, "/data", "ro"))
        assert box.shell("touch /data/below/x; ! touch /data/x 2>/dev/null") == ""

    def test_read_only_recursively_reaches_below(self, box: Box, nested: Path) -> None:
        box.spec.mounts.append(bind(nested, "/data", "rro"))
        assert box.shell("! touch /data/below/x 2>/dev/null; ! touch /data/x 2>/dev/null") == ""

    def test_recursive_options(self, box: Box, nested: Path) -> None:
        words = ("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow")
        box.spec.mounts += [bind(nested, f"/{word}", f"r{word}") for word in words]
        found = shown(box)
        for word in words:
            assert word in found[f"/{word}"] and word in found[f"/{word}/below"]

    def test_how_mounts_propagate(self, box: Box, nested: Path) -> None:
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

    def test_shared_propagation_reaches_the_host(self, box: Box, nested: Path) -> None:
        below = nested / "below"
        (below / "spot").mkdir()
        subprocess.run(["mount", "--make-shared", below], check=True)
        box.spec.linux.rootfs_propagation = "rshared"
        box.spec.linux.seccomp = None
        assert box.spec.process.capabilities
        box.spec.process.capabilities = _with(box.spec.process.capabilities, "CAP_SYS_ADMIN")
        options = ["rbind", "rshared"]
        box.spec.mounts.append(oci.Mount(destination="/data", type="bind", source=str(below), options=options))
        try:
            box.begin("sh", "-ec", "mount -t tmpfs inner /data/spot; touch /data/spot/seen; sleep 1000; true")
            until(lambda: (below / "spot/seen").exists())
            with open("/proc/self/mountinfo") as file:
                # What is the container's alone is not the host's to see, however the rest propagates.
                assert str(box.rootfs) not in file.read()
        finally:
            subprocess.run(["umount", below / "spot"], check=False)

    def test_the_host_keeps_what_is_in_its_shared_mounts(self, box: Box, nested: Path) -> None:
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

    def test_an_unknown_propagation(self, box: Box) -> None:
        box.spec.linux.rootfs_propagation = "bogus"
        with pytest.raises(SampanError):
            box.create("true")

    def test_files_are_bound_onto_files(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("new\n")
        box.spec.mounts += [bind(tmp_path / "file", "/etc/passwd", "ro"), bind(tmp_path / "file", "/deep/er/file")]
        assert box.shell("cat /etc/passwd /deep/er/file; ! echo x 2>/dev/null > /etc/passwd") == "new\nnew\n"

    def test_a_source_is_relative_to_the_bundle(self, box: Box) -> None:
        (box.bundle / "beside").mkdir()
        (box.bundle / "beside/marker").touch()
        box.spec.mounts.append(oci.Mount(destination="/data", type="bind", source="beside", options=PRIVATE))
        assert box.shell("ls /data") == "marker\n"

    def test_a_directory_cannot_be_bound_onto_a_file(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        box.spec.mounts.append(bind(tmp_path / "data", "/etc/passwd"))
        with pytest.raises(SampanError):
            box.create("true")

    @pytest.mark.parametrize("kind", ["bogusfs", "nodev"])
    def test_file_systems_that_there_are_not(self, box: Box, kind: str) -> None:
        box.spec.mounts.append(oci.Mount(destination="/x", type=kind, source="x"))
        with pytest.raises(SampanError):
            box.create("true")

    def test_a_tmpfs_begins_with_what_it_hides(self, box: Box) -> None:
        (box.rootfs / "etc/dir").mkdir()
        (box.rootfs / "etc/dir/file").write_text("kept\n")
        box.spec.mounts.append(
            oci.Mount(destination="/etc", type="tmpfs", source="tmpfs", options=["nodev", "tmpcopyup"]))
        assert box.shell("cat /etc/dir/file; touch /etc/new; ls /etc").split() == ["kept", "dir", "new", "passwd"]
        assert not (box.rootfs / "etc/new").exists()

    def test_the_root_is_read_only_and_what_is_mounted_is_not(self, box: Box) -> None:
        box.spec.root.readonly = True
        box.spec.mounts.append(oci.Mount(destination="/t", type="tmpfs", source="tmpfs"))
        assert box.shell("touch /t/x; ! touch /x 2>/dev/null") == ""
