"""Check config-linux.md: namespaces, devices, control groups, kernel parameters, seccomp, what hides paths."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import SampanError
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box

FILES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "mount": "mnt"}


def filtered(*rules: oci.Syscall, default: str = "SCMP_ACT_ALLOW", **more: Any) -> oci.Seccomp:
    """Return a filter of these rules."""
    return oci.Seccomp(default_action=default, architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                       syscalls=list(rules), **more)


def rule(names: Sequence[str], action: str, *args: oci.SyscallArg, errno: int | None = None) -> oci.Syscall:
    """Return what a filter does about some system calls."""
    return oci.Syscall(names=list(names), action=action, args=list(args), errno_ret=errno)


class LinuxTests:
    """What config-linux.md says."""

    @pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup"])
    def test_a_namespace_that_is_not_asked_for_is_the_callers(self, box: Box, kind: str) -> None:
        box.spec.linux.namespaces = [item for item in box.spec.linux.namespaces if item.type != kind]
        box.spec.hostname = ""
        # These are of file systems that belong to a namespace of the container's own.
        box.spec.mounts = [item for item in box.spec.mounts if item.type not in ("sysfs", "mqueue")]
        box.spec.linux.masked_paths, box.spec.linux.readonly_paths = [], []
        box.begin("sleep", "1000")
        for name, file in FILES.items():
            same = os.readlink(f"/proc/{box.pid}/ns/{file}") == os.readlink(f"/proc/self/ns/{file}")
            assert same == (name == kind), name

    def test_a_namespace_twice(self, box: Box) -> None:
        box.spec.linux.namespaces.append(oci.Namespace(type="uts"))
        with pytest.raises(SampanError):
            box.create("true")

    def test_a_path_of_another_kind_of_namespace(self, box: Box) -> None:
        for item in box.spec.linux.namespaces:
            if item.type == "ipc":
                item.path = "/proc/self/ns/uts"
        with pytest.raises(SampanError):
            box.create("true")

    def test_host_and_domain_names(self, box: Box) -> None:
        box.spec.hostname = "some-host"
        box.spec.linux.sysctl = {"kernel.domainname": "some.domain"}
        assert box.shell("hostname; cat /proc/sys/kernel/domainname") == "some-host\nsome.domain\n"

    def test_default_devices_and_links(self, box: Box) -> None:
        expected = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
        output = box.shell("cd /dev; stat -c '%n %t:%T %a' null zero full random urandom tty; "
                           "for link in fd stdin stdout stderr ptmx; do readlink $link; done")
        lines = output.splitlines()
        assert lines[:6] == [f"{name} {number} 666" for name, number in expected.items()]
        assert lines[6:] == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"]

    def test_devices_of_every_type(self, box: Box) -> None:
        box.spec.linux.devices = [
            oci.Device(type="c", path="/dev/deep/char", major=1, minor=3, file_mode=0o640, uid=7, gid=8),
            oci.Device(type="b", path="/dev/block", major=7, minor=200, file_mode=0o600),
            oci.Device(type="p", path="/dev/pipe", file_mode=0o622),
        ]
        output = box.shell("stat -c '%F %t:%T %a %u:%g' /dev/deep/char /dev/block /dev/pipe")
        assert output.splitlines() == ["character special file 1:3 640 7:8", "block special file 7:c8 600 0:0",
                                       "fifo 0:0 622 0:0"]

    def test_a_device_of_no_type(self, box: Box) -> None:
        box.spec.linux.devices = [oci.Device(type="x", path="/dev/x", major=1, minor=3)]
        with pytest.raises(SampanError):
            box.create("true")

    def test_a_container_without_limits_has_a_group_too(self, box: Box) -> None:
        box.spec.linux.resources = None  # type: ignore[assignment]  # not what Spec is for
        box.begin("sleep", "1000")
        assert box.runtime.pids(box.id) == [box.pid]

    def test_values_that_the_kernel_refuses(self, box: Box) -> None:
        box.spec.linux.resources = oci.Resources(cpu=oci.CPU(cpus="1000"))
        with pytest.raises(SampanError):
            box.create("true")

    def test_kernel_parameters_with_a_dot_in_a_name(self, box: Box) -> None:
        box.spec.linux.sysctl = {"net/ipv4/conf/lo/forwarding": "1"}
        assert box.shell("cat /proc/sys/net/ipv4/conf/lo/forwarding") == "1\n"

    @pytest.mark.parametrize(("action", "code"), [
        ("SCMP_ACT_KILL", -31), ("SCMP_ACT_KILL_PROCESS", -31), ("SCMP_ACT_KILL_THREAD", -31), ("SCMP_ACT_TRAP", -31),
        ("SCMP_ACT_ERRNO", 1), ("SCMP_ACT_TRACE", 1), ("SCMP_ACT_LOG", 0), ("SCMP_ACT_ALLOW", 0),
    ])
    def test_actions_of_a_filter(self, box: Box, action: str, code: int) -> None:
        box.spec.linux.seccomp = filtered(rule(["mkdir", "mkdirat"], action))
        got, _ = box.run("mkdir", "/tmp/made")
        assert got == code
        assert (box.rootfs / "tmp/made").exists() == (code == 0)

    def test_the_number_of_the_error(self, box: Box) -> None:
        box.spec.linux.seccomp = filtered(rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", errno=28))
        assert "No space left on device" in box.run("mkdir", "/tmp/made")[1]

    # Of chmod's second argument: a value that meets the condition, and one that does not.
    @pytest.mark.parametrize(("op", "value", "two", "met", "unmet"), [
        ("SCMP_CMP_EQ", 0o640, 0, "640", "641"), ("SCMP_CMP_NE", 0o640, 0, "641", "640"),
        ("SCMP_CMP_LT", 0o640, 0, "637", "640"), ("SCMP_CMP_LE", 0o640, 0, "640", "641"),
        ("SCMP_CMP_GT", 0o640, 0, "641", "640"), ("SCMP_CMP_GE", 0o640, 0, "640", "637"),
        ("SCMP_CMP_MASKED_EQ", 0o700, 0o600, "640", "740"),
    ])
    def test_operators_of_a_filter(self, box: Box, op: str, value: int, two: int, met: str, unmet: str) -> None:
        os.link(box.rootfs / "bin/busybox", box.rootfs / "bin/chmod")
        condition = oci.SyscallArg(index=1, value=value, value_two=two, op=op)
        box.spec.linux.seccomp = filtered(rule(["chmod"], "SCMP_ACT_ERRNO", condition))
        box.shell(f"chmod {unmet} /etc/passwd; ! chmod {met} /etc/passwd 2>/dev/null")

    @pytest.mark.parametrize("profile", [
        filtered(default="SCMP_ACT_BOGUS"), filtered(flags=["BOGUS"]), filtered(rule(["mkdir"], "SCMP_ACT_BOGUS")),
        filtered(rule(["mkdir"], "SCMP_ACT_ERRNO", oci.SyscallArg(index=0, value=1, op="BOGUS"))),
    ])
    def test_malformed_filters(self, box: Box, profile: oci.Seccomp) -> None:
        box.spec.linux.seccomp = profile
        with pytest.raises(SampanError):
            box.create("true")

    def test_masked_paths_hide_files_and_directories(self, box: Box) -> None:
        (box.rootfs / "dir").mkdir()
        (box.rootfs / "dir/file").touch()
        (box.rootfs / "file").write_text("secret")
        box.spec.linux.masked_paths = ["/dir", "/file", "/not/there"]
        assert box.shell("ls /dir; cat /file; ! touch /dir/x 2>/dev/null") == ""

    def test_read_only_paths_are_so_below_too(self, box: Box, tmp_path: Path) -> None:
        (box.rootfs / "dir").mkdir()
        (box.rootfs / "dir/file").write_text("old\n")
        box.spec.linux.readonly_paths = ["/dir", "/etc/passwd", "/not/there"]
        assert box.shell("! touch /dir/x 2>/dev/null; ! (echo x > /etc/passwd) 2>/dev/null; cat /dir/file") == "old\n"
