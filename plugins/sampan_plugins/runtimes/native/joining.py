"""Be another process in a running container: from a fresh fork to its command."""

from __future__ import annotations

import os

import msgspec

from sampan.contracts.runtime import Stdio
from sampan.errors import Unsupported
from sampan.kernel import namespaces, processes, procfs, scheduling, tty
from sampan.kernel.cgroups.group import Group
from sampan.kernel.seccomp import Program
from sampan.model.runtime_spec import Process
from sampan_plugins.runtimes.native import child, report
from sampan_plugins.runtimes.native.init import take_terminal
from sampan_plugins.runtimes.native.manner import Manner
from sampan_plugins.runtimes.native.process import Confinement
from sampan_plugins.runtimes.native.report import Progress


class Join(msgspec.Struct, frozen=True):
    """All that the child needs. Descriptors are the parent's; ``target`` is a pidfd of the container's process 1."""

    process: Process
    manner: Manner
    target: int
    kinds: tuple[str, ...]
    domain: int | None
    cgroup: Group
    stdio: Stdio
    program: Program | None
    report: int
    console: int | None = None
    label: bool = False


def run(plan: Join) -> None:
    """Carry the plan out in a fresh fork. Never returns."""
    progress = Progress()
    out = plan.report
    try:
        kept = [plan.report, plan.target]
        if plan.console is not None:
            kept.append(plan.console)
        moved = child.isolate(plan.stdio, kept, plan.manner.preserved)
        out = moved[plan.report]
        # Kept from before: the container's own /proc may be anything.
        proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if plan.label else None
        _enter(plan, moved, progress)
        progress.step = "forking the process"
        pid = os.fork()
        if pid == 0:
            _become(plan, moved, out, proc, progress)
        os.write(out, b"P%d\n" % pid)
        os._exit(0)
    except BaseException as failure:
        report.send(out, failure, progress)
    finally:
        os._exit(1)


def _enter(plan: Join, moved: dict[int, int], progress: Progress) -> None:
    affinity = plan.process.exec_cpu_affinity
    if affinity:
        progress.step = "choosing processors"
        scheduling.run_on(affinity.initial)
    progress.step = "joining the control group"
    plan.cgroup.join()
    if affinity:
        scheduling.run_on(affinity.final)
    progress.step = "entering namespaces"
    namespaces.enter(moved[plan.target], sum(namespaces.flag(kind) for kind in plan.kinds))
    os.close(moved[plan.target])
    if "user" in plan.kinds:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        processes.hide()


def _become(plan: Join, moved: dict[int, int], out: int, proc: int | None, progress: Progress) -> None:
    progress.step = "starting a session"
    os.setsid()
    if plan.manner.keyring:
        processes.new_session_keyring()
    if plan.process.terminal:
        progress.step = "making the terminal"
        assert plan.console is not None
        _make_terminal(plan.process, moved[plan.console])
    label_fd = None
    if proc is not None:
        label_fd = procfs.open_to_write("self/attr/exec", directory=proc)
        os.close(proc)
    confinement = Confinement(plan.process, plan.program, label_fd, progress, preserved=plan.manner.preserved,
                              domain=plan.domain)
    confinement.enter()
    confinement.execute(out)


def _make_terminal(process: Process, console: int) -> None:
    try:
        master, slave = tty.open_pair_at("/dev/pts/ptmx")
    except FileNotFoundError:
        raise Unsupported("the container has no /dev/pts/ptmx", "mount devpts at /dev/pts") from None
    if process.console_size:
        tty.resize(master, process.console_size.height, process.console_size.width)
    take_terminal(console, master, slave)
