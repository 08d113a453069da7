"""config.md, "process": what the specification says of the process, kept by each runtime.

What runc 1.1 does not know yet is tested of the native runtime alone.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import pytest

from sampan.errors import InvalidInput, SampanError, Unsupported
from sampan.model import runtime_spec as oci


def test_arguments_arrive_as_they_are(box: Any) -> None:
    code, output = box.run("sh", "-c", 'for a in "$0" "$@"; do echo "<$a>"; done', "zero", "", "a b", "*", "\\n")
    assert (code, output) == (0, "<zero>\n<>\n<a b>\n<*>\n<\\n>\n")


def test_the_command_is_found_on_the_path_of_the_environment(box: Any) -> None:
    (box.rootfs / "other").mkdir()
    os.link(box.rootfs / "bin/busybox", box.rootfs / "other/echo")
    box.spec.process.env = ["PATH=/nowhere:/other"]
    assert box.run("echo", "found") == (0, "found\n")


def test_the_user_has_its_groups(box: Any) -> None:
    box.spec.process.user = oci.User(uid=1000, gid=1001, additional_gids=[5, 6])
    assert box.shell("id") == "uid=1000 gid=1001 groups=5,6\n"


@pytest.mark.parametrize("mask", [0, 0o77, 0o027])
def test_the_umask_is_the_users(box: Any, mask: int) -> None:
    box.spec.process.user.umask = mask
    assert box.shell("umask") == f"{mask:04o}\n"


def test_the_directory_is_where_it_begins(box: Any) -> None:
    (box.rootfs / "srv").mkdir()
    box.spec.process.cwd = "/srv"
    assert box.shell("pwd") == "/srv\n"


@pytest.mark.parametrize("cwd", ["srv", ""])
def test_a_directory_that_is_not_absolute(box: Any, cwd: str) -> None:
    box.spec.process.cwd = cwd
    with pytest.raises(SampanError):
        box.create("true")


def test_the_oom_score(box: Any) -> None:
    box.spec.process.oom_score_adj = 321
    assert box.shell("cat /proc/self/oom_score_adj") == "321\n"


def test_an_oom_score_out_of_range(box: Any) -> None:
    box.spec.process.oom_score_adj = 1001
    with pytest.raises(SampanError):
        box.create("true")


def test_limits_in_the_kernels_list(box: Any) -> None:
    wanted = {"Max core file size": ("RLIMIT_CORE", 0, 4096), "Max processes": ("RLIMIT_NPROC", 1000, 2000),
              "Max stack size": ("RLIMIT_STACK", 81920, 163840), "Max open files": ("RLIMIT_NOFILE", 100, 100)}
    box.spec.process.rlimits = [oci.Rlimit(type=name, soft=soft, hard=hard) for name, soft, hard in wanted.values()]
    lines = box.shell("cat /proc/self/limits").splitlines()
    for row, (_, soft, hard) in wanted.items():
        line = next(line for line in lines if line.startswith(row))
        assert line.removeprefix(row).split()[:2] == [str(soft), str(hard)]


@pytest.mark.parametrize("limit", [("RLIMIT_BOGUS", 1, 1), ("RLIMIT_NOFILE", 20, 10)])
def test_limits_that_cannot_be(box: Any, limit: tuple[str, int, int]) -> None:
    box.spec.process.rlimits = [oci.Rlimit(type=limit[0], soft=limit[1], hard=limit[2])]
    with pytest.raises(SampanError):
        box.create("true")


def test_every_capability_set_is_set(box: Any) -> None:
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


def test_what_is_not_inheritable_is_not_ambient(box: Any) -> None:
    names = ["CAP_KILL"]
    box.spec.process.capabilities = oci.Capabilities(bounding=names, permitted=names, effective=names, ambient=names)
    assert "CapAmb:\t0000000000000000\n" in box.shell("cat /proc/self/status")


def test_without_capabilities_there_are_none(box: Any) -> None:
    box.spec.process.capabilities = oci.Capabilities()
    assert "CapEff:\t0000000000000000\n" in box.shell("cat /proc/self/status")


def test_the_io_priority(native_box: Any) -> None:
    native_box.spec.process.io_priority = oci.IOPriority(class_="IOPRIO_CLASS_BE", priority=6)
    native_box.begin("sleep", "1000")
    assert _io_priority(native_box.pid) == 2 << 13 | 6


@pytest.mark.parametrize("priority", [
    oci.IOPriority(class_="IOPRIO_CLASS_BE", priority=8), oci.IOPriority(class_="IOPRIO_CLASS_NONE", priority=0)])
def test_io_priorities_that_are_none(native_box: Any, priority: oci.IOPriority) -> None:
    native_box.spec.process.io_priority = priority
    with pytest.raises(InvalidInput):
        native_box.create("true")


@pytest.mark.parametrize(("scheduler", "policy", "nice"), [
    (oci.Scheduler(policy="SCHED_BATCH", nice=7), os.SCHED_BATCH, 7),
    (oci.Scheduler(policy="SCHED_IDLE"), os.SCHED_IDLE, 0),
    (oci.Scheduler(policy="SCHED_OTHER", nice=3, flags=["SCHED_FLAG_RESET_ON_FORK"]), os.SCHED_OTHER, 3),
])
def test_the_scheduler(native_box: Any, scheduler: oci.Scheduler, policy: int, nice: int) -> None:
    native_box.spec.process.scheduler = scheduler
    native_box.begin("sleep", "1000")
    assert os.sched_getscheduler(native_box.pid) & ~os.SCHED_RESET_ON_FORK == policy
    assert os.getpriority(os.PRIO_PROCESS, native_box.pid) == nice


@pytest.mark.parametrize("scheduler", [
    oci.Scheduler(policy="SCHED_BOGUS"), oci.Scheduler(policy="SCHED_OTHER", flags=["X"])])
def test_schedulers_that_are_none(native_box: Any, scheduler: oci.Scheduler) -> None:
    native_box.spec.process.scheduler = scheduler
    with pytest.raises(InvalidInput, match="unknown scheduling policy or flag"):
        native_box.create("true")


def test_an_exec_runs_on_the_processors_it_is_given(native_box: Any) -> None:
    native_box.begin("sleep", "1000")
    affinity = oci.CPUAffinity(initial="0-1", final="1")
    _, output = native_box.exec("grep", "Cpus_allowed_list", "/proc/self/status", exec_cpu_affinity=affinity)
    assert output.split()[1] == "1"
    with pytest.raises(InvalidInput, match="processors"):
        native_box.exec("true", exec_cpu_affinity=oci.CPUAffinity(final="x"))


def test_labels_of_modules_that_are_not_there(box: Any) -> None:
    if os.path.exists("/sys/fs/selinux/enforce"):
        return
    box.spec.process.selinux_label = "system_u:system_r:container_t:s0"
    with pytest.raises(SampanError):
        box.create("true")


def test_a_label_is_refused_with_its_remedy(native_box: Any) -> None:
    native_box.spec.process.apparmor_profile = "some-profile"
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        with pytest.raises(Unsupported, match="AppArmor"):
            native_box.create("true")


def _io_priority(pid: int) -> int:
    number = {"x86_64": 252, "aarch64": 31}[os.uname().machine]
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, 1, pid))
