"""Find the directories of a tree by path, by descriptor and without ever leaving the tree."""

from __future__ import annotations

import os
import stat

from sampan.errors import Corrupt, Unsupported
from sampan.kernel import paths

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 192  # descriptors kept open at most; well below the customary limit of 1024
_DEEPEST = 32
_DEFAULT_ACL = "system.posix_acl_default"
_MOST_LEVELS = 300  # a walk holds a descriptor or two for each, and a few of Python's frames


def clean(name: bytes) -> bytes:
    """Return an archive's name as a path relative to its root: absolute names are confined, ``.`` and ``..`` resolved.

    Raises Corrupt for one that climbs out of the root.
    """
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise Corrupt(f"layer: {name.decode(errors='backslashreplace')!r} is outside the root")
            parts.pop()
        elif part and part != b".":
            parts.append(part)
    return b"/".join(parts)


def check_depth(path: bytes) -> None:
    """Raise Unsupported for a directory that is too deep to walk into; ``path`` is its path in the tree."""
    if path.count(b"/") > _MOST_LEVELS:
        raise Unsupported(f"directories nested more than {_MOST_LEVELS} deep", "flatten the tree")


class Directories:
    """Open directories of one tree, kept by path.

    A path's links are resolved as if the tree's root were /. Nobody else may change the tree meanwhile; after
    having removed or replaced a directory, call ``forget``.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: dict[bytes, int] = {}
        self.inherits = {root} if _inherits(root) else set[int]()
        """Descriptors of directories that lend a group or an access control list to what is made in them."""

    def get(self, path: bytes) -> int:
        """Return a descriptor of the directory ``path``, made with its parents where missing.

        It stays open until the next call. Raises OSError.
        """
        if not path:
            return self._root
        fd = self._open.get(path)
        return fd if fd is not None else self._keep(path, self._find(path))

    def look_up(self, path: bytes) -> int | None:
        """Return a descriptor as ``get`` does; None when there is no such directory."""
        if not path:
            return self._root
        fd = self._open.get(path)
        if fd is not None:
            return fd
        try:
            fd = paths.open_in(self._root, os.fsdecode(path), os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._keep(path, fd)

    def forget(self) -> None:
        """Close everything: paths may mean other directories now."""
        for fd in self._open.values():
            os.close(fd)
        self.inherits.intersection_update((self._root,))
        self._open.clear()

    def _find(self, path: bytes) -> int:
        parent, _, name = path.rpartition(b"/")
        if path.count(b"/") < _DEEPEST:
            directory = self.get(parent)
            try:
                return os.open(name, _OPEN, dir_fd=directory)
            except FileNotFoundError:
                os.mkdir(name, 0o755, dir_fd=directory)
                return os.open(name, _OPEN, dir_fd=directory)
            except OSError as error:
                if not _is_link(name, directory):
                    raise error
        held = paths.make_directories(self._root, os.fsdecode(path))
        try:
            return os.open(b".", _OPEN, dir_fd=held)
        finally:
            os.close(held)

    def _keep(self, path: bytes, fd: int) -> int:
        if len(self._open) >= _MOST:
            self.forget()
        self._open[path] = fd
        if _inherits(fd):
            self.inherits.add(fd)
        return fd


def _is_link(name: bytes, directory: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)


def _inherits(fd: int) -> bool:
    if os.fstat(fd).st_mode & stat.S_ISGID:
        return True
    try:
        return _DEFAULT_ACL in os.listxattr(fd)
    except OSError:
        return False  # a file system without extended attributes
