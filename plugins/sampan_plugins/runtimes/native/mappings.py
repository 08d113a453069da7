"""Map ids: those of a container's user namespace, and those that files of a bind mount are shown with."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from sampan.errors import InvalidInput, Unsupported
from sampan.kernel import mount, namespaces
from sampan.model.runtime_spec import IDMapping, Linux, Mount, Spec
from sampan_plugins.runtimes.native import child
from sampan_plugins.runtimes.native.descriptors import Descriptors

WORDS = frozenset(("idmap", "ridmap"))
"""The options that ask for a mount with mapped ids."""


def write(pid: int, uids: Sequence[IDMapping], gids: Sequence[IDMapping]) -> None:
    """Map the ids of a process's new user namespace; without mappings as they are. Raises InvalidInput."""
    for name, mappings in (("uid_map", uids), ("gid_map", gids)):
        text = "".join(f"{item.container_id} {item.host_id} {item.size}\n" for item in mappings or _identity())
        try:
            with open(f"/proc/{pid}/{name}", "wb", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            raise InvalidInput(f"cannot map ids of the user namespace: {error.strerror}") from error


def _identity() -> list[IDMapping]:
    return [IDMapping(container_id=0, host_id=0, size=2**32 - 1)]


def clone_mapped(spec: Spec, bundle: str, held: Descriptors) -> dict[int, int]:
    """Return clones of what is to be bound with other ids, by the numbers of the mounts, attached nowhere yet.

    It is for whoever has the rights of the file system's own user namespace, which a container may lack.
    """
    assert spec.linux is not None
    return {
        number: held.add(_clone(item, bundle, spec.linux))
        for number, item in enumerate(spec.mounts) if item.uid_mappings or item.gid_mappings or WORDS & {*item.options}
    }


def _clone(item: Mount, bundle: str, linux: Linux) -> int:
    uids, gids = item.uid_mappings or linux.uid_mappings, item.gid_mappings or linux.gid_mappings
    if not {"bind", "rbind"} & {*item.options} and item.type != "bind":
        raise InvalidInput(f"{item.destination} asks for mapped ids and is no bind mount")
    if not uids or not gids:
        raise InvalidInput(f"{item.destination} asks for mapped ids and has no mappings")
    recursive = "ridmap" in item.options
    source = os.path.join(bundle, item.source)
    try:
        tree = mount.clone(source, recursive="rbind" in item.options)
    except FileNotFoundError as error:
        raise InvalidInput(f"bind source path does not exist: {source}") from error
    try:
        users = _user_namespace(uids, gids)
        try:
            mount.set_attributes(tree, add=mount.IDMAP, users=users, recursive=recursive)
        except OSError as error:
            raise Unsupported(f"the file system of {source} does not show other ids: {error.strerror}") from error
        finally:
            os.close(users)
    except BaseException:
        os.close(tree)
        raise
    return tree


def _user_namespace(uids: Sequence[IDMapping], gids: Sequence[IDMapping]) -> int:
    """Return a descriptor of a new user namespace with these mappings and nobody in it."""
    ready, tell = os.pipe()
    with child.signals_blocked():
        pid = os.fork()
        if pid == 0:
            try:
                namespaces.create(namespaces.flag("user"))
                os.write(tell, b"u")
                signal.sigwait({signal.SIGTERM})
            finally:
                os._exit(1)
    os.close(tell)
    try:
        if os.read(ready, 1) != b"u":
            raise Unsupported("cannot make a user namespace for mapped ids")
        write(pid, uids, gids)
        return os.open(namespaces.path("user", pid), os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
