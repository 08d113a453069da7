"""Keep each snapshot as a directory named KIND,KEY,PARENT, which starts as a copy of its parent.

Every change of state is one rename, so that a killed one leaves the old state or a draft nobody lists.
"""

import os

from sampan import hookimpl
from sampan.contracts.storage import Kind, Snapshot, StorageDriver, check_key
from sampan.errors import AlreadyExists, Conflict, NotFound
from sampan.kernel.copying import copy_tree
from sampan.layers.removal import remove_tree
from sampan.model.mount import Mount


class Copies(StorageDriver):
    def __init__(self, root):
        self.root = root
        os.makedirs(f"{root}/draft", exist_ok=True)

    def prepare(self, key, parent):
        self._refuse(check_key(key))
        if parent and self.stat(parent).kind is Kind.ACTIVE:
            raise NotFound(f"snapshot {parent} is not committed")
        self.remove(key)  # a draft left by somebody killed
        os.mkdir(f"{self.root}/draft/{key}", 0o755)
        if parent:
            copy_tree(self._path(self.stat(parent)), f"{self.root}/draft/{key}")
        os.rename(f"{self.root}/draft/{key}", self._path(Snapshot(key, Kind.ACTIVE, parent)))

    def mounts(self, key):
        snapshot = self.stat(key)
        return [Mount("bind", self._path(snapshot), ("bind", "ro" if snapshot.kind is Kind.COMMITTED else "rw"))]

    def commit(self, key, name):
        snapshot = self.stat(key)
        if snapshot.kind is Kind.COMMITTED:
            raise NotFound(f"snapshot {key} is not active")
        self._refuse(name)
        try:
            os.rename(self._path(snapshot), self._path(Snapshot(name, Kind.COMMITTED, snapshot.parent)))
        except OSError as error:
            raise AlreadyExists(f"snapshot {name} exists") from error  # another process was faster

    def remove(self, key):
        if any(snapshot.parent == key for snapshot in self.walk()):
            raise Conflict(f"snapshot {key} has children")
        remove_tree(f"{self.root}/draft/{key}")
        for snapshot in [snapshot for snapshot in self.walk() if snapshot.key == key]:
            os.rename(self._path(snapshot), f"{self.root}/draft/{key}")
            remove_tree(f"{self.root}/draft/{key}")

    def walk(self):
        for kind, key, parent in (name.split(",") for name in os.listdir(self.root) if name != "draft"):
            yield Snapshot(key, Kind(kind), parent or None)

    def _path(self, snapshot):
        return f"{self.root}/{snapshot.kind},{snapshot.key},{snapshot.parent or ''}"

    def _refuse(self, key):
        if any(snapshot.key == key for snapshot in self.walk()):
            raise AlreadyExists(f"snapshot {key} exists")


@hookimpl
def sampan_open_storage(root):
    """Open the driver on its own directory."""
    return Copies(root)
