"""Extract a layer into a directory, safely whatever the archive says.

Everything happens relative to descriptors of directories inside the root: links on the way to an entry are resolved
as if the root were /, and none is ever followed at its end. No entry costs more system calls than it must: the
common file takes open, write, utimensat and close.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from sampan.errors import Corrupt
from sampan.kernel import paths
from sampan.layers import failures, reader, removal, sparse, whiteouts
from sampan.layers.directories import Directories, clean
from sampan.layers.reader import Entry, Reader
from sampan.layers.whiteouts import Whiteouts

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {reader.CHARACTER: stat.S_IFCHR, reader.BLOCK: stat.S_IFBLK, reader.FIFO: stat.S_IFIFO}
_SPECIAL = 0o7000
_LATEST = (1 << 63) - 1  # ns; times before the epoch or after this, in 2262, Docker replaces by the epoch itself
_LONGEST = 4096  # bytes of a path (PATH_MAX)
_LARGEST_ID = 0xFFFFFFFE  # the one above means "leave as it is" to chown(2)
# The overlay file system's own marks are not for an image to set.
_RESERVED = (b"trusted.overlay.", b"user.overlay.")
# Docker passes over attributes that the file system does not have or the kernel does not allow there.
_UNSETTABLE = frozenset((errno.ENOTSUP, errno.EPERM))


def extract(layer: BinaryIO, root: str, policy: Whiteouts) -> int:
    """Extract an uncompressed layer into the directory ``root`` and return the bytes of file content.

    ``policy`` says how deletions are carried out. Owners, modes, times, devices and extended attributes are set
    as the archive has them. Raises Corrupt on a malformed or hostile archive, OutOfSpace, and Denied for what
    only root may do; the tree then holds part of the layer.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return Extraction(fd, policy, Reader(layer)).run()
    finally:
        os.close(fd)


class Extraction:
    """One archive on its way into the tree whose root is open at ``root``."""

    _literal = False
    """Whether the names of whiteouts are names like any other."""

    def __init__(self, root: int, policy: Whiteouts, archive: Reader) -> None:
        self._root = root
        self._tree = Directories(root)
        self._policy = policy
        self._archive = archive
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._masked = _umask() | _SPECIAL  # modes with none of these bits are right from the start
        self._times: dict[bytes, int] = {}

    def run(self) -> int:
        """Extract it all; return the bytes that files, and symbolic links as Docker counts them, hold."""
        total = 0
        seen = self._policy.seen
        if seen is not None:
            seen.add(b"")
        regular, make = reader.REGULAR, self._make
        marks, literal = whiteouts.PREFIX, self._literal
        name = b""
        try:
            for entry in self._archive:
                name = entry.name
                path = name[2:] if name[:2] == b"./" else name
                if path[-1:] == b"/":
                    path = path[:-1]
                if b"./" in path or b"//" in path or path[:1] == b"/" or path[-1:] in (b".", b"/"):
                    path = clean(path)
                parent, _, base = path.rpartition(b"/")
                if seen is not None and parent not in seen:
                    self._imply(parent, seen)
                if (base[:4] == marks or path[:8] == whiteouts.META_PREFIX) and not literal:
                    self._whiteout(path, parent, base)
                    continue
                if seen is not None:
                    seen.add(path)
                if entry.kind == regular:
                    if not base:
                        raise Corrupt("layer: a file without a name")
                    self._file(entry, parent, base)
                    total += entry.size
                else:
                    make(entry, path, parent, base)
                    if entry.kind == reader.SYMLINK:
                        total += len(entry.link)
            self._set_times()
        except OSError as error:
            failure = failures.translated(error, name)
            if failure is None:
                raise
            raise failure from error
        except (ValueError, OverflowError) as error:  # a NUL in a name; a number beyond what the kernel takes
            raise Corrupt(f"layer: cannot extract {name.decode(errors='backslashreplace')!r}: {error}") from error
        finally:
            self._tree.forget()
        return total

    def _file(self, entry: Entry, parent: bytes, base: bytes) -> None:
        directory = self._tree.get(parent)
        mode = entry.mode & 0o7777
        try:
            fd = os.open(base, _CREATE, mode, dir_fd=directory)
        except FileExistsError:
            directory = self._clear(parent, base)
            fd = os.open(base, _CREATE, mode, dir_fd=directory)
        try:
            if entry.sparse is not None:
                self._pieces(fd, entry.sparse, entry.size)
            elif entry.size:
                for piece in self._archive.content():
                    written = os.write(fd, piece)
                    while written < len(piece):
                        written += os.write(fd, piece[written:])
            if entry.uid != self._uid or entry.gid != self._gid or directory in self._tree.inherits:
                _chown(fd, entry)
                os.chmod(fd, mode)
            elif mode & self._masked:
                os.chmod(fd, mode)
            if entry.xattrs:
                _set_xattrs(f"/proc/self/fd/{fd}", entry.xattrs, follow=True)
            mtime = entry.mtime if 0 <= entry.mtime <= _LATEST else 0
            os.utime(fd, ns=(mtime, mtime))
        finally:
            os.close(fd)

    def _pieces(self, fd: int, pieces: sparse.Map, size: int) -> None:
        """Write the pieces of a sparse file to their places; what is between them stays a hole."""
        content = memoryview(b"")
        more = self._archive.content()
        for offset, left in pieces:
            while left:
                content = content or next(more)
                written = os.pwrite(fd, content[:left], offset)
                content, offset, left = content[written:], offset + written, left - written
        os.ftruncate(fd, size)

    def _make(self, entry: Entry, path: bytes, parent: bytes, base: bytes) -> None:
        kind = entry.kind
        if kind == reader.DIRECTORY:
            self._directory(entry, path, parent, base)
            return
        if not base:
            raise Corrupt("layer: the root is not a directory")
        if kind == reader.CHARACTER and not (entry.major or entry.minor):
            if self._policy.seen is not None:
                self._policy.seen.discard(path)
            self._policy.hide(self._tree, parent, base)  # such a device is how overlayfs marks a deletion
            return
        if kind == reader.HARDLINK:
            self._link(entry, path, parent, base)
            return
        directory = self._tree.get(parent)
        try:
            self._node(entry, base, directory)
        except FileExistsError:
            directory = self._clear(parent, base)
            self._node(entry, base, directory)
        self._finish(entry, base, directory)
        self._set_time(entry, base, directory)

    def _set_time(self, entry: Entry, base: bytes, directory: int) -> None:
        mtime = entry.mtime if 0 <= entry.mtime <= _LATEST or entry.kind == reader.SYMLINK else 0
        os.utime(base, ns=(mtime, mtime), dir_fd=directory, follow_symlinks=False)

    def _node(self, entry: Entry, base: bytes, directory: int) -> None:
        if entry.kind == reader.SYMLINK:
            os.symlink(entry.link, base, dir_fd=directory)
            return
        device = os.makedev(entry.major, entry.minor) if entry.kind != reader.FIFO else 0
        os.mknod(base, _NODES[entry.kind] | entry.mode & 0o7777, device, dir_fd=directory)

    def _directory(self, entry: Entry, path: bytes, parent: bytes, base: bytes) -> None:
        if not base:
            return  # Docker leaves the root as it is: root's, with the mode 0755
        directory = self._tree.get(parent)
        try:
            os.mkdir(base, entry.mode & 0o7777, dir_fd=directory)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(base, dir_fd=directory, follow_symlinks=False).st_mode):
                if self._policy.seen is not None:
                    _drop_xattrs(_path(base, directory))  # a lower layer's
                self._finish(entry, base, directory, fresh=False)
                self._times[path] = entry.mtime
                self._tree.forget()  # it may lend its group from now on
                return
            directory = self._clear(parent, base)
            os.mkdir(base, entry.mode & 0o7777, dir_fd=directory)
            self._policy.made_directory(_path(base, directory))
        self._finish(entry, base, directory)
        self._times[path] = entry.mtime

    def _link(self, entry: Entry, path: bytes, parent: bytes, base: bytes) -> None:
        target = clean(entry.link)
        if target == path:
            return
        target_parent, _, target_base = target.rpartition(b"/")
        if not target_base or self._tree.look_up(target_parent) is None:
            raise Corrupt(f"layer: {entry.name.decode(errors='backslashreplace')!r} is a link to "
                          f"{entry.link.decode(errors='backslashreplace')!r}, which is not in the layer")
        source, directory = self._pair(target_parent, parent)
        try:
            os.link(target_base, base, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            if not _same(target_base, source, base, directory):
                self._clear(parent, base)
                source, directory = self._pair(target_parent, parent)
                os.link(target_base, base, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
        # As in Docker a link's entry has the last word on the file: its owner, its mode, and that it has no
        # capabilities (which chown takes away) when the entry names none.
        if stat.S_ISLNK(os.stat(base, dir_fd=directory, follow_symlinks=False).st_mode):
            os.chown(base, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
            return
        self._finish(entry, base, directory, fresh=False)
        self._set_time(entry, base, directory)

    def _pair(self, first: bytes, second: bytes) -> tuple[int, int]:
        """Return the descriptors of two directories, both open: getting one may have closed the other."""
        self._tree.get(first)
        self._tree.get(second)
        return self._tree.get(first), self._tree.get(second)

    def _imply(self, path: bytes, seen: set[bytes]) -> None:
        """Take over the directories on the way to an entry that the layer has no entries for.

        Whatever lower layers have there becomes a plain directory, as it does where layers are stacked.
        """
        if len(path) >= _LONGEST:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        lacking = []
        while path not in seen:
            seen.add(path)
            lacking.append(path)
            path = path.rpartition(b"/")[0]
        for path in reversed(lacking):
            parent, _, base = path.rpartition(b"/")
            directory = self._tree.get(parent)
            if self._real(directory, base) in seen - {path}:
                continue  # by way of a link of this layer
            try:
                mode = os.stat(base, dir_fd=directory, follow_symlinks=False).st_mode
            except FileNotFoundError:
                return  # it is made when it is needed, with all below it
            if stat.S_ISDIR(mode):
                self._make_plain(base, directory)
            else:
                self._clear(parent, base)

    def _make_plain(self, base: bytes, directory: int) -> None:
        os.chown(base, self._uid, self._gid, dir_fd=directory, follow_symlinks=False)
        os.chmod(base, 0o755, dir_fd=directory)
        _drop_xattrs(_path(base, directory))
        os.utime(base, dir_fd=directory, follow_symlinks=False)
        self._tree.forget()  # it lends no group from now on

    def _real(self, directory: int, base: bytes) -> bytes:
        """Return the path in the tree of a name in an open directory, without links."""
        top, path = (os.fsencode(os.readlink(paths.name_of(fd))) for fd in (self._root, directory))
        return path[len(top):].strip(b"/") + b"/" + base if path != top else base

    def _finish(self, entry: Entry, base: bytes, directory: int, *, fresh: bool = True) -> None:
        """Set owner, mode and extended attributes of what is not a regular file."""
        mode = entry.mode & 0o7777
        owned = fresh and entry.uid == self._uid and entry.gid == self._gid
        owned = owned and directory not in self._tree.inherits
        if not owned:
            _check_owner(entry)
            os.chown(base, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
        if entry.kind != reader.SYMLINK and (not owned or mode & self._masked):
            os.chmod(base, mode, dir_fd=directory)
        if entry.xattrs:
            _set_xattrs(_path(base, directory), entry.xattrs, follow=False)

    def _clear(self, parent: bytes, base: bytes) -> int:
        """Remove what is in an entry's place, and return the directory."""
        removal.remove(base, self._tree.get(parent))
        # A link removed may have led to directories known by paths through it.
        self._tree.forget()
        self._times.pop(parent + b"/" + base if parent else base, None)
        return self._tree.get(parent)

    def _whiteout(self, path: bytes, parent: bytes, base: bytes) -> None:
        if base == whiteouts.OPAQUE:
            if parent:  # a root is never opaque, in Docker and for overlayfs
                self._policy.empty(self._tree, parent)
            return
        if base[:8] == whiteouts.META_PREFIX or path[:8] == whiteouts.META_PREFIX:
            return  # bookkeeping of AUFS
        name = base[4:]
        if name in (b"", b".", b".."):
            raise Corrupt(f"layer: {path.decode(errors='backslashreplace')!r} deletes no name")
        self._policy.hide(self._tree, parent, name)

    def _set_times(self) -> None:
        # Last, since making an entry in a directory changes the directory's time.
        for path in sorted(self._times):
            parent, _, base = path.rpartition(b"/")
            directory = self._tree.look_up(parent)
            mtime = self._times[path] if 0 <= self._times[path] <= _LATEST else 0
            try:
                if directory is not None:
                    os.utime(base or b".", ns=(mtime, mtime), dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue  # deleted by a later entry


def _check_owner(entry: Entry) -> None:
    if not (0 <= entry.uid <= _LARGEST_ID and 0 <= entry.gid <= _LARGEST_ID):
        raise Corrupt(f"layer: {entry.name.decode(errors='backslashreplace')!r} has an impossible owner: "
                      f"{entry.uid}:{entry.gid}")


def _chown(fd: int, entry: Entry) -> None:
    _check_owner(entry)
    os.chown(fd, entry.uid, entry.gid)


def _set_xattrs(path: str, attributes: dict[bytes, bytes], *, follow: bool) -> None:
    for name, value in attributes.items():
        if name.startswith(_RESERVED):
            continue
        try:
            os.setxattr(path, name, value, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _UNSETTABLE:
                raise


def _drop_xattrs(path: str) -> None:
    for name in os.listxattr(path, follow_symlinks=False):
        try:
            os.removexattr(path, name, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _UNSETTABLE:
                raise


def _path(base: bytes, directory: int) -> str:
    return f"/proc/self/fd/{directory}/{os.fsdecode(base)}"


def _same(first: bytes, first_directory: int, second: bytes, second_directory: int) -> bool:
    one = os.stat(first, dir_fd=first_directory, follow_symlinks=False)
    other = os.stat(second, dir_fd=second_directory, follow_symlinks=False)
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _umask() -> int:
    """Return the process's file mode creation mask without changing it, which umask(2) cannot."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o777  # before Linux 4.7: set every mode
