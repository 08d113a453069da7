"""The smallest driver there can be passes the whole suite, served by sampan.naive."""

import os
import re

import pytest

from sampan.contracts.storage import Kind, Snapshot, StorageDriver
from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from sampan.kernel.copying import copy_tree
from sampan.layers.removal import remove_tree
from sampan.model.mount import Mount
from sampan.testing.storage import StorageDriverSuite


class MinimalDriver(StorageDriver):
    """A directory per snapshot, ``KIND@KEY@PARENT``; content is made in ``new@KEY`` and appears by being renamed."""

    def __init__(self, root):
        self.root = root

    def prepare(self, key, parent):
        if not re.fullmatch(r"[\w.:-]{1,128}", key, re.ASCII) or key == "..":
            raise InvalidInput(f"not a key: {key}")
        if any(s.key == key for s in self.walk()):
            raise AlreadyExists(key)
        if parent is not None and self.stat(parent).kind is not Kind.COMMITTED:
            raise NotFound(parent)
        new = f"{self.root}/new@{key}"
        remove_tree(new)
        os.mkdir(new)
        if parent is not None:
            copy_tree(self._path(self.stat(parent)), new)
        os.rename(new, f"{self.root}/active@{key}@{parent or ''}")

    def mounts(self, key):
        return [Mount("bind", self._path(self.stat(key)), ("rbind",))]

    def commit(self, key, name):
        snapshot = self.stat(key)
        if snapshot.kind is not Kind.ACTIVE:
            raise NotFound(key)
        if any(s.key == name for s in self.walk()):
            raise AlreadyExists(name)
        try:
            os.rename(self._path(snapshot), f"{self.root}/committed@{name}@{snapshot.parent or ''}")
        except OSError as error:  # another process was faster
            raise AlreadyExists(name) from error

    def remove(self, key):
        if any(s.parent == key for s in self.walk()):
            raise Conflict(key)
        gone = f"{self.root}/new@{key}"
        remove_tree(gone)
        for snapshot in [s for s in self.walk() if s.key == key]:
            os.rename(self._path(snapshot), gone)
            remove_tree(gone)

    def walk(self):
        for name in os.listdir(self.root):
            kind, key, *parent = name.split("@")
            if kind != "new":
                yield Snapshot(key, Kind(kind), parent[0] or None)

    def _path(self, snapshot):
        return f"{self.root}/{snapshot.kind}@{snapshot.key}@{snapshot.parent or ''}"


class TestMinimal(StorageDriverSuite):
    @pytest.fixture
    def make(self):
        return MinimalDriver
