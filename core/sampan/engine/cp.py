"""Copy files between a container and the file system of the caller, by Docker's rules.

Nothing of the container is trusted (CVE-2018-15664, CVE-2019-14271): its tree is entered by descriptor alone, links in
it are resolved as if its root were / (openat2(2)), and nothing in it is executed or loaded. What the container has
mounted is part of it.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from sampan.engine import events, tree
from sampan.errors import Conflict, Denied, InvalidInput, NotFound, SampanError
from sampan.kernel import mount, paths
from sampan.model.container import RUNNING, Container

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LINKS = 40


def copy_out(engine: Engine, text: str, path: str, target: str | BinaryIO, *, follow: bool) -> int:
    """Copy from a container to a path of the caller's, or as an archive; see Engine.copy_out."""
    container = engine.container(text)
    if isinstance(target, str):
        _check_parent(target)
    with ExitStack() as stack:
        root = stack.enter_context(_opened(engine, container))
        try:
            source = stack.enter_context(_Tree(root).find(path, follow))
        except _NothingThere:
            raise NotFound(f"Could not find the file {path} in container {text}") from None
        if not source.exists:
            raise NotFound(f"Could not find the file {path} in container {text}")
        events.container(engine, container, "archive-path")
        with _translated(source):
            if not isinstance(target, str):
                return _write(source, source.base, target)
            here = stack.enter_context(_directory("/"))
            goal = stack.enter_context(_Tree(here).find(_absolute(target), follow=True))
            return _carry(source, goal, here, (os.geteuid(), os.getegid()))


def copy_in(engine: Engine, text: str, path: str, source: str | BinaryIO, *, follow: bool) -> int:
    """Copy a path of the caller's, or an archive, to a container; see Engine.copy_in."""
    container = engine.container(text)
    with ExitStack() as stack:
        found = stack.enter_context(_own(source, follow)) if isinstance(source, str) else source
        root = stack.enter_context(_opened(engine, container))
        try:
            goal = stack.enter_context(_Tree(root).find(path, follow=True))
        except _NothingThere as error:
            raise NotFound(f"Could not find the file {error} in container {text}") from None
        if not isinstance(found, _Place) and not goal.is_directory:
            raise InvalidInput(f'destination "{text}:{path}" must be a directory')
        _check_writable(container, root, goal)
        with _translated(goal):
            count = _carry(found, goal, root, None) if isinstance(found, _Place) else _extract(found, root, goal.path)
    events.container(engine, container, "extract-to-dir")
    return count


@contextmanager
def _own(path: str, follow: bool) -> Iterator[_Place]:
    """Find what the caller wants to copy."""
    where = _absolute(path)
    with ExitStack() as stack:
        try:
            place = stack.enter_context(_Tree(stack.enter_context(_directory("/"))).find(where, follow))
        except _NothingThere:
            place = None
        if place is None or not place.exists:
            raise NotFound(f"lstat {where}: no such file or directory")
        yield place


@contextmanager
def _directory(path: str) -> Iterator[int]:
    descriptor = os.open(path, _ROOT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _translated(place: _Place) -> Iterator[None]:
    """Turn what the system says into our errors."""
    try:
        yield
    except OSError as error:
        raise SampanError(f"cannot copy {place.path}: {(error.strerror or '').lower()}") from error


# -- the container's tree ---------------------------------------------------------------------------


@contextmanager
def _opened(engine: Engine, container: Container) -> Iterator[int]:
    """Open the root of a container's tree with all that is mounted there: of one that runs as its processes see it.

    Of one that does not run it has volumes and bind mounts too.
    """
    with ExitStack() as stack:
        now = stack.enter_context(tree.settled(engine, container))
        if now.status not in RUNNING:
            from sampan.engine import volume_loan

            lent = stack.enter_context(volume_loan.lent(engine, now))
            yield stack.enter_context(_directory(stack.enter_context(tree.mounted(engine, now, lent))))
            return
        root = stack.enter_context(_directory(f"/proc/{now.pid}/root"))
        if now.pid not in engine.runtime(now.runtime).pids(now.id):
            raise Conflict(f"container {now.name} has just ended", "try again")
        yield root


def _check_writable(container: Container, root: int, goal: _Place) -> None:
    """Raise Denied, as Docker does, for what is on a file system that the container may not write to."""
    where = goal.path if goal.is_directory else goal.directory
    directory = paths.open_in(root, where, os.O_PATH | os.O_DIRECTORY)
    try:
        own = mount.mount_of(directory) == mount.mount_of(root)
        if os.fstatvfs(directory).f_flag & os.ST_RDONLY or (own and container.spec.read_only):
            raise Denied(f"{'container rootfs' if own else 'mounted volume'} is marked read-only")
    finally:
        os.close(directory)


# -- places in a tree -------------------------------------------------------------------------------


class _Place:
    """A path in a tree, whether or not there is something.

    ``parent`` is open at the directory, ``name`` the name there; ``base`` what the place is called by whoever asked, a
    dot where its content is meant.
    """

    def __init__(self, parent: int, path: str, base: str, must_be_directory: bool) -> None:
        self.parent = parent
        self.path = path
        self.directory, self.name = posixpath.dirname(path), posixpath.basename(path) or "."
        self.base = base
        self.must_be_directory = must_be_directory
        try:
            mode = os.stat(self.name, dir_fd=parent, follow_symlinks=False).st_mode
        except FileNotFoundError:
            mode = 0
        self.is_directory = stat.S_ISDIR(mode)
        self.exists = bool(mode) and (self.is_directory or not must_be_directory)
        self.is_other = bool(mode) and not self.exists


class _Tree:
    """A tree by the descriptor of its root."""

    def __init__(self, root: int) -> None:
        self._root = root

    @contextmanager
    def find(self, path: str, follow: bool) -> Iterator[_Place]:
        """Find a path; a link at its end is followed if so asked, or if a slash after it says it is a directory."""
        clean = posixpath.normpath(f"/{path}").replace("//", "/")
        content = path.endswith("/.") or path in (".", "/") or clean == "/"
        must = content or path.endswith("/")
        base = "." if content else posixpath.basename(clean)
        place = self._place(clean, base, must)
        for _ in range(_MOST_LINKS if follow or must else 0):
            target = _link(place)
            if target is None:
                break
            os.close(place.parent)
            place = self._place(posixpath.normpath(posixpath.join(place.directory, target)), base, must)
        try:
            if place.is_other and not follow:
                raise InvalidInput("not a directory")
            yield place
        finally:
            os.close(place.parent)

    def _place(self, path: str, base: str, must: bool) -> _Place:
        parent = posixpath.dirname(path)
        try:
            descriptor = paths.open_in(self._root, parent, _ROOT)
        except NotADirectoryError:
            raise InvalidInput(f"{parent} is not a directory") from None
        except FileNotFoundError:
            raise _NothingThere(parent) from None
        try:
            return _Place(descriptor, path, base, must)
        except BaseException:
            os.close(descriptor)
            raise


class _NothingThere(Exception):
    """The directory that a place would be in does not exist."""


def _link(place: _Place) -> str | None:
    try:
        return os.readlink(place.name, dir_fd=place.parent)
    except OSError:
        return None


def _absolute(path: str) -> str:
    """Return a path of the caller's as an absolute one that keeps what its end says."""
    end = "/." if path == "." or path.endswith("/.") else "/" if path.endswith("/") else ""
    return os.path.abspath(path) + end


def _check_parent(target: str) -> None:
    directory = os.path.dirname(os.path.abspath(target))
    if not os.path.exists(directory):
        raise InvalidInput(f'invalid output path: directory "{directory}" does not exist')


# -- from one to the other --------------------------------------------------------------------------


def _carry(source: _Place, goal: _Place, root: int, owner: tuple[int, int] | None) -> int:
    """Copy to the goal, in the tree at ``root``: into it if it is a directory, else in its place."""
    if goal.is_directory:
        return _piped(source, source.base, root, goal.path, owner)
    if goal.exists and source.is_directory:
        raise InvalidInput("cannot copy directory")
    if goal.must_be_directory and not source.is_directory:
        raise InvalidInput("no such directory")
    return _piped(source, goal.name, root, goal.directory, owner)


def _piped(source: _Place, shown: str, root: int, where: str, owner: tuple[int, int] | None) -> int:
    """Write the one as an archive, which a thread does, and extract it in the other."""
    import threading

    reader, writer = os.pipe2(os.O_CLOEXEC)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with open(writer, "wb", buffering=0) as out:
                _write(source, shown, out)
        except BrokenPipeError:
            pass  # the other side tells why
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with open(reader, "rb", buffering=0) as archive:
            count = _extract(archive, root, where, owner)
    except SampanError:
        thread.join()
        if failures:
            raise failures[0] from None
        raise
    thread.join()
    if failures:
        raise failures[0]
    return count


def _write(source: _Place, shown: str, out: BinaryIO) -> int:
    from sampan.layers import writer

    counted = _Counted(out.write)
    writer.write_one(source.parent, source.name, shown, counted)  # type: ignore[arg-type]  # it only writes
    return counted.total


class _Counted:
    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self.total = 0

    def write(self, content: bytes) -> int:
        taken = self._write(content)
        self.total += taken
        return taken


def _extract(archive: BinaryIO, root: int, where: str, owner: tuple[int, int] | None = None) -> int:
    from sampan.layers import compression, transfer

    with compression.open_stream(archive) as stream:
        return transfer.arrive(stream, root, where, owner)
