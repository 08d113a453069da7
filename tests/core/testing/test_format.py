"""The suite for formats of root file systems notices each of these mistakes; of images: see the archives' tests."""

from __future__ import annotations

import io
import os
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.core.testing.noticing import noticed

from sampan_plugins.formats.rootfs_tar.driver import RootfsTar


class Rewrites(RootfsTar):
    """Changes each member of what a right one writes."""

    def write(self, rootfs, out):
        whole = io.BytesIO()
        super().write(rootfs, whole)
        whole.seek(0)
        pax = tarfile.PAX_FORMAT
        with tarfile.open(fileobj=whole) as right, tarfile.open(fileobj=out, mode="w|", format=pax) as tar:
            for member in right:
                content = right.extractfile(member) if member.isreg() else None
                if changed := self.change(member):
                    tar.addfile(changed, content)

    def change(self, member):
        return member


class Dates(Rewrites):
    def change(self, member):
        member.mtime = time.time_ns() % 10**9
        return member


class Climbs(Rewrites):
    def change(self, member):
        member.name = f"../{member.name}" if member.isfifo() else member.name
        return member


class LosesAttributes(Rewrites):
    def change(self, member):
        member.pax_headers = {}
        return member


class LosesLinks(Rewrites):
    def change(self, member):
        return None if member.issym() else member


class LosesOwners(Rewrites):
    def change(self, member):
        member.uid = member.gid = 0
        return member


class RecognizesAnything(RootfsTar):
    def recognizes(self, head):
        return True


class RecognizesNothing(RootfsTar):
    def recognizes(self, head):
        return False


class HidesBreaks(RootfsTar):
    @contextmanager
    def read(self, source):
        yield io.BytesIO()


class EmptiesFiles(RootfsTar):
    def write(self, rootfs, out):
        for path in Path(rootfs).rglob("long*"):
            os.truncate(path, 0)
        super().write(rootfs, out)


@pytest.mark.parametrize(("form", "test"), [
    (Dates, "test_a_tree_is_written_alike_each_time"), (Climbs, "test_names_stay_inside"),
    (LosesAttributes, "test_tree_survives"), (LosesLinks, "test_tree_survives"), (LosesOwners, "test_tree_survives"),
    (RecognizesAnything, "test_recognizes_nothing_else"), (RecognizesNothing, "test_recognizes_what_it_writes"),
    (HidesBreaks, "test_a_broken_file_is_noticed"), (EmptiesFiles, "test_content_survives"),
])  # fmt: skip
def test_mistakes_are_noticed(form: type, test: str, tmp_path: Path) -> None:
    assert noticed("Rootfs", form, test, tmp_path) == {test}
