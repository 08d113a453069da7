"""Check the process (config.md, "process")."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os

import pytest

from sampan.errors import SampanError
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box


class ProcessTests:
    """What the specification says of the process."""

    def test_arguments_arrive_as_they_are(self, box: Box) -> None:
        code, output = box.run("sh", "-c", 'for a in "$0" "$@"; do echo "<$a>"; done', "zero", "", "a b", "*", "\\n")
        assert (code, output) == (0, "<zero>\n<>\n<a b>\n<*>\n<\\n>\n")

    def test_the_command_is_found_on_the_path_of_the_environment(self, box: Box) -> None:
        (box.rootfs / "other").mkdir()
        os.link(box.rootfs / "bin/busybox", box.rootfs / "other/echo")
        box.spec.process.env = ["PATH=/nowhere:/other"]
        assert box.run("echo", "found") == (0, "found\n")

    def test_the_user_has_its_groups(self, box: Box) -> None:
        box.spec.process.user = oci.User(uid=1000, gid=1001, additional_gids=[5, 6])
        assert box.shell("id") == "uid=1000 gid=1001 groups=5,6\n"

    @pytest.mark.parametrize("mask", [0, 0o77, 0o027])
    def test_the_umask_is_the_users(self, box: Box, mask: int) -> None:
        box.spec.process.user.umask = mask
        assert box.shell("umask") == f"{mask:04o}\n"

    def test_the_directory_is_where_it_begins(self, box: Box) -> None:
        (box.rootfs / "srv").mkdir()
        box.spec.process.cwd = "/srv"
        assert box.shell("pwd") == "/srv\n"

    @pytest.mark.parametrize("cwd", ["srv", ""])
    def test_a_directory_that_is_not_absolute(self, box: Box, cwd: str) -> None:
        box.spec.process.cwd = cwd
        with pytest.raises(SampanError):
            box.create("true")

    def test_the_oom_score(self, box: Box) -> None:
        box.spec.process.oom_score_adj = 321
        assert box.shell("cat /proc/self/oom_score_adj") == "321\n"

    def test_an_oom_score_out_of_range(self, box: Box) -> None:
        box.spec.process.oom_score_adj = 1001
        with pytest.raises(SampanError):
            box.create("true")

    def test_limits_in_the_kernels_list(self, box: Box) -> None:
        wanted = {"Max core file size": ("RLIMIT_CORE", 0, 4096), "Max processes": ("RLIMIT_NPROC", 1000, 2000),
                  "Max stack size": ("RLIMIT_STACK", 81920, 163840), "Max open files": ("RLIMIT_NOFILE", 100, 100)}
        box.spec.process.rlimits = [oci.Rlimit(type=name, soft=soft, hard=hard) for name, soft, hard in wanted.values()]
        lines = box.shell("cat /proc/self/limits").splitlines()
        for row, (_, soft, hard) in wanted.items():
            line = next(line for line in lines if line.startswith(row))
            assert line.removeprefix(row).split()[:2] == [str(soft), str(hard)]

    @pytest.mark.parametrize("limit", [("RLIMIT_BOGUS", 1, 1), ("RLIMIT_NOFILE", 20, 10)])
    def test_limits_that_cannot_be(self, box: Box, limit: tuple[str, int, int]) -> None:
        box.spec.process.rlimits = [oci.Rlimit(type=limit[0], soft=limit[1], hard=limit[2])]
        with pytest.raises(SampanError):
            box.create("true")

    def test_every_capability_set_is_set(self, box: Box) -> None:
        names = ["CAP_CHOWN", "CAP_KILL"]
        box.spec.process.capabilities = oci.Capabilities(
            bounding=[*names, "CAP_FOWNER"], permitted=names, effective=["CAP_KILL"], inheritable=names,
            ambient=["CAP_KILL"])
        box.spec.process.user.uid = 1000
        status = dict(line.split(":\t", 1) for line in box.shell("cat /proc/self/status").splitlines() if ":\t" in line)
        kill, chown, fowner = 1 << 5, 1 << 0, 1 << 3
        assert int(status["CapBnd"], 16) == kill | chown | fowner
        assert int(status["CapInh"], 16) == kill | chown
        # Only what is ambient survives the execution of a program by another user than root.
        assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == int(status["CapAmb"], 16) == kill

    def test_what_is_not_inheritable_is_not_ambient(self, box: Box) -> None:
        names = ["CAP_KILL"]
        box.spec.process.capabilities = oci.Capabilities(
            bounding=names, permitted=names, effective=names, ambient=names)
        assert "CapAmb:\t0000000000000000\n" in box.shell("cat /proc/self/status")

    def test_without_capabilities_there_are_none(self, box: Box) -> None:
        box.spec.process.capabilities = oci.Capabilities()
        assert "CapEff:\t0000000000000000\n" in box.shell("cat /proc/self/status")

    def test_labels_of_modules_that_are_not_there(self, box: Box) -> None:
        if os.path.exists("/sys/fs/selinux/enforce"):
            return
        box.spec.process.selinux_label = "system_u:system_r:container_t:s0"
        with pytest.raises(SampanError):
            box.create("true")
