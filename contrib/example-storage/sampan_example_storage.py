"""Keep each snapshot as a directory, and start it as a copy of its parent with cp(1)."""

import os
import shutil
import subprocess

from sampan import hookimpl
from sampan.contracts.storage import Kind, Snapshot, StorageDriver
from sampan.errors import AlreadyExists, Conflict, NotFound
from sampan.model.mount import Mount


class Copies(StorageDriver):
    """Directories named KIND,KEY,PARENT: renaming one is all it takes to change a snapshot, so every change is atomic."""

    def __init__(self, root: str) -> None:
        self.root = root
        os.makedirs(f"{root}/making", exist_ok=True)

    def prepare(self, key, parent):
        if key in (known := {snapshot.key: snapshot for snapshot in self.walk()}):
            raise AlreadyExists(f"snapshot {key} exists")
        if parent and (parent not in known or known[parent].kind is Kind.ACTIVE):
            raise NotFound(f"no committed snapshot {parent}")
        draft = f"{self.root}/making/{key}"
        shutil.rmtree(draft, ignore_errors=True)
        os.mkdir(draft)
        if parent:
            subprocess.run(["cp", "-a", f"{self._path(parent)}/.", draft], check=True)
        os.rename(draft, f"{self.root}/active,{key},{parent or ''}")

    def mounts(self, key):
        access = ("ro",) if self.stat(key).kind is Kind.COMMITTED else ()
        return [Mount("bind", self._path(key), ("bind", *access))]

    def commit(self, key, name):
        snapshot = self.stat(key)
        if snapshot.kind is Kind.COMMITTED:
            raise NotFound(f"no active snapshot {key}")
        if any(other.key == name for other in self.walk()):
            raise AlreadyExists(f"snapshot {name} exists")
        os.rename(self._path(key), f"{self.root}/committed,{name},{snapshot.parent or ''}")

    def remove(self, key):
        shutil.rmtree(f"{self.root}/making/{key}", ignore_errors=True)
        if any(snapshot.parent == key for snapshot in self.walk()):
            raise Conflict(f"snapshot {key} has children")
        if any(snapshot.key == key for snapshot in self.walk()):
            os.rename(self._path(key), f"{self.root}/making/{key}")
            shutil.rmtree(f"{self.root}/making/{key}")

    def walk(self):
        for name in os.listdir(self.root):
            if name != "making":
                kind, key, parent = name.split(",")
                yield Snapshot(key, Kind(kind), parent or None)

    def _path(self, key):
        snapshot = self.stat(key)
        return f"{self.root}/{snapshot.kind},{key},{snapshot.parent or ''}"


@hookimpl
def sampan_open_storage(name, root, options):
    return Copies(root)
