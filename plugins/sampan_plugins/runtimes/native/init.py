"""Be the first process of a container: from a fresh fork to its command.

Two forks: the first process enters the namespaces, the second is the first process in the new pid namespace. The
parent hears of both through one pipe, ``report``, and lets the second go on through another, ``control``.
"""

from __future__ import annotations

import os

import msgspec

from sampan.contracts.runtime import Stdio
from sampan.errors import InvalidInput
from sampan.kernel import libc, loopback, mount, namespaces, paths, processes, procfs, tty
from sampan.kernel.cgroups.group import Group
from sampan.kernel.seccomp import Program
from sampan.model.runtime_spec import Linux, Process, Spec
from sampan_plugins.runtimes.native import child, hooks, report, rootfs
from sampan_plugins.runtimes.native.manner import Manner
from sampan_plugins.runtimes.native.process import Confinement
from sampan_plugins.runtimes.native.report import Progress
from sampan_plugins.runtimes.native.state import State

_SYSCTLS_OF_IPC = frozenset((
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
    "kernel.shmmni", "kernel.shm_rmid_forced",
))


class Plan(msgspec.Struct, frozen=True):
    """All that the child needs, made ready by the parent.

    Descriptors are the parent's; ``joined`` maps kinds of namespace to them, and ``trees`` the numbers of mounts that
    are bound from what the parent has cloned.
    """

    spec: Spec
    state: State
    manner: Manner
    cgroup: Group
    stdio: Stdio
    program: Program | None
    report: int
    control: int
    go: int
    failure: int
    joined: dict[str, int]
    trees: dict[int, int]
    console: int | None = None
    label: bool = False


def run(plan: Plan) -> None:
    """Carry the plan out in a fresh fork. Never returns."""
    progress = Progress()
    out = plan.report
    try:
        kept = [plan.report, plan.control, plan.go, plan.failure, *plan.joined.values(), *plan.trees.values()]
        if plan.console is not None:
            kept.append(plan.console)
        moved = child.isolate(plan.stdio, kept, plan.manner.preserved)
        out = moved[plan.report]
        _Init(plan, moved, progress).first()
    except BaseException as failure:
        _last_words(out, failure, progress)
    finally:
        os._exit(1)


def _last_words(out: int, failure: BaseException, progress: Progress) -> None:
    try:
        report.send(out, failure, progress)
    except BaseException:
        os._exit(1)


class _Init:
    def __init__(self, plan: Plan, moved: dict[int, int], progress: Progress) -> None:
        assert plan.spec.linux is not None and plan.spec.process is not None
        self.plan = plan
        self.spec = plan.spec
        self.linux: Linux = plan.spec.linux
        self.process: Process = plan.spec.process
        self.moved = moved
        self.progress = progress
        self.report = moved[plan.report]
        self.control = moved[plan.control]

    def first(self) -> None:
        """Enter the namespaces, fork, and tell the parent whom."""
        if any(item.type == "user" for item in self.linux.namespaces):
            self._join_group()  # in a user namespace there is no right to
            self._enter_users()
            self._enter_namespaces()
        else:
            self._enter_namespaces()
            self._join_group()
        self._set_clocks()
        # After joining: the group one is in becomes the root of the view.
        namespaces.create(self._own_cgroups())
        for fd in self.plan.joined.values():
            os.close(self.moved[fd])
        self.progress.step = "forking the first process"
        pid = os.fork()
        if pid == 0:
            self.second()
        os.write(self.report, b"P%d\n" % pid)
        os._exit(0)

    def _join_group(self) -> None:
        self._await(b"j")
        self.progress.step = "joining the control group"
        self.plan.cgroup.join()

    def _enter_users(self) -> None:
        self.progress.step = "entering the user namespace"
        joined = self.plan.joined
        if "user" in joined:
            namespaces.enter(self.moved[joined["user"]], namespaces.flag("user"))
        else:
            namespaces.create(namespaces.flag("user"))
            os.write(self.report, b"U\n")
            self._await(b"m")
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        processes.hide()

    def _enter_namespaces(self) -> None:
        self.progress.step = "entering namespaces"
        for kind, fd in self.plan.joined.items():
            if kind != "user":
                namespaces.enter(self.moved[fd], namespaces.flag(kind))
        fresh = {item.type for item in self.linux.namespaces if not item.path}
        namespaces.create(sum(namespaces.flag(kind) for kind in fresh - {"user", "cgroup"}))

    def _set_clocks(self) -> None:
        if self.linux.time_offsets:
            # In a user namespace the file is not the child's own to write: it hides from those in there.
            os.write(self.report, b"T\n")
            self._await(b"t")

    def _own_cgroups(self) -> int:
        fresh = any(item.type == "cgroup" and not item.path for item in self.linux.namespaces)
        return namespaces.flag("cgroup") if fresh else 0

    def _await(self, letter: bytes) -> None:
        if os.read(self.control, 1) != letter:
            os._exit(1)  # the parent is gone: so is the container

    def second(self) -> None:
        """Be process 1."""
        plan, process, progress = self.plan, self.process, self.progress
        progress.step = "starting a session"
        os.setsid()
        if plan.manner.keyring:
            processes.new_session_keyring()
        self._set_up_kernel()
        label_fd = procfs.open_to_write("/proc/self/attr/exec") if plan.label else None
        os.umask(0o022)
        trees = {number: self.moved[fd] for number, fd in plan.trees.items()}
        root = rootfs.assemble(self.spec, plan.state.bundle, plan.cgroup, trees, progress)
        if process.terminal:
            self._make_terminal(root)
        self._run_hooks()
        self._set_sysctls()
        progress.step = "changing the root"
        rootfs.enter(root)
        os.close(root)
        rootfs.propagate(self.linux.rootfs_propagation)
        confinement = Confinement(process, plan.program, label_fd, progress, preserved=plan.manner.preserved,
                                  domain=plan.state.domain)
        confinement.enter()
        self._await(b"g")
        if plan.manner.bound:
            processes.die_with_parent()
        if self._orphaned():
            os._exit(1)
        os.write(self.report, b"R\n")
        os.close(self.report)
        go, failure = self.moved[plan.go], self.moved[plan.failure]
        os.read(go, 1)
        os.close(go)
        try:
            self._run_last_hooks(confinement)
            confinement.execute(failure)
        except BaseException as error:
            _last_words(failure, error, progress)
        os._exit(1)

    def _run_hooks(self) -> None:
        """Let the parent run its hooks, now that all is mounted, and then run those that are of the container."""
        wanted = self.spec.hooks
        if not wanted:
            return
        if wanted.prestart or wanted.create_runtime:
            os.write(self.report, b"H\n")
            self._await(b"h")
        if wanted.create_container:
            self.progress.step = "running createContainer hooks"
            # /proc is the host's yet, and so is the pid that it tells.
            state = self._described("creating", int(os.readlink("/proc/self")))
            os.chdir(self.plan.state.bundle)
            hooks.run("createContainer", wanted.create_container, state)

    def _run_last_hooks(self, confinement: Confinement) -> None:
        wanted = self.spec.hooks
        if wanted and wanted.start_container:
            self.progress.step = "running startContainer hooks"
            state = self._described("created", os.getpid())
            hooks.run("startContainer", wanted.start_container, state, confinement.become_hook)

    def _described(self, status: str, pid: int) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(self.plan.state, pid=pid).document(status))

    def _orphaned(self) -> bool:
        """Tell whether the parent died between the go-ahead and the promise to die with it.

        Until it hears that all is ready a living parent keeps its end of the pipe open.
        """
        os.set_blocking(self.control, False)
        try:
            return os.read(self.control, 1) == b""
        except BlockingIOError:
            return False
        finally:
            os.close(self.control)

    def _set_up_kernel(self) -> None:
        kinds = {item.type for item in self.linux.namespaces}
        if "network" in kinds:
            self.progress.step = "bringing up the loopback interface"
            loopback.bring_up()
        self.progress.step = "setting the host name"
        if self.spec.hostname:
            _need(kinds, "uts", "a host name")
            libc.sethostname(self.spec.hostname)
        if self.spec.domainname:
            _need(kinds, "uts", "a domain name")
            libc.setdomainname(self.spec.domainname)

    def _set_sysctls(self) -> None:
        # After the hooks: one of them may bring the interface that a value is for.
        kinds = {item.type for item in self.linux.namespaces}
        for key, value in self.linux.sysctl.items():
            self.progress.step = f"setting sysctl {key}"
            _set_sysctl(key, value, kinds)

    def _make_terminal(self, root: int) -> None:
        self.progress.step = "making the terminal"
        assert self.plan.console is not None
        ptmx = paths.open_in(root, "/dev/pts/ptmx")
        master, slave = tty.open_pair(ptmx)
        os.close(ptmx)
        size = self.process.console_size
        if size:
            tty.resize(master, size.height, size.width)
        target = paths.make_file(root, "/dev/console", 0o620)
        mount.mount("", paths.name_of(slave), paths.name_of(target), ("bind",))
        os.close(target)
        take_terminal(self.moved[self.plan.console], master, slave)


def take_terminal(console: int, master: int, slave: int) -> None:
    """Send the master to the parent and make the slave the streams and the controlling terminal of the caller."""
    import socket

    tty.control(slave)
    for number in range(3):
        os.dup2(slave, number)
    channel = socket.socket(fileno=console)
    socket.send_fds(channel, [b"c"], [master])
    channel.close()
    os.close(master)
    os.close(slave)


def _need(kinds: set[str], kind: str, what: str) -> None:
    if kind not in kinds:
        raise InvalidInput(f"cannot set {what} without a {kind} namespace")


def _set_sysctl(key: str, value: str, kinds: set[str]) -> None:
    name = key.replace("/", ".") if "/" in key else key
    if name in _SYSCTLS_OF_IPC or name.startswith("fs.mqueue."):
        needed = "ipc"
    elif name.startswith("net."):
        needed = "network"
    elif name in ("kernel.hostname", "kernel.domainname"):
        needed = "uts"
    else:
        raise InvalidInput(f'sysctl "{key}" is not in a separate kernel namespace')
    if needed not in kinds:
        raise InvalidInput(f'sysctl "{key}" is not allowed in the hosts {needed} namespace')
    # Written with dots, a dot that belongs to a name (an interface's) is written as a slash; or all in slashes.
    path = key if "/" in key and "." not in key else key.translate(str.maketrans("./", "/."))
    if ".." in path.split("/"):
        raise InvalidInput(f'sysctl "{key}" is malformed')
    procfs.write(f"/proc/sys/{path}", value)
