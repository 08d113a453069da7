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
    import signal

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
    modules = dict.fromkeys((*(name for name in list(sys.modules) if _importable(name)), *loaded))
    told = os.memfd_create("sampan-standby")
    os.write(told, "\0".join((place, str(linger), str(len(own)), *own, *modules)).encode(errors="surrogateescape"))
    os.lseek(told, 0, os.SEEK_SET)
    actions = [
        (os.POSIX_SPAWN_DUP2, told, 0),
        *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (1, 2)),
        *((os.POSIX_SPAWN_CLOSE, number) for number in client._inherited() if number > 2),
    ]
    if told <= 2:
        return  # standard streams were closed: not worth the care
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
    os.posix_spawn(
        sys.executable, [title, *flags, "-P", "-m", "sampan.cli.standby.server"], environ, file_actions=actions,
        setsid=True, setsigmask=(), setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )  # fmt: skip


def _importable(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and spec.name == name and name != "__main__"
