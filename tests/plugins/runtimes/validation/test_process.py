"""config.md, "process": what runc 1.1 does not know yet."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import pytest

from sampan.errors import InvalidInput, Unsupported
from sampan.model import runtime_spec as oci


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


def test_a_label_is_refused_with_its_remedy(native_box: Any) -> None:
    native_box.spec.process.apparmor_profile = "some-profile"
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        with pytest.raises(Unsupported, match="AppArmor"):
            native_box.create("true")


def _io_priority(pid: int) -> int:
    number = {"x86_64": 252, "aarch64": 31}[os.uname().machine]
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, 1, pid))
