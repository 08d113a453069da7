"""Leave a standby for the commands after this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from sampan.cli.standby import client


def start(place: str, linger: int, loaded: Iterable[str]) -> None:
    """Run a fresh interpreter that imports what this process and ``loaded`` name, and waits ``linger`` seconds.

    It keeps nothing of this process: no descriptor, environment, session or handled signal. Costs a millisecond.
    """
    own = client.identity()
    if not own or client.address(own) != place:
        return
    directory = os.path.dirname(place)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    if not client.private(directory):
        return
    if _being_started(place):
        return
    modules = dict.fromkeys((*(name for name in list(sys.modules) if _importable(name)), *loaded))
    told = os.memfd_create("sampan-standby")
    os.write(told, "\0".join((place, str(linger), str(len(own)), *own, *modules)).encode(errors="surrogateescape"))
    os.lseek(told, 0, os.SEEK_SET)
    flags = [
        *(["-s"] if sys.flags.no_user_site else []), *(["-E"] if sys.flags.ignore_environment else []),
        *(["-I"] if sys.flags.isolated else []), *(["-B"] if sys.flags.dont_write_bytecode else []),
    ]  # fmt: skip
    count = int(own[6])
    environ = dict(entry.split("=", 1) for entry in own[7 : 7 + count])
    for name in ("HOME", "SAMPAN_STANDBY_DIR", "XDG_RUNTIME_DIR"):
        if name in os.environ:
            environ[name] = os.environ[name]
    # The name makes the interpreter find the same installation, and ps show what it is.
    title = os.path.join(os.path.dirname(sys.executable), "sampan-standby")
    arguments = [title, *flags, "-P", "-m", "sampan.cli.standby.server"]
    # Not posix_spawn: the C library's leaves the signals it uses itself ignored, which containers would inherit.
    if os.fork() == 0:
        try:
            _become(told, arguments, environ)
        finally:
            os._exit(1)


def _being_started(place: str) -> bool:
    import fcntl

    try:
        descriptor = os.open(f"{place}.lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _become(told: int, arguments: list[str], environ: dict[str, str]) -> None:
    import signal

    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    os.setsid()
    told = os.dup(told)
    while told < 3:
        told = os.dup(told)
    os.dup2(told, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (1, 2):
        os.dup2(null, standard)
    os.closerange(3, 1 << 20)
    os.execve(sys.executable, arguments, environ)


def _importable(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and spec.name == name and name != "__main__"
