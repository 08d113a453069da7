"""Fork a container's processes and see them through to where they run: the parent's side."""

from __future__ import annotations

import array
import gc
import os
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

import msgspec

from sampan.contracts.runtime import Started, Stdio
from sampan.errors import InvalidInput, PluginFault, Unsupported
from sampan.kernel import cgroups, scheduling, seccomp
from sampan.kernel.cgroups.group import Group
from sampan.kernel.seccomp import Program
from sampan.kernel.starttime import started
from sampan.model.runtime_spec import Hooks, Linux, Process, Resources, Spec, TimeOffset
from sampan_plugins.runtimes.native import bundles, child, devices, hooks, init, joining, mappings, report
from sampan_plugins.runtimes.native.descriptors import Descriptors
from sampan_plugins.runtimes.native.manner import Manner
from sampan_plugins.runtimes.native.state import Home, State

_ = array  # socket.send_fds imports it, in a child that can import no more


def create(home: Home, cache: str, bundle: str, stdio: Stdio, manner: Manner) -> Started:
    """Build the container of the bundle, up to the point where its first process waits to be let go."""
    bundle = os.path.abspath(bundle)
    spec, linux, process = bundles.load(bundle)
    assert spec.root is not None
    program = seccomp.program(linux.seccomp, cache) if linux.seccomp else None
    state = State(
        id=home.container, bundle=bundle, cgroup=linux.cgroups_path or f"/sampan/{home.container}",
        rootfs=os.path.normpath(os.path.join(bundle, spec.root.path)), created=time.time(),
        annotations=spec.annotations, hooks=_later(spec.hooks),
        namespaces=tuple(item.type for item in linux.namespaces), no_new_privileges=process.no_new_privileges,
        seccomp_flags=program.flags if program else None,
        domain=scheduling.execution_domain(linux.personality) if linux.personality else None)
    group = cgroups.open_group(state.cgroup)
    home.claim()
    try:
        home.write(state)  # before anything is made, so that whoever finds it can undo all
        if program:
            _keep(home, program)
        return _launch(home, state, group, spec, stdio, program, manner)
    except BaseException:
        group.kill()
        group.remove()
        home.remove()
        hooks.run_last(state, manner)
        raise


def _later(wanted: Hooks | None) -> Hooks | None:
    """Return those hooks that are run when the bundle may be another already."""
    if wanted is None or not (wanted.poststart or wanted.poststop):
        return None
    return Hooks(poststart=wanted.poststart, poststop=wanted.poststop)


def _resources(linux: Linux) -> Resources:
    resources = linux.resources or Resources()
    if resources.devices:
        resources = msgspec.structs.replace(resources, devices=[*resources.devices, *devices.default_rules()])
    return resources


def _keep(home: Home, program: Program) -> None:
    with open(home.seccomp, "wb", buffering=0) as file:
        file.write(program.code)


def _launch(
    home: Home, state: State, group: Group, spec: Spec, stdio: Stdio, program: Program | None, manner: Manner
) -> Started:
    assert spec.linux is not None and spec.process is not None
    process = spec.process
    with Descriptors() as held:
        hear, told = held.pipe()
        waits, control = held.pipe()
        console, theirs = held.socket_pair() if process.terminal else (None, None)
        plan = init.Plan(
            spec=spec, state=state, manner=manner, cgroup=group, stdio=stdio, program=program, report=told,
            control=waits, go=held.fifo(home.go), failure=held.fifo(home.failure),
            joined={item.type: held.open(item.path) for item in spec.linux.namespaces if item.path},
            trees=mappings.clone_mapped(spec, state.bundle, held),
            console=theirs, label=_label(process))
        first = _fork(lambda: init.run(plan))
        held.close(told, waits, plan.go, plan.failure, plan.console)
        conversation = _Conversation(hear, first)
        try:
            # Meanwhile, on another processor, the child cuts itself loose and makes its namespaces.
            group.create()
            resources = _resources(spec.linux)
            group.apply(msgspec.structs.replace(resources, pids=None))
            _tell(control, b"j")
            if conversation.next() == b"U":
                mappings.write(first, spec.linux.uid_mappings, spec.linux.gid_mappings)
                _tell(control, b"m")
            if spec.linux.time_offsets:
                conversation.until(b"T")
                _set_clocks(first, spec.linux.time_offsets)
                _tell(control, b"t")
            pid = conversation.pid()
        except BaseException:
            held.close(control)  # which the child takes as its end
            raise
        finally:
            conversation.part()
        try:
            if resources.pids:  # only now: the first process, which is gone, needed room to fork the second
                group.apply(Resources(pids=resources.pids))
            state = msgspec.structs.replace(state, pid=pid, start=started(pid))
            home.write(state)
            if process.oom_score_adj is not None:
                _adjust_oom(pid, process.oom_score_adj)
            if spec.hooks and (spec.hooks.prestart or spec.hooks.create_runtime):
                conversation.until(b"H")
                _run_hooks(spec.hooks, state)
                _tell(control, b"h")
            _tell(control, b"g")
            conversation.until(b"R")
            return Started(pid, _receive(console))
        except BaseException:
            _kill(pid)
            raise


def _run_hooks(wanted: Hooks, state: State) -> None:
    described = msgspec.json.encode(state.document("creating"))
    hooks.run("prestart", wanted.prestart, described)
    hooks.run("createRuntime", wanted.create_runtime, described)


def join(home: Home, state: State, group: Group, process: Process, stdio: Stdio, manner: Manner) -> Started:
    """Run another process in the container of ``state``."""
    own_users = "user" in state.namespaces
    bundles.check_process(process, own_users=own_users)
    if state.no_new_privileges and not process.no_new_privileges:
        process = msgspec.structs.replace(process, no_new_privileges=True)
    program = None
    if state.seccomp_flags is not None:
        with open(home.seccomp, "rb", buffering=0) as file:
            program = Program(file.read(), state.seccomp_flags)
    with Descriptors() as held:
        target = held.process(state)
        hear, told = held.pipe()
        console, theirs = held.socket_pair() if process.terminal else (None, None)
        plan = joining.Join(
            process=process, manner=manner, target=target, kinds=state.namespaces, domain=state.domain, cgroup=group,
            stdio=stdio, program=program, report=told, console=theirs, label=_label(process))
        first = _fork(lambda: joining.run(plan))
        held.close(told, theirs)
        conversation = _Conversation(hear, first)
        try:
            pid = conversation.pid()
        finally:
            conversation.part()
        try:
            if process.oom_score_adj is not None:
                _adjust_oom(pid, process.oom_score_adj)
            conversation.finished()
            return Started(pid, _receive(console))
        except BaseException:
            _kill(pid)
            raise


class _Conversation:
    """What the children say, line by line: a letter and what it tells. A failure ends it. ``first`` is our child."""

    def __init__(self, fd: int, first: int) -> None:
        self._fd = fd
        self._first = first
        self._content = b""
        self._line = b""
        self._heard: dict[bytes, bytes] = {}

    def next(self) -> bytes:
        """Return the letter of the next line. Raises what went wrong when that comes instead."""
        while b"\n" not in self._content:
            chunk = os.read(self._fd, 65536)
            if not chunk:
                raise PluginFault("the container's first process died before it could say why")
            self._content += chunk
        self._line, _, self._content = self._content.partition(b"\n")
        if self._line.startswith(b"E"):
            self._fail()
        self._heard[self._line[:1]] = self._line[1:]
        return self._line[:1]

    def until(self, letter: bytes) -> bytes:
        """Return what the line with the letter tells, whether it has come already or not."""
        while letter not in self._heard:
            self.next()
        return self._heard[letter]

    def pid(self) -> int:
        """Return the pid of the second process."""
        return int(self.until(b"P"))

    def part(self) -> None:
        """Wait for the end of the first process, once."""
        first, self._first = self._first, 0
        if first:
            _reap(first)

    def finished(self) -> None:
        """Wait until the command runs, which closes the pipe."""
        self._content += report.read_until_closed(self._fd)
        if self._content:
            report.receive(self._content)

    def _fail(self) -> NoReturn:
        # The second process may fail before the first has told who it is: it must be reaped all the same, or its zombie
        # holds the container. It becomes our child a moment after the first has let go of the pipe: when that is gone.
        rest = self._content + report.read_until_closed(self._fd)
        self.part()
        for line in rest.splitlines():
            if line.startswith(b"P"):
                _reap(int(line[1:]))
        report.receive(self._line)


def _fork(body: Callable[[], None]) -> int:
    """Fork with signals blocked and run ``body``, which never returns, in the child."""
    with child.signals_blocked():
        pid = os.fork()
        if pid == 0:
            gc.disable()
            try:
                body()
            finally:
                os._exit(1)
    return pid


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return  # the caller ignores SIGCHLD


def _kill(pid: int) -> None:
    """Kill a child and, when it has become the caller's, reap it."""
    import signal

    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    _reap(pid)


def _tell(control: int, letter: bytes) -> None:
    """Let the child go on. It may be dead: that is heard elsewhere."""
    try:
        os.write(control, letter)
    except BrokenPipeError:
        return


def _set_clocks(pid: int, offsets: Mapping[str, TimeOffset]) -> None:
    """Set the clocks of the time namespace that a process's children will be in (time_namespaces(7))."""
    text = "".join(f"{clock} {by.secs} {by.nanosecs}\n" for clock, by in offsets.items())
    try:
        with open(f"/proc/{pid}/timens_offsets", "wb", buffering=0) as file:
            file.write(text.encode())
    except OSError as error:
        raise InvalidInput(f"cannot set the clocks of the time namespace: {error.strerror}") from error


def _adjust_oom(pid: int, score: int) -> None:
    try:
        with open(f"/proc/{pid}/oom_score_adj", "wb", buffering=0) as file:
            file.write(str(score).encode())
    except PermissionError as error:
        raise Unsupported(f"cannot set oom_score_adj to {score}", "lowering it needs CAP_SYS_RESOURCE") from error
    except OSError as error:
        raise InvalidInput(f"invalid oom_score_adj {score}", "it is between -1000 and 1000") from error


def _label(process: Process) -> bool:
    """Tell whether a security module's label is to be set. Raises Unsupported where the module is not there."""
    if process.apparmor_profile in ("", "unconfined") and not process.selinux_label:
        return False
    if process.selinux_label and not os.path.exists("/sys/fs/selinux/enforce"):
        raise Unsupported("SELinux is not enabled on this machine", "run with --security-opt label=disable")
    if process.apparmor_profile and not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        raise Unsupported("AppArmor is not enabled on this machine", "run with --security-opt apparmor=unconfined")
    return True


def _receive(console: int | None) -> int | None:
    """Return the terminal's master, sent by the child."""
    if console is None:
        return None
    import socket

    channel = socket.socket(fileno=os.dup(console))
    try:
        _, fds, _, _ = socket.recv_fds(channel, 1, 1)
    finally:
        channel.close()
    if not fds:
        raise PluginFault("the container's terminal was not handed over")
    os.set_inheritable(fds[0], False)
    return fds[0]
