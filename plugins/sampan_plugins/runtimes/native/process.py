"""Become the process that a specification asks for: limits, user, capabilities, directory, filter, and exec."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Sequence

from sampan.errors import CommandNotExecutable, CommandNotFound, InvalidInput, Unsupported
from sampan.kernel import capabilities, processes, scheduling
from sampan.kernel.seccomp import Program
from sampan.model.runtime_spec import Capabilities, Hook, Process, Rlimit
from sampan_plugins.runtimes.native import bundles, child, lookup, trampoline
from sampan_plugins.runtimes.native.report import Progress

_NEEDED_BY_FILTER = capabilities.mask(["CAP_SYS_ADMIN"])
_DEFAULT_UMASK = 0o022


class Confinement:
    """The way from a privileged child in the container's namespaces to the command: ``enter``, then ``execute``.

    ``label_fd`` is open at the caller's /proc/self/attr/exec when a security module is to confine the command.
    ``preserved`` descriptors from 3 on are the command's; ``domain`` is that of personality(2).
    """

    def __init__(
        self, process: Process, program: Program | None, label_fd: int | None, progress: Progress, *,
        preserved: int = 0, domain: int | None = None,
    ) -> None:
        self._process = process
        self._program = program
        self._label_fd = label_fd
        self._progress = progress
        self._failure = trampoline.FAILURE + preserved
        self._domain = domain
        wanted = process.capabilities or Capabilities()
        self._bounding = capabilities.mask(wanted.bounding)
        self._effective = capabilities.mask(wanted.effective)
        self._permitted = capabilities.mask(wanted.permitted)
        self._inheritable = capabilities.mask(wanted.inheritable)
        # The kernel lets no other be ambient, and what `runc spec` writes asks for others: runc leaves them out, too.
        self._ambient = capabilities.mask(wanted.ambient) & self._permitted & self._inheritable
        self._path = ""

    def enter(self) -> None:
        """Take on all but the filter and the last capability, and find the command."""
        process, progress = self._process, self._progress
        progress.step = "setting resource limits"
        for limit in process.rlimits:
            set_limit(limit)
        self._schedule()
        progress.step = "changing the working directory"
        reached = _try_directory(process.cwd)
        progress.step = "changing the user"
        _exchange_null()
        _own_streams(process.user.uid)
        spare = _NEEDED_BY_FILTER if self._program and not process.no_new_privileges else 0
        capabilities.limit(self._bounding)
        capabilities.keep_over_setuid(True)
        os.setgroups(process.user.additional_gids)
        os.setresgid(process.user.gid, process.user.gid, process.user.gid)
        os.setresuid(process.user.uid, process.user.uid, process.user.uid)
        processes.hide()  # a change of user may have made this process visible again
        capabilities.keep_over_setuid(False)
        progress.step = "dropping capabilities"
        capabilities.assign(self._effective | spare, self._permitted | spare, self._inheritable)
        os.umask(_DEFAULT_UMASK if process.user.umask is None else process.user.umask)
        progress.step = "changing the working directory"
        _check_directory(process.cwd, reached)
        progress.step = "finding the command"
        self._path = lookup.find(process.args[0], process.env)

    def _schedule(self) -> None:
        process, progress = self._process, self._progress
        if process.scheduler:
            progress.step = "setting the scheduling policy"
            scheduling.schedule(process.scheduler)
        if process.io_priority:
            progress.step = "setting the I/O priority"
            scheduling.prioritize_transfers(process.io_priority)
        if self._domain is not None:
            progress.step = "setting the personality"
            scheduling.pretend(self._domain)

    def execute(self, failure: int) -> None:
        """Run the command, with the filter loaded and without what loading it needed. Returns only by raising.

        What goes wrong once this interpreter is left is told through the descriptor ``failure``.
        """
        self._run(failure, self._failure, self._path, self._process.args, self._process.env)

    def become_hook(self, hook: Hook, failure: int) -> None:
        """Run a hook from the container's files, which no more is granted than to the command: see execute."""
        self._run(failure, trampoline.FAILURE, hook.path, hook.args or [hook.path], hook.env)

    def _run(self, failure: int, kept_open: int, path: str, args: Sequence[str], env: list[str]) -> None:
        process, progress = self._process, self._progress
        child.reset_signals()
        progress.step = "preparing to run the command"
        program = trampoline.prepare(kept_open)
        environment = bundles.environment(env)
        if self._label_fd is not None:
            progress.step = "setting the security label"
            label = process.selinux_label or f"exec {process.apparmor_profile}"
            os.write(self._label_fd, label.encode())
        trampoline.hold_failure(failure, kept_open)
        if process.no_new_privileges:
            processes.forbid_new_privileges()
        if self._program:
            progress.step = "loading the system call filter"
            self._program.load()
        progress.step = "dropping capabilities"
        capabilities.assign(self._effective, self._permitted, self._inheritable, self._ambient)
        progress.step = "running the command"
        trampoline.run(program, path, args, environment)


def set_limit(limit: Rlimit) -> None:
    """Set one resource limit of the caller. Raises Unsupported when its hard limit may not be raised, InvalidInput."""
    number = getattr(resource, limit.type, None)
    if number is None or not limit.type.startswith("RLIMIT_"):
        raise InvalidInput(f"unknown resource limit {limit.type!r}")
    soft, hard = (_amount(value) for value in (limit.soft, limit.hard))
    name = limit.type.removeprefix("RLIMIT_").lower()
    try:
        resource.setrlimit(number, (soft, hard))
    except (PermissionError, ValueError) as error:
        _, present = resource.getrlimit(number)
        if hard == present or (hard != -1 and present != -1 and hard < present) or present == -1:
            raise InvalidInput(f"cannot set ulimit {name} to {limit.soft}:{limit.hard}: {error}") from error
        raise Unsupported(
            f"ulimit {name} cannot be raised to {limit.hard}: the limit here is {present}",
            "raising it needs CAP_SYS_RESOURCE; ask for less") from error


def _amount(value: int) -> int:
    return -1 if value < 0 or value >= 2**63 else value


def _exchange_null() -> None:
    """Replace streams that are the host's /dev/null by the container's own: root in it could change the host's mode."""
    null = os.makedev(1, 3)
    for number in range(3):
        info = os.fstat(number)
        if not stat.S_ISCHR(info.st_mode) or info.st_rdev != null:
            continue
        try:
            fd = os.open("/dev/null", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidInput(f"the container has no /dev/null: {(error.strerror or '').lower()}") from error
        own = os.fstat(fd)
        if not stat.S_ISCHR(own.st_mode) or own.st_rdev != null:
            raise InvalidInput("the container's /dev/null is something else")
        os.set_blocking(fd, True)
        os.dup2(fd, number)
        os.close(fd)


def _own_streams(uid: int) -> None:
    """Let the user reopen its own standard streams, as /dev/stdout and the like do."""
    for fd in range(3):
        info = os.fstat(fd)
        null = stat.S_ISCHR(info.st_mode) and info.st_rdev == os.makedev(1, 3)
        if info.st_uid == uid or null:
            continue
        try:
            os.fchown(fd, uid, -1)
        except OSError:
            continue  # a socket, or a file system that will not: the stream itself works all the same


def _try_directory(path: str) -> bool:
    """Change directory while still privileged: a user may be given a directory that it could not enter itself."""
    try:
        os.chdir(path)
    except PermissionError:
        return False
    except OSError as error:
        _fail(path, error)
    return True


def _check_directory(path: str, reached: bool) -> None:
    """Make sure the process is in the directory, and the directory in the container (CVE-2024-21626)."""
    try:
        if not reached:
            os.chdir(path)
        if not os.getcwd().startswith("/"):
            raise FileNotFoundError(2, "no such file or directory", path)
    except FileNotFoundError as error:
        if reached:
            raise InvalidInput(f"the working directory {path!r} is outside of the container") from error
        _fail(path, error)
    except OSError as error:
        _fail(path, error)


def _fail(path: str, error: OSError) -> None:
    message = f'chdir to cwd ("{path}") failed: {(error.strerror or "").lower()}'
    if isinstance(error, FileNotFoundError):
        raise CommandNotFound(message) from error
    if isinstance(error, NotADirectoryError):
        raise InvalidInput(message) from error
    raise CommandNotExecutable(message) from error
