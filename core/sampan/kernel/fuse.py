"""Mount file systems that a program serves (fuse(4), fuse.rst), without leaving more behind than the mount.

The device is opened and mounted here, and the program is handed the descriptor, as ``/dev/fd/N``, which libfuse 3 takes
for a place that is mounted already. So the mount is nobody's but the caller's mount namespace's, no helper with a
set-uid bit is in it, and the program ends when the last copy of the mount is gone, whoever was killed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from sampan.errors import Unsupported
from sampan.kernel import libc

PREFIX = "fuse."
"""``fuse.PROGRAM`` is the type of what PROGRAM serves, as for mount(8)."""

_DEVICE = "/dev/fuse"
_PATIENCE = 30.0  # seconds until a program that does not begin to serve is given up


def mount(kind: str, source: str, target: str, flags: int, options: Sequence[str]) -> None:
    """Mount ``fuse.PROGRAM`` at ``target``, served by the program, which gets the options with ``-o``.

    Every user may use it, and the kernel checks modes and owners as elsewhere. Raises Unsupported without the device or
    the program, or when the program gives up, in whose words; OSError. On failure nothing stays mounted.
    """
    import subprocess

    program = kind.removeprefix(PREFIX)
    try:
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Unsupported(f"cannot open {_DEVICE}: {error.strerror}", "load the kernel's module fuse") from error
    try:
        own = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        libc.mount(source or program, target, kind, flags, own)
        told = ["-o", ",".join(options)] if options else []
        try:
            done = subprocess.run(
                [program, *told, f"/dev/fd/{device}"], pass_fds=[device], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=_PATIENCE, check=False,
            )  # fmt: skip
            if done.returncode:
                raise Unsupported(f"{program} does not serve: {' '.join(done.stderr.split()) or done.returncode}")
        except BaseException as error:
            libc.umount2(target, 2)  # MNT_DETACH
            if isinstance(error, FileNotFoundError):
                raise Unsupported(f"there is no program {program}", f"install {program}") from error
            if isinstance(error, subprocess.TimeoutExpired):
                raise Unsupported(f"{program} does not serve after {_PATIENCE:g} seconds") from error
            raise
    finally:
        os.close(device)
