"""Carry failures from a forked child to its parent through a pipe."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import msgspec

from sampan import errors
from sampan_plugins.runtimes.native import lookup, trampoline

_CLASSES = {
    errno.ENOSPC: errors.OutOfSpace, errno.EDQUOT: errors.OutOfSpace, errno.ENOSYS: errors.Unsupported,
    errno.EOPNOTSUPP: errors.Unsupported, errno.ENODEV: errors.Unsupported, errno.EPERM: errors.Denied,
    errno.EACCES: errors.Denied,
}


class Progress:
    """What a child is at, to be named should it fail."""

    step = "starting"


def send(fd: int, failure: BaseException, progress: Progress) -> None:
    """Write the failure as a line: class, message and hint, after a letter that tells it from other lines."""
    told = translate(failure, progress.step)
    content = msgspec.json.encode((type(told).__name__, told.message, told.hint))
    os.write(fd, b"E" + content + b"\n")


def translate(failure: BaseException, step: str) -> errors.SampanError:
    """Return the failure as one of ours."""
    if isinstance(failure, errors.SampanError):
        return failure
    if isinstance(failure, OSError):
        kind = _CLASSES.get(failure.errno or 0, errors.InvalidInput)
        # A descriptor's name tells nobody anything: the step says what it was.
        named = isinstance(failure.filename, str) and not failure.filename.startswith("/proc/self/fd/")
        about = f": {failure.filename}" if named else ""
        return kind(f"{step} failed{about}: {(failure.strerror or str(failure)).lower()}")
    return errors.PluginFault(f"{step} failed: {type(failure).__name__}: {failure}")


def receive(content: bytes) -> NoReturn:
    """Raise the failure that a child's last words describe. They are not believed to be well-formed."""
    if content[:1] == trampoline.LETTER and len(content) > 1:
        path, error = trampoline.failure(content)
        raise lookup.failed(path, error)
    try:
        name, message, hint = msgspec.json.decode(content[1:], type=tuple[str, str, str | None])
    except msgspec.MsgspecError as error:
        raise errors.PluginFault("the container's process failed without a word") from error
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, errors.SampanError)):
        kind = errors.PluginFault
    raise kind(message, hint)


def read_until_closed(fd: int) -> bytes:
    """Return all that is written until the last writer is gone."""
    content = b""
    while chunk := os.read(fd, 65536):
        content += chunk
    return content
