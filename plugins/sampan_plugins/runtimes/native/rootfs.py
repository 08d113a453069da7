"""Assemble a container's view of the file system, and move into it.

All is mounted before pivot_root(2), at descriptors resolved inside the root file system, while the host's /proc is
still the one at hand: nothing the container's files say is believed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping

from sampan.errors import InvalidInput
from sampan.kernel import copying, libc, mount, paths
from sampan.kernel.cgroups.group import Group
from sampan.model.runtime_spec import Mount, Spec
from sampan_plugins.runtimes.native import devices, mappings
from sampan_plugins.runtimes.native.report import Progress

# What may be mounted below /proc besides procfs itself: files that lxcfs and the like replace.
_PROC_FILES = frozenset((
    "cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev",
    "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled",
))
# Options that are carried out here, and that the kernel does not know.
_OURS = mappings.WORDS | {"tmpcopyup"}


def assemble(spec: Spec, bundle: str, cgroup: Group, trees: Mapping[int, int], progress: Progress) -> int:
    """Mount everything the specification asks for. Returns the new root's descriptor.

    ``trees`` are descriptors of what some bind mounts, by their numbers, are made of.
    """
    assert spec.root is not None
    linux = spec.linux
    assert linux is not None
    progress.step = "preparing the root file system"
    path = os.path.normpath(os.path.join(bundle, spec.root.path))
    _detach_from_host(path, linux.rootfs_propagation)
    # A mount of its own, and nobody's peer: whatever is mounted in it shows nowhere else.
    mount.mount("", path, path, ("rbind", "rprivate"))
    root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for number, item in enumerate(spec.mounts):
        progress.step = f"mounting {item.destination}"
        _mount(root, path, bundle, item, cgroup, trees.get(number))
    own_dev = not any(_is_dev(item) for item in spec.mounts)
    if own_dev:
        progress.step = "making devices"
        devices.populate(root, linux.devices)
    if spec.process and spec.process.cwd:
        _make_directory(root, spec.process.cwd)
    progress.step = "masking paths"
    for masked in linux.masked_paths:
        _mask(root, masked)
    for fixed in linux.readonly_paths:
        _fix(root, fixed)
    if spec.root.readonly:
        progress.step = "making the root file system read-only"
        mount.make_readonly(root)
    return root


def _detach_from_host(path: str, propagation: str) -> None:
    """Keep the host from seeing what is mounted here; with shared propagation let it see what is in its own mounts."""
    if propagation not in ("shared", "rshared"):
        libc.mount(None, "/", None, mount.REC | mount.SLAVE)
        return
    # The mount that the root is on may not be shared (pivot_root(2)), whichever of the directories above it is at.
    while True:
        try:
            libc.mount(None, path, None, mount.PRIVATE)
            return
        except OSError as error:
            if error.errno != errno.EINVAL or path == "/":
                raise
        path = os.path.dirname(path)


def enter(root: int) -> None:
    """Make the tree the caller's root, and let go of the old one."""
    old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(root)
    # The old root ends up on top of the new one (pivot_root(2), "."), whence it is detached.
    libc.pivot_root(".", ".")
    os.fchdir(old)
    os.close(old)
    libc.mount(None, ".", None, mount.REC | mount.SLAVE)  # or the host would lose what is mounted in its shared mounts
    libc.umount2(".", mount.DETACH)
    os.chdir("/")


def propagate(word: str) -> None:
    """Let the caller's root propagate mounts as the word says; as it is, privately, without one."""
    if not word:
        return
    parsed = mount.parse((word,))
    if not parsed.propagation:
        raise InvalidInput(f"unknown mount propagation {word!r}")
    libc.mount(None, "/", None, parsed.propagation[0])


def _is_dev(item: Mount) -> bool:
    return os.path.normpath(item.destination) == "/dev" and ("bind" in item.options or "rbind" in item.options)


def _mount(root: int, top: str, bundle: str, item: Mount, group: Group, tree: int | None) -> None:
    if item.type in ("cgroup", "cgroup2"):
        _mount_cgroup(root, item, group)
        return
    bind = item.type == "bind" or "bind" in item.options or "rbind" in item.options
    source = os.path.join(bundle, item.source) if bind else item.source
    options = [word for word in item.options if word not in _OURS]
    if bind and "bind" not in options and "rbind" not in options:
        options.append("bind")
    hidden = _mode_of(root, item.destination) if item.type == "tmpfs" and not bind else None
    if hidden is not None and not any(word.startswith("mode=") for word in options):
        options.append(f"mode={hidden:o}")
    target = _target(root, item, source if bind else None)
    try:
        _check_proc(target, top, item, source if bind else None)
        if tree is not None:
            mount.place(tree, paths.name_of(target), options)
            os.close(tree)
        elif hidden is not None and "tmpcopyup" in item.options:
            _mount_filled(root, item, target, options)
        else:
            mount.mount(item.type, source, paths.name_of(target), options)
    finally:
        os.close(target)


def _mode_of(root: int, path: str) -> int | None:
    """Return the permissions of what is at a path, None where nothing is."""
    try:
        fd = paths.open_in(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return stat.S_IMODE(os.fstat(fd).st_mode)
    finally:
        os.close(fd)


def _mount_filled(root: int, item: Mount, target: int, options: list[str]) -> None:
    """Mount a tmpfs that begins with what is in the directory it hides."""
    mount.mount("tmpfs", item.source, paths.name_of(target), [word for word in options if word != "ro"])
    filled = paths.open_in(root, item.destination, os.O_PATH | os.O_DIRECTORY)
    try:
        copying.copy_tree(f"{paths.name_of(target)}/.", f"{paths.name_of(filled)}/.")
        if "ro" in options:
            mount.make_readonly(filled)
    finally:
        os.close(filled)


def _target(root: int, item: Mount, source: str | None) -> int:
    if source is None:
        return paths.make_directories(root, item.destination)
    try:
        directory = stat.S_ISDIR(os.stat(source).st_mode)
    except FileNotFoundError as error:
        raise InvalidInput(f"bind source path does not exist: {source}") from error
    return (paths.make_directories if directory else paths.make_file)(root, item.destination)


def _check_proc(target: int, tree: str, item: Mount, source: str | None) -> None:
    """Refuse to mount over /proc what is not procfs: the container would be lied to about itself (CVE-2019-19921)."""
    where = os.readlink(paths.name_of(target))
    inside = os.path.relpath(where, tree)
    if inside == "proc":
        real = os.path.isdir(f"{source}/self/task") if source else item.type == "proc"
        if not real:
            raise InvalidInput(f'"{item.destination}" cannot be mounted because it is not of type proc')
    elif inside.startswith("proc/") and inside.removeprefix("proc/") not in _PROC_FILES:
        raise InvalidInput(f'"{item.destination}" cannot be mounted because it is inside /proc')
    elif item.type in ("proc", "sysfs") and os.path.normpath(item.destination).strip("/") != inside:
        raise InvalidInput(f"{item.destination} must not be reached through a symbolic link")


def _mount_cgroup(root: int, item: Mount, group: Group) -> None:
    """Show the container its own groups, bound from the caller's mounts: the same in a cgroup namespace and outside."""
    options = [word for word in item.options if word in (
        "ro", "rw", "nosuid", "nodev", "noexec", "relatime", "noatime")]
    if "" in group.directories:
        _bind(root, item.destination, group.directories[""], options)
        return
    os.close(paths.make_directories(root, item.destination))
    spot = paths.open_in(root, item.destination, os.O_PATH | os.O_DIRECTORY)
    plain = [word for word in options if word not in ("ro", "rw")]
    mount.mount("tmpfs", "tmpfs", paths.name_of(spot), [*plain, "mode=755"])
    os.close(spot)
    for name, directory in group.directories.items():
        shown = name.removeprefix("name=")
        _bind(root, f"{item.destination}/{shown}", directory, options)
        for alias in shown.split(",") if "," in shown else ():
            top = paths.open_in(root, item.destination, os.O_PATH | os.O_DIRECTORY)
            os.symlink(shown, alias, dir_fd=top)
            os.close(top)
    if "ro" in options:
        top = paths.open_in(root, item.destination, os.O_PATH | os.O_DIRECTORY)
        mount.make_readonly(top)
        os.close(top)


def _bind(root: int, destination: str, source: str, options: list[str]) -> None:
    target = paths.make_directories(root, destination)
    try:
        mount.mount("", source, paths.name_of(target), ["bind", *options])
    finally:
        os.close(target)


def _make_directory(root: int, path: str) -> None:
    try:
        os.close(paths.make_directories(root, path))
    except OSError:
        return  # a file in the way, a read-only file system: told when the process changes to it


def _mask(root: int, path: str) -> None:
    """Hide a path: a directory under an empty one, a file under /dev/null. What is not there needs no hiding."""
    try:
        target = paths.open_in(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if stat.S_ISDIR(os.fstat(target).st_mode):
            mount.mount("tmpfs", "tmpfs", paths.name_of(target), ("ro",))
        else:
            null = devices.open_null(root)
            mount.mount("", paths.name_of(null), paths.name_of(target), ("bind",))
            os.close(null)
    finally:
        os.close(target)


def _fix(root: int, path: str) -> None:
    """Make a path read-only, by itself bound on itself."""
    try:
        target = paths.open_in(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        mount.mount("", paths.name_of(target), paths.name_of(target), ("rbind", "ro"))
    finally:
        os.close(target)

