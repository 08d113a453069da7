"""Hand the process's own command line to a standby, and stand for the worker that carries it out.

This is on the way of every command, before anything else is imported: only what the interpreter has at its start,
and ``_socket`` where there is a standby. The worker has our standard streams and whatever else we inherited, our
environment, directory and limits; we pass on the signals we get, and end as it ends.
"""

from __future__ import annotations

import _imp
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from types import FrameType
    from typing import NoReturn

PROTOCOL = "1"
PATIENCE = 0.5
"""Seconds within which a standby must answer; then the command goes the usual way."""
ACCEPTED, UNLIKE, STALE, EXITED, KILLED, STOPPED = b"A", b"U", b"S", b"E", b"K", b"T"
GO = b"G"

_ODD_FLAGS = (
    "debug", "inspect", "interactive", "optimize", "no_site", "verbose", "bytes_warning", "quiet", "dev_mode",
    "warn_default_encoding",
)  # fmt: skip
_OWN_SIGNALS = {4, 5, 7, 8, 9, 11, 17, 19, 21, 22, 23, 31, 32, 33}
"""Faults, those that cannot be caught, CHLD, TTIN, TTOU, URG, and the C library's own; the same numbers everywhere
Sampan runs."""


def call() -> str | None:
    """Have a standby carry out this process's command line; then this does not return.

    Otherwise return the address at which the command may leave a standby for those after it, None when it shall not.
    Nothing of the command has been done then.
    """
    try:
        own = identity()
        place = address(own) if own else None
        if place is None:
            return None
        try:
            os.stat(place)
        except OSError:
            return place
        return _call(place, own)
    except Exception:
        return None  # the usual way is always there


def identity() -> list[str]:
    """Return what a standby must be of, to serve this process: interpreter, code, locale, cgroup. Empty: none can."""
    environ = os.environ
    if environ.get("SAMPAN_STANDBY") == "0" or sys.gettrace() or sys.getprofile() or sys.warnoptions:
        return []
    flags = sys.flags
    if sys._xoptions or any(getattr(flags, name) for name in _ODD_FLAGS) or os.getuid() != os.geteuid():
        return []
    if not sys.executable or not all(path[:1] == "/" for path in sys.path):
        return []
    names = sorted(name for name in environ if name[:6] == "PYTHON" or name[:3] == "LC_" or name[:4] == "LANG")
    descriptor = os.open("/proc/self/cgroup", os.O_RDONLY | os.O_CLOEXEC)
    try:
        cgroup = os.read(descriptor, 65536)
    finally:
        os.close(descriptor)
    switches = (flags.no_user_site, flags.ignore_environment, flags.isolated, flags.dont_write_bytecode)
    return [
        PROTOCOL, sys.executable, sys.prefix, sys.version, repr((*switches, flags.utf8_mode)), os.fsdecode(cgroup),
        str(len(names)), *(f"{name}={environ[name]}" for name in names), *sys.path,
    ]  # fmt: skip


def address(own: list[str]) -> str | None:
    """Return the path of the socket for an identity, whether or not it exists; None where there is no place for it."""
    directory = os.environ.get("SAMPAN_STANDBY_DIR")
    if not directory:
        if os.geteuid() == 0:
            directory = "/run/sampan-standby"
        elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
            directory = runtime + "/sampan-standby"
        else:
            return None
    # SipHash, which the interpreter has built in for checking bytecode; hash() differs from process to process.
    digest = _imp.source_hash(0, "\0".join(own).encode(errors="surrogateescape"))
    return f"{directory}/{digest.hex()}"


def private(directory: str) -> bool:
    """Tell whether a directory is one that nobody else can reach into."""
    status = os.lstat(directory)
    return status.st_mode & 0o170077 == 0o040000 and status.st_uid == os.geteuid()


def peer(connection: socket) -> tuple[int, int]:
    """Return process and user at the other end: who connected or listened first (SO_PEERCRED, unix(7))."""
    import _socket

    told = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(told[:4], sys.byteorder), int.from_bytes(told[4:8], sys.byteorder)


def _call(place: str, own: list[str]) -> str | None:
    import _socket

    if not private(os.path.dirname(place)):
        return None
    inherited = _inherited()
    if inherited[:1] == [0] and os.isatty(0) and _in_background():
        return None  # a read would have to stop us, which a worker outside of the terminal's session is not
    request = _request(own, inherited)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(place)
    except OSError:
        connection.close()
        return place  # it was killed, or is just ending
    answer, handle = b"", -1
    try:
        if peer(connection)[1] != os.geteuid():
            return None
        numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in inherited)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)] if inherited else []
        connection.sendmsg([request], rights)
        answer, control, _, _ = connection.recvmsg(8, 32, _socket.MSG_CMSG_CLOEXEC)
        if answer == ACCEPTED and control:
            handle = int.from_bytes(control[0][2][:4], sys.byteorder)
            _stand_in(connection, handle)
        return None if answer == UNLIKE else place
    except OSError:
        return None if answer == ACCEPTED or not answer else place
    finally:
        connection.close()
        if handle >= 0:
            os.close(handle)


def _inherited() -> list[int]:
    """Return the numbers of the descriptors that we were started with."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            pass  # the one that listed the directory
    return sorted(found)


def _in_background() -> bool:
    try:
        return os.tcgetpgrp(0) != os.getpgrp()
    except OSError:
        return False  # not the terminal that controls us


def _request(own: list[str], inherited: list[int]) -> bytes:
    arguments = [os.fsencode(word) for word in sys.argv]
    environ = [key + b"=" + value for key, value in os.environb.items()]
    counts = f"{len(own)} {len(arguments)} {' '.join(map(str, inherited))}"
    return b"\0".join(
        (counts.encode(), *(word.encode(errors="surrogateescape") for word in own), *arguments, *environ)
    )


def _stand_in(connection: socket, worker: int) -> None:
    """Tell the worker to begin and be its front until it ends; return only when it has done nothing after all."""
    import _signal  # type: ignore[import-not-found]  # signal without its enumerations, which cost 3 ms

    def pass_on(number: int, frame: FrameType | None) -> None:
        try:
            _signal.pidfd_send_signal(worker, number)
        except OSError:
            pass  # it ended

    before = {}
    for number in range(1, 65):
        # What we were told to ignore the worker ignores as well.
        if number not in _OWN_SIGNALS and _signal.getsignal(number) != _signal.SIG_IGN:
            before[number] = _signal.signal(number, pass_on)
    try:
        connection.send(GO)
        connection.settimeout(None)
        while True:
            message = connection.recv(8)
            kind, number = message[:1], message[1] if len(message) > 1 else 0
            if kind == EXITED:
                os._exit(number)
            elif kind == KILLED:
                _die(number)
            elif kind == STOPPED:
                _stop(number)
                pass_on(_signal.SIGCONT, None)
            elif kind == UNLIKE:
                return
            else:
                os.write(2, b"Error: the process that carried out this command was killed\n")
                os._exit(137)
    finally:
        for number, handler in before.items():
            _signal.signal(number, handler)


def _stop(number: int) -> None:
    """Stop as the worker was stopped, until we are continued."""
    import _signal

    own = _signal.getsignal(number) if number != _signal.SIGSTOP else None
    if own is not None:
        _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)
    if own is not None:
        _signal.signal(number, own)


def _die(number: int) -> NoReturn:
    """End by the same signal as the worker."""
    import _signal

    if number != _signal.SIGKILL:
        _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)
