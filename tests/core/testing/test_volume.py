"""The suite for volume drivers notices each of these mistakes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.core.testing.noticing import noticed

from sampan.kernel import mount
from sampan_plugins.volumes.local.driver import LocalVolumes


class Forgets(LocalVolumes):
    def __init__(self, root):
        shutil.rmtree(root, ignore_errors=True)
        super().__init__(root)


class EmptiesWhenMounted(LocalVolumes):
    def mount(self, name, user):
        where = super().mount(name, user)
        for path in Path(where).iterdir():
            path.unlink()
        return where


class HasOneForAll(LocalVolumes):
    def mount(self, name, user):
        super().mount(name, user)
        where = f"{self.where('shared')}-for-all"
        os.makedirs(where, exist_ok=True)
        return where


class MakesWhatIsMounted(LocalVolumes):
    def mount(self, name, user):
        self.create(name, {})
        return super().mount(name, user)


class TakesAnyName(LocalVolumes):
    def create(self, name, options):
        os.makedirs(os.path.join(self._root, name), exist_ok=True)


class TakesAnyOption(LocalVolumes):
    def create(self, name, options):
        super().create(name, {})


class RefusesToRemoveTwice(LocalVolumes):
    def remove(self, name):
        os.stat(self.where(name))
        super().remove(name)


class LeaksMounts(LocalVolumes):
    def mount(self, name, user):
        where = super().mount(name, user)
        mount.mount("bind", where, where, ["bind"])
        return where

    def remove(self, name):
        pass


class ShowsWhatIsRemoved(LocalVolumes):
    def walk(self):
        return iter({*super().walk(), "data"})


@pytest.mark.parametrize(("driver", "test"), [
    (Forgets, "test_volumes_outlive_the_driver"), (EmptiesWhenMounted, "test_content_outlives_its_users"),
    (HasOneForAll, "test_volumes_are_apart"),
    (MakesWhatIsMounted, "test_what_is_not_there_cannot_be_mounted"), (TakesAnyName, "test_no_name_leads_elsewhere"),
    (TakesAnyOption, "test_unknown_options_are_refused"),
    (RefusesToRemoveTwice, "test_making_and_removing_twice_is_harmless"),
    (LeaksMounts, "test_content_outlives_its_users"),
    (ShowsWhatIsRemoved, "test_a_volume_is_made_listed_and_removed"), (Forgets, "test_killed_in_the_middle"),
])  # fmt: skip
def test_mistakes_are_noticed(driver: type, test: str, tmp_path: Path) -> None:
    assert noticed("Volume", driver, test, tmp_path) == {test}
