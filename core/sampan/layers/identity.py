"""Find where two trees that should be the same differ, down to the bytes of their files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from sampan.layers import compare

_CHUNK = 1 << 18


def differences(expected: str, found: str) -> Iterator[bytes]:
    """Yield the paths, from ``/``, at which two trees differ in names, types, metadata or content."""
    told = set()
    for change in compare.trees(expected, found):
        told.add(change.path)
        yield change.path
    top_expected, top_found = os.fsencode(expected), os.fsencode(found)
    for directory, _, names in os.walk(top_found):
        for name in names:
            path = b"/" + os.path.relpath(os.path.join(directory, name), top_found)
            if path not in told and not _same(top_expected + path, top_found + path):
                yield path


def _same(one: bytes, other: bytes) -> bool:
    """Compare two files alike in kind and size; the same inode, as of a lower layer, is not read."""
    first, second = os.lstat(one), os.lstat(other)
    if stat.S_ISLNK(first.st_mode):
        return os.readlink(one) == os.readlink(other)
    if not stat.S_ISREG(first.st_mode) or (first.st_ino, first.st_ctime_ns) == (second.st_ino, second.st_ctime_ns):
        return True
    with open(one, "rb", buffering=0) as left, open(other, "rb", buffering=0) as right:
        while True:
            piece = left.read(_CHUNK)
            if piece != right.read(_CHUNK):
                return False
            if not piece:
                return True
