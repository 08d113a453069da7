"""Carry failures from a forked child to its parent through a pipe."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import msgspec

from sampan import errors

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
        about = f": {failure.filename}" if isinstance(failure.filename, str) else ""
        return kind(f"{step} failed{about}: {(failure.strerror or str(failure)).lower()}")
    return errors.PluginFault(f"{step} failed: {type(failure).__name__}: {failure}")


def receive(content: bytes) -> NoReturn:
    """Raise the failure that a line, without its letter, describes."""
    name, message, hint = msgspec.json.decode(content, type=tuple[str, str, str | None])
    kind = getattr(errors, name, errors.PluginFault)
    raise kind(message, hint)


def read_until_closed(fd: int) -> bytes:
    """Return all that is written until the last writer is gone."""
    content = b""
    while chunk := os.read(fd, 65536):
        content += chunk
    return content
