"""Mount a snapshot where nobody else sees it, and for no longer than this process lives."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from sampan.model.mount import Mount


@contextmanager
def mounted(
    mounts: Sequence[Mount], workdir: str = "/sys", *, bound: Mapping[str, int] | None = None, read_only: bool = False
) -> Iterator[str]:
    """Assemble ``mounts`` and give the path of the tree's root, good in this process and those it forks.

    A bind mount of a whole directory is the directory itself, without a mount. Anything else is mounted over
    ``workdir``, any directory that no mount's source lies below, in a mount namespace of its own that belongs to
    a thread: it ends with the thread, so nothing is left behind even by SIGKILL. ``bound`` has detached mounts
    (``kernel.mount.clone``) to attach in the tree, in order, by their targets, which are made where missing. A
    ``read_only`` tree need not be written back when it is unmounted. Raises OSError, Unsupported.
    """
    if not bound and len(mounts) == 1 and not mounts[0].target and {"bind", "rbind"} & set(mounts[0].options):
        yield mounts[0].source
        return
    if read_only:
        mounts = [msgspec.structs.replace(mount, options=("ro", *mount.options)) for mount in mounts]
    holder = _Holder(mounts, workdir, bound or {})
    root = holder.open()
    try:
        yield f"/proc/{os.getpid()}/fd/{root}/."
    finally:
        os.close(root)
        holder.close()


class _Holder:
    """A thread that is in a mount namespace of its own, with the mounts, until told to end."""

    def __init__(self, mounts: Sequence[Mount], workdir: str, bound: Mapping[str, int]) -> None:
        import threading

        self._mounts, self._workdir, self._bound = mounts, workdir, bound
        self._root = -1
        self._failure: BaseException | None = None
        self._ready, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> int:
        """Return a descriptor of the tree's root."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self._root

    def close(self) -> None:
        """End the thread, and with it the namespace."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        from sampan.kernel import libc, mount, namespaces

        try:
            namespaces.create(namespaces.flag("mount"))  # of this thread alone (unshare(2))
            libc.mount(None, "/", None, mount.REC | mount.PRIVATE)
            mount.mount_all(self._mounts, self._workdir)
            self._root = os.open(self._workdir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            for target, tree in self._bound.items():
                _bind(self._root, target, tree)
        except BaseException as error:
            self._failure = error
            self._ready.set()
            return
        self._ready.set()
        self._done.wait()
        mount.unmount(self._workdir)


def _bind(root: int, target: str, tree: int) -> None:
    from sampan.kernel import mount, paths

    make = paths.make_directories if stat.S_ISDIR(os.fstat(tree).st_mode) else paths.make_file
    spot = make(root, target)
    try:
        mount.attach(tree, paths.name_of(spot))
    finally:
        os.close(spot)
