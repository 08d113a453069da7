"""Translate what the system says while a layer is handled into Sampan's errors."""

from __future__ import annotations

import errno

from sampan.errors import Corrupt, Denied, OutOfSpace, SampanError

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_FORBIDDEN = frozenset((errno.EPERM, errno.EACCES, errno.EROFS))
_ARCHIVE = frozenset((
    errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EFBIG,
    errno.ENOENT, errno.EXDEV, errno.EMLINK, errno.EILSEQ, errno.E2BIG, errno.ERANGE, errno.ENOTEMPTY,
))


def translated(error: OSError, name: bytes) -> SampanError | None:
    """Return the error that reports ``error`` on the entry ``name``; None when it is the machine's own failure."""
    shown = name.decode(errors="backslashreplace")
    if error.errno in _FULL:
        return OutOfSpace(f"no space left for {shown!r}")
    if error.errno in _FORBIDDEN:
        return Denied(f"not permitted to create {shown!r}: {error.strerror}")
    if error.errno in _ARCHIVE:
        return Corrupt(f"layer: cannot extract {shown!r}: {error.strerror}")
    return None
