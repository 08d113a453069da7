"""Copy directory trees and files: cloned where the file system can, else in the kernel, else through memory.

See ioctl_ficlone(2), copy_file_range(2) and sendfile(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from sampan.errors import Unsupported

_FICLONE: Final = 0x40049409
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_POSSIBLE = frozenset((
    errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.EBADF, errno.ETXTBSY,
))
_PIECE = 1 << 20
_MOST_AT_ONCE = 1 << 27  # signals are heard between two calls
_MOST_LEVELS = 300  # each takes two descriptors while it is copied


def copy_tree(source: str, target: str) -> None:
    """Make ``target``, an empty directory, a copy of ``source``, which nobody may change meanwhile.

    Content, owners, modes, times, devices, extended attributes and links between files are as they were, and so
    are holes. Raises OSError, and Unsupported for a tree that is too deep.
    """
    origin = os.open(source, _DIRECTORY)
    try:
        copy = os.open(target, _DIRECTORY)
        try:
            _TreeCopy().run(origin, copy)
        finally:
            os.close(copy)
    finally:
        os.close(origin)


def pour(source: int, out: BinaryIO, size: int) -> None:
    """Append ``size`` bytes of an open file, from where it stands, to ``out``, which may be of any kind.

    Raises OSError, and EOFError when the file has less.
    """
    out.flush()
    try:
        target = out.fileno()
    except (OSError, AttributeError):
        target = -1
    if target >= 0:
        # Files take the first; pipes and sockets the second; files opened for appending neither.
        for copy in (os.copy_file_range, _send):
            size = _pour_in_kernel(copy, source, target, size)
    while size:
        piece = memoryview(os.read(source, min(size, _PIECE)))
        if not piece:
            raise EOFError(f"{size} bytes are missing")
        size -= len(piece)
        while piece:  # an unbuffered file takes what it can
            piece = piece[out.write(piece):]


def _pour_in_kernel(copy: Callable[[int, int, int], int], source: int, target: int, size: int) -> int:
    """Return how many bytes are left when this way of copying is of no use any more."""
    try:
        while size and (count := copy(source, target, min(size, _MOST_AT_ONCE))):
            size -= count
    except OSError as error:
        if error.errno not in _NOT_POSSIBLE:
            raise
    return size


def _send(source: int, target: int, size: int) -> int:
    return os.sendfile(target, source, None, size)


class _TreeCopy:
    def __init__(self) -> None:
        self._clones = True
        self._kernel_copies = True
        self._links: dict[tuple[int, int], str] = {}
        self._uid, self._gid = os.geteuid(), os.getegid()

    def run(self, origin: int, copy: int) -> None:
        self._top = copy
        self._directory(origin, copy, "")

    def _directory(self, origin: int, copy: int, path: str) -> None:
        if path.count("/") > _MOST_LEVELS:
            raise Unsupported(f"directories nested more than {_MOST_LEVELS} deep", "flatten the tree")
        with os.scandir(origin) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            try:
                status = os.stat(name, dir_fd=origin, follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone, or the mark of a deletion that an overlay lists
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFDIR:
                self._child(name, origin, copy, f"{path}{name}/")
                continue
            if status.st_nlink > 1:
                first = self._links.setdefault((status.st_dev, status.st_ino), path + name)
                if first != path + name:
                    os.link(first, name, src_dir_fd=self._top, dst_dir_fd=copy, follow_symlinks=False)
                    continue
            if kind == stat.S_IFREG:
                self._file(name, origin, copy, status)
            else:
                self._node(name, origin, copy, status)
        self._finish(origin, copy, os.fstat(origin))

    def _child(self, name: str, origin: int, copy: int, path: str) -> None:
        os.mkdir(name, 0o700, dir_fd=copy)
        source = os.open(name, _DIRECTORY, dir_fd=origin)
        try:
            target = os.open(name, _DIRECTORY, dir_fd=copy)
            try:
                self._directory(source, target, path)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _file(self, name: str, origin: int, copy: int, status: os.stat_result) -> None:
        source = os.open(name, _READ, dir_fd=origin)
        try:
            target = os.open(name, _CREATE, 0o600, dir_fd=copy)
            try:
                if status.st_size:
                    self._content(source, target, status)
                self._finish(source, target, status)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _content(self, source: int, target: int, status: os.stat_result) -> None:
        if self._clones:
            try:
                fcntl.ioctl(target, _FICLONE, source)
                return
            except OSError as error:
                if error.errno not in _NOT_POSSIBLE:
                    raise
                self._clones = False
        for offset, end in _pieces(source, status):
            self._piece(source, target, offset, end)
        os.ftruncate(target, status.st_size)

    def _piece(self, source: int, target: int, offset: int, end: int) -> None:
        if self._kernel_copies:
            try:
                while offset < end and (count := os.copy_file_range(source, target, end - offset, offset, offset)):
                    offset += count
                return
            except OSError as error:
                if error.errno not in _NOT_POSSIBLE:
                    raise
                self._kernel_copies = False
        while offset < end and (piece := os.pread(source, min(_PIECE, end - offset), offset)):
            offset += os.pwrite(target, piece, offset)

    def _finish(self, source: int, target: int, status: os.stat_result) -> None:
        os.fchown(target, status.st_uid, status.st_gid)
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        for attribute in os.listxattr(source):
            _copy_attribute(source, target, attribute)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _node(self, name: str, origin: int, copy: int, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=origin), name, dir_fd=copy)
        else:
            os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=copy)
        os.chown(name, status.st_uid, status.st_gid, dir_fd=copy, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=copy)
        source, target = f"/proc/self/fd/{origin}/{name}", f"/proc/self/fd/{copy}/{name}"
        for attribute in os.listxattr(source, follow_symlinks=False):
            value = os.getxattr(source, attribute, follow_symlinks=False)
            os.setxattr(target, attribute, value, follow_symlinks=False)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=copy, follow_symlinks=False)


def _pieces(fd: int, status: os.stat_result) -> Iterator[tuple[int, int]]:
    """Yield where the content of a file begins and ends, piece by piece, without its holes."""
    if status.st_blocks * 512 >= status.st_size:
        yield 0, status.st_size
        return
    end = 0
    while end < status.st_size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # a hole to the end
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end


def _copy_attribute(source: int, target: int, attribute: str) -> None:
    try:
        os.setxattr(target, attribute, os.getxattr(source, attribute))
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
