"""The suite for storage drivers notices each of these mistakes."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest
from tests.core.testing.noticing import noticed

from sampan import naive
from sampan.contracts.storage import Kind, Snapshot
from sampan.kernel import mount
from sampan.model.mount import Mount
from sampan_plugins.storage.vfs.driver import VfsDriver


class LosesWhiteouts(VfsDriver):
    def apply(self, key, layer):
        with naive.mounted(self.mounts(key)) as top, tarfile.open(fileobj=layer, mode="r|") as tar:
            for member in tar:
                if not os.path.basename(member.name).startswith(".wh."):
                    tar.extract(member, top, filter="fully_trusted")
        return 0


class LosesOwners(VfsDriver):
    def apply(self, key, layer):
        with naive.mounted(self.mounts(key)) as top, tarfile.open(fileobj=layer) as tar:
            tar.extractall(top, filter="data", members=[member for member in tar if member.isfile() or member.isdir()])
        return 0


class DoesNotIsolate(VfsDriver):
    def mounts(self, key):
        return [Mount("bind", m.source, ("rbind", "rw")) for m in super().mounts(self.stat(key).parent or key)]


class WritesToCommitted(VfsDriver):
    def prepare(self, key, parent):
        super().prepare(key, parent)
        if parent:
            (origin,), (copy,) = self.mounts(parent), self.mounts(key)
            shutil.rmtree(copy.source)
            os.symlink(origin.source, copy.source)


class LeaksMounts(VfsDriver):
    def commit(self, key, name):
        (tree,) = self.mounts(key)
        mount.mount("bind", tree.source, tree.source, ["bind"])
        super().commit(key, name)


class IsNotCrashSafe(VfsDriver):
    def remove(self, key):
        if any(snapshot.key == key for snapshot in self.walk()):
            for tree in self.mounts(key):
                for name in os.listdir(tree.source):
                    shutil.rmtree(f"{tree.source}/{name}")
                    time.sleep(0.001)
        super().remove(key)


class ReturnsPaths(VfsDriver):
    def mounts(self, key):
        return [mounted.source for mounted in super().mounts(key)]


class WalksKeys(VfsDriver):
    def walk(self):
        return iter([snapshot.key for snapshot in super().walk()])


class Overwrites(VfsDriver):
    def prepare(self, key, parent):
        super().remove(key)
        super().prepare(key, parent)


class ForgetsParents(VfsDriver):
    def walk(self):
        return iter([Snapshot(snapshot.key, snapshot.kind) for snapshot in super().walk()])

    def stat(self, key):
        return Snapshot(key, super().stat(key).kind)


class CommitsTwice(VfsDriver):
    def commit(self, key, name):
        if self.stat(key).kind is Kind.ACTIVE:
            super().commit(key, name)


class TakesAnyKey(VfsDriver):
    def prepare(self, key, parent):
        super().prepare("".join(one for one in key if one.isalnum())[:100] or "empty", parent)


class IgnoresBreaks(VfsDriver):
    def apply(self, key, layer):
        try:
            with naive.mounted(self.mounts(key)) as top, tarfile.open(fileobj=io.BytesIO(layer.read())) as tar:
                tar.extractall(top, filter="fully_trusted")
        except tarfile.TarError:
            pass
        return 0


@pytest.mark.parametrize(("driver", "test"), [
    (LosesWhiteouts, "test_deletions"), (LosesOwners, "test_every_kind_of_file"),
    (DoesNotIsolate, "test_siblings_do_not_see_each_other"), (WritesToCommitted, "test_a_child_starts_as_its_parent"),
    (LeaksMounts, "test_what_is_written_survives_commit"), (IsNotCrashSafe, "test_killed_in_the_middle"),
    (ReturnsPaths, "test_what_is_written_survives_commit"), (WalksKeys, "test_tells_what_there_is"),
    (Overwrites, "test_taken_keys"), (ForgetsParents, "test_tells_what_there_is"), (CommitsTwice, "test_unknown_keys"),
    (TakesAnyKey, "test_what_is_no_key"), (IgnoresBreaks, "test_a_hostile_layer"),
])  # fmt: skip
def test_mistakes_are_noticed(driver: type[VfsDriver], test: str, tmp_path: Path) -> None:
    chosen = "test_killed_in_the_middle and remove" if "killed" in test else test
    assert noticed("Storage", driver, chosen, tmp_path) == {test}


def test_a_right_one_passes(tmp_path: Path) -> None:
    assert noticed("Storage", VfsDriver, "keys or deletions or killed_in_the_middle", tmp_path) == set()
