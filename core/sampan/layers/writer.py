"""Write a tree, or what changed in it, as a tar archive: ustar with PAX headers where it needs them.

Entries are sorted and carry nothing that the tree does not, so the same tree gives the same bytes. Times are whole
seconds, as in Docker's archives: a fraction would cost each file a PAX header.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterable
from typing import BinaryIO

from sampan.kernel import copying, paths
from sampan.layers import compare, reader, whiteouts
from sampan.layers.directories import check_depth
from sampan.model.change import Change, ChangeKind

_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: reader.REGULAR, stat.S_IFDIR: reader.DIRECTORY, stat.S_IFLNK: reader.SYMLINK,
    stat.S_IFCHR: reader.CHARACTER, stat.S_IFBLK: reader.BLOCK, stat.S_IFIFO: reader.FIFO,
}
_DEVICES = (reader.CHARACTER, reader.BLOCK)
_RECORD = 10240
_PIECE = 256 * 1024
_LARGEST_ID = 0o7777777
_LARGEST_SIZE = 0o77777777777
# What a file that was removed or replaced meanwhile is met with.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# The overlay file system's marks, and labels that belong to this host.
_KEPT_BACK = ("trusted.overlay.", "user.overlay.", "security.selinux")


def write_tree(root: str, out: BinaryIO) -> None:
    """Write everything below the directory ``root``; sockets are left out. The tree may change meanwhile.

    Raises OSError, Unsupported.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        writer = _Writer(out)
        writer.directory(fd, b"")
        writer.finish()
    finally:
        os.close(fd)


def write_one(directory: int, name: str, shown: str, out: BinaryIO) -> None:
    """Write ``name`` of an open directory as ``shown``, and with it all below it if it is a directory itself.

    Raises OSError, Unsupported.
    """
    writer = _Writer(out)
    writer.whole(directory, os.fsencode(name), os.fsencode(shown))
    writer.finish()


def write_changes(root: str, changes: Iterable[Change], out: BinaryIO) -> None:
    """Write the changes of the tree at ``root`` relative to its parent as a layer, deletions as whiteouts.

    ``changes`` are sorted by path. What has changed again meanwhile is written as it is, or left out. Raises OSError.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        writer = _Writer(out)
        for change in changes:
            _write_change(writer, fd, change)
        writer.finish()
    finally:
        os.close(fd)


class MemberWriter:
    """Write an archive of files given one by one: root's, dated 1970, so that the same files give the same bytes.

    All raise OSError.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._writer = _Writer(out)

    def directory(self, name: str) -> None:
        """Write a directory."""
        self._writer.plain(f"{name}/".encode(), reader.DIRECTORY, 0o755, 0)

    def file(self, name: str, content: bytes) -> None:
        """Write a file from memory."""
        self._writer.plain(name.encode(), reader.REGULAR, 0o644, len(content))
        self._writer.content(content)

    def copy(self, name: str, source: BinaryIO, size: int) -> None:
        """Write a file from ``size`` bytes of another. Raises EOFError when it has less."""
        self._writer.plain(name.encode(), reader.REGULAR, 0o644, size)
        self._writer.poured(source, size)

    def finish(self) -> None:
        """Write the end of the archive."""
        self._writer.finish()


def _write_change(writer: _Writer, root: int, change: Change) -> None:
    parent, _, name = change.path.strip(b"/").rpartition(b"/")
    if change.kind is ChangeKind.DELETED:
        writer.whiteout(parent + b"/" + whiteouts.PREFIX + name if parent else whiteouts.PREFIX + name)
        return
    try:
        directory = paths.open_in(root, os.fsdecode(parent) or ".", os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            writer.member(directory, name, change.path.strip(b"/"), status)
        finally:
            os.close(directory)
    except OSError as error:
        if error.errno not in _GONE:
            raise


class _Writer:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._pending = bytearray()
        self._total = 0
        self._links: dict[tuple[int, int], bytes] = {}

    def directory(self, fd: int, prefix: bytes) -> None:
        """Write what the open directory holds."""
        check_depth(prefix)
        for name, status in sorted(compare.statuses(fd).items()):
            try:
                self._whole(fd, name, prefix + name, status)
            except OSError as error:
                if error.errno not in _GONE:
                    raise

    def whole(self, fd: int, name: bytes, path: bytes) -> None:
        """Write one file of any type, a directory with all below it."""
        self._whole(fd, name, path, os.stat(name, dir_fd=fd, follow_symlinks=False))

    def _whole(self, fd: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        self.member(fd, name, path, status)
        if stat.S_ISDIR(status.st_mode):
            inner = os.open(name, _DIRECTORY, dir_fd=fd)
            try:
                self.directory(inner, path + b"/")
            finally:
                os.close(inner)

    def member(self, directory: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        """Write one file of any type, content included."""
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return  # a socket: only its maker can use it
        xattrs = _xattrs(f"/proc/self/fd/{directory}/{os.fsdecode(name)}")
        if status.st_nlink > 1 and kind != reader.DIRECTORY:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                # All of it again: whoever unpacks gives the file the owner that each entry has, and so takes its
                # capabilities away unless that entry has them.
                self._header(path, reader.HARDLINK, status, link=first, xattrs=xattrs)
                return
        if kind == reader.REGULAR:
            self._file(directory, name, path, xattrs)
        elif kind == reader.SYMLINK:
            self._header(path, kind, status, link=os.readlink(name, dir_fd=directory), xattrs=xattrs)
        else:
            self._header(path + b"/" if kind == reader.DIRECTORY else path, kind, status, xattrs=xattrs)

    def whiteout(self, path: bytes) -> None:
        """Write the mark of a deletion."""
        self.plain(path, reader.REGULAR, 0, 0)

    def plain(self, path: bytes, kind: bytes, mode: int, size: int) -> None:
        """Write the header of what has nothing but a mode and a size."""
        self._put(path, kind, mode, 0, 0, size, 0, b"", 0, {})

    def content(self, content: bytes) -> None:
        """Write a whole file's content after its header."""
        self._write(content + bytes(-len(content) % 512))

    def poured(self, source: BinaryIO, size: int) -> None:
        """Write a file's content after its header, from another file."""
        self._flush()
        copying.pour(source.fileno(), self._out, size)
        self._total += size
        self._write(bytes(-size % 512))

    def finish(self) -> None:
        """Write the end of the archive."""
        size = self._total + 1024
        self._write(bytes(1024 + -size % _RECORD))
        self._flush()

    def _file(self, directory: int, name: bytes, path: bytes, xattrs: dict[bytes, bytes]) -> None:
        fd = os.open(name, _FILE, dir_fd=directory)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return  # replaced meanwhile
            left = status.st_size
            self._header(path, reader.REGULAR, status, size=left, xattrs=xattrs)
            while left:
                piece = os.read(fd, min(left, _PIECE)) or bytes(min(left, _PIECE))  # shortened meanwhile
                self._write(piece)
                left -= len(piece)
            if padding := -status.st_size % 512:
                self._write(bytes(padding))
        finally:
            os.close(fd)

    def _header(
        self, path: bytes, kind: bytes, status: os.stat_result, *,
        link: bytes = b"", size: int = 0, xattrs: dict[bytes, bytes] | None = None,
    ) -> None:
        records = {b"SCHILY.xattr." + name: value for name, value in (xattrs or {}).items()}
        device = status.st_rdev if kind in _DEVICES else 0
        self._put(path, kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, size,
                  status.st_mtime_ns // 1_000_000_000, link, device, records)

    def _put(
        self, path: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, mtime: int,
        link: bytes, device: int, records: dict[bytes, bytes],
    ) -> None:
        prefix, name = _split(path)
        if name is None:
            records[b"path"], name = path, path[:100]
        if len(link) > 100:
            records[b"linkpath"] = link
        for keyword, value, largest in (
            (b"uid", uid, _LARGEST_ID), (b"gid", gid, _LARGEST_ID), (b"size", size, _LARGEST_SIZE),
        ):
            if value > largest:
                records[keyword] = b"%d" % value
        if not 0 <= mtime <= _LARGEST_SIZE:
            records[b"mtime"] = b"%d" % mtime
        if records:
            content = b"".join(_record(keyword, records[keyword]) for keyword in sorted(records))
            self._write(_block(b"PaxHeaders/" + path[-60:].strip(b"/"), b"x", 0o644, size=len(content)))
            self._write(content + bytes(-len(content) % 512))
        self._write(_block(name, kind, mode, uid if uid <= _LARGEST_ID else 0, gid if gid <= _LARGEST_ID else 0,
                           size if size <= _LARGEST_SIZE else 0,
                           mtime if 0 <= mtime <= _LARGEST_SIZE else 0, link[:100], device, prefix))

    def _write(self, content: bytes) -> None:
        self._total += len(content)
        if len(content) >= _PIECE // 2:
            self._flush()
            self._send(content)
            return
        self._pending += content
        if len(self._pending) >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._send(bytes(self._pending))
            self._pending.clear()

    def _send(self, content: bytes) -> None:
        view = memoryview(content)
        while view:  # an unbuffered file takes what it can
            view = view[self._out.write(view):]


def _split(path: bytes) -> tuple[bytes, bytes | None]:
    """Divide a path into ustar's prefix and name; the name is None when it does not fit."""
    if len(path) <= 100:
        return b"", path
    cut = path.rfind(b"/", 0, min(156, len(path) - 1))
    if cut > 0 and 0 < len(path) - cut - 1 <= 100:
        return path[:cut], path[cut + 1:]
    return b"", None


def _block(
    name: bytes, kind: bytes, mode: int, uid: int = 0, gid: int = 0, size: int = 0, mtime: int = 0,
    link: bytes = b"", device: int = 0, prefix: bytes = b"",
) -> bytes:
    major, minor = (os.major(device), os.minor(device)) if device else (0, 0)
    block = bytearray(_HEADER.pack(
        name, b"%07o" % mode, b"%07o" % uid, b"%07o" % gid, b"%011o" % size, b"%011o" % mtime, b" " * 8, kind, link,
        b"ustar\x0000", b"", b"", b"%07o" % major, b"%07o" % minor, prefix,
    ))
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


def _record(keyword: bytes, value: bytes) -> bytes:
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %s=%s\n" % (length, keyword, value)


def _xattrs(path: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    try:
        for name in os.listxattr(path, follow_symlinks=False):
            if not name.startswith(_KEPT_BACK):
                found[os.fsencode(name)] = os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return found  # none on this file system, or the file is gone
    return found
