"""The bundled format of root file systems keeps the contract, and formats that break it are caught."""

import pytest

from sampan.testing.format import RootfsFormatSuite
from sampan_plugins.formats.rootfs_tar.driver import RootfsTar


class TestRootfsTar(RootfsFormatSuite):
    @pytest.fixture
    def form(self):
        return RootfsTar()


class TakesAnything(RootfsTar):
    def recognizes(self, head):
        return True


class KnowsNothing(RootfsTar):
    def recognizes(self, head):
        return False


class Pads(RootfsTar):
    def read(self, source):
        import contextlib
        import io

        return contextlib.nullcontext(io.BytesIO(source.read() + bytes(1 << 20)))


class FollowsLinks(RootfsTar):
    def write(self, rootfs, out):
        import tarfile

        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(rootfs, ".", filter=lambda member: None if member.issym() else member)


class Forgets(RootfsTar):
    def write(self, rootfs, out):
        import tarfile

        def plain(member):
            member.uid = member.gid = 0
            return member

        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(rootfs, ".", filter=plain)


@pytest.mark.parametrize(
    ("form", "test"),
    [(KnowsNothing, "test_recognizes_what_it_writes"), (Pads, "test_a_broken_file_is_noticed"),
     (FollowsLinks, "test_tree_survives"), (Forgets, "test_tree_survives")],
)
def test_the_suite_catches(form, test, tmp_path):
    suite = TestRootfsTar()
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        getattr(suite, test)(form(), tree=RootfsFormatSuite.tree.__wrapped__(suite, tmp_path))


def test_the_suite_catches_one_that_takes_anything():
    with pytest.raises(AssertionError):
        TestRootfsTar().test_recognizes_nothing_else(TakesAnything(), b"PK\3\4")
