"""Carry out what a layer deletes (OCI image-spec, layer.md, "Whiteouts"), in one of two ways.

A whiteout concerns what lower layers hold, never what its own layer brings, whichever comes first in the archive.
"""

from __future__ import annotations

import os
import stat
from typing import Final, Protocol

from sampan.layers import removal
from sampan.layers.directories import Directories

PREFIX: Final = b".wh."
META_PREFIX: Final = b".wh..wh."
OPAQUE: Final = b".wh..wh..opq"
_HIDDEN = stat.S_IFCHR


class Whiteouts(Protocol):
    """A way of making a layer's deletions felt in the tree it is extracted into."""

    seen: set[bytes] | None
    """Where the extraction notes the paths of this layer, for those who need to know; None for the others."""

    def hide(self, tree: Directories, parent: bytes, name: bytes) -> None:
        """Delete ``name`` of the directory ``parent`` as far as lower layers are concerned."""

    def empty(self, tree: Directories, directory: bytes) -> None:
        """Delete what lower layers have in ``directory``."""

    def made_directory(self, path: str) -> None:
        """Hear of a directory that took the place of something else, whose lower namesake must not show through."""


class Remove:
    """The tree holds the lower layers' content too: what is deleted is removed."""

    def __init__(self) -> None:
        self.seen: set[bytes] | None = set()

    def hide(self, tree: Directories, parent: bytes, name: bytes) -> None:
        """Remove ``name``, save what this layer put there."""
        directory = tree.get(parent)
        path = parent + b"/" + name if parent else name
        if path in (self.seen or ()):
            try:
                if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                    self.empty(tree, path)
            except FileNotFoundError:
                return
            return
        tree_changed = _is_directory(name, directory)
        removal.remove(name, directory)
        if tree_changed:
            tree.forget()

    def empty(self, tree: Directories, directory: bytes) -> None:
        """Remove the content of ``directory``, save what this layer put there."""
        self._empty(os.dup(tree.get(directory)), directory + b"/" if directory else b"")
        tree.forget()

    def made_directory(self, path: str) -> None:
        """Nothing to do: what was there is gone."""

    def _empty(self, fd: int, prefix: bytes) -> None:
        seen = self.seen or ()
        try:
            removal.clear(fd, lambda name: prefix + name in seen)
            for name in map(os.fsencode, os.listdir(fd)):
                if _is_directory(name, fd):
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                    self._empty(os.open(name, flags, dir_fd=fd), prefix + name + b"/")
        finally:
            os.close(fd)


class Overlay:
    """The tree becomes an overlay's upper directory: deletions are marked (overlayfs.rst, "whiteouts and opaque").

    ``namespace`` is ``user`` for an overlay mounted with ``userxattr``.
    """

    def __init__(self, namespace: str = "trusted") -> None:
        self.seen: set[bytes] | None = None
        self._opaque = f"{namespace}.overlay.opaque"

    def hide(self, tree: Directories, parent: bytes, name: bytes) -> None:
        """Put a whiteout in the place of ``name``, or make the directory this layer has there opaque."""
        directory = tree.get(parent)
        try:
            os.mknod(name, _HIDDEN, 0, dir_fd=directory)
        except FileExistsError:
            if _is_directory(name, directory):
                self.empty(tree, parent + b"/" + name if parent else name)

    def empty(self, tree: Directories, directory: bytes) -> None:
        """Make the directory opaque."""
        os.setxattr(tree.get(directory), self._opaque, b"y")

    def made_directory(self, path: str) -> None:
        """Make it opaque: that which it replaced had hidden the lower layers' directory of the same name."""
        os.setxattr(path, self._opaque, b"y", follow_symlinks=False)


def _is_directory(name: bytes, directory: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
