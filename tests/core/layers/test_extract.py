"""Extraction: as GNU tar does it for what is honest, and confined for what is not."""

import io
import os
import random
import stat
import subprocess
import tarfile

import pytest

from sampan.errors import Corrupt, Denied, OutOfSpace, SampanError
from sampan.layers import extract, removal, whiteouts
from sampan.testing.storage import Archive, names, read


@pytest.fixture
def jail(tmp_path):
    """Give a directory to extract into; what is beside it must stay as it is."""
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "dir").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    yield str(root)
    assert sorted(os.listdir(tmp_path)) == ["dir", "outside", "root"]
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (tmp_path / "outside").stat().st_nlink == 1
    assert os.listdir(tmp_path / "dir") == []
    removal.remove_tree(str(root))  # deeper than pytest's own clean-up can go


@pytest.fixture(params=[whiteouts.Remove, whiteouts.Overlay])
def policy(request):
    return request.param()


def link(archive, name, target, kind=tarfile.SYMTYPE):
    return archive.add(name, kind=kind, link=target)


@pytest.mark.parametrize("form", ["gnu", "pax", "posix"])
def test_as_gnu_tar_does(sample, described, tmp_path, form):
    flags = {"gnu": [], "pax": ["--xattrs", "--xattrs-include=*"], "posix": ["--pax-option=delete=mtime"]}[form]
    kind = "gnu" if form == "gnu" else "pax"
    archive = tmp_path / "a.tar"
    pack = ["tar", "-C", sample, f"--format={kind}", *flags, "--numeric-owner", "-cf", archive, "."]
    subprocess.run(pack, check=True)
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    flags = flags if form == "pax" else []
    subprocess.run(["tar", "-C", tmp_path / "theirs", *flags, "--numeric-owner", "-pxf", archive], check=True)
    with open(archive, "rb") as stream:
        size = extract.extract(stream, str(tmp_path / "ours"), whiteouts.Remove())
    assert size == 700_001 + 512 + 4 + 3 + 1 + 1 + 270  # the last is a link's target
    ours, theirs = described(tmp_path / "ours"), described(tmp_path / "theirs")
    del ours[b"."], theirs[b"."]  # Docker, which we follow here, leaves a root's own mode and time alone
    assert ours == theirs


def test_v7_archives(jail, sample, policy):
    content = subprocess.check_output(["tar", "-C", sample, "--format=v7", "-c", "block", "sgid"])
    extract.extract(io.BytesIO(content), jail, policy)
    assert names(jail) == ["block", "sgid", "sgid/mine"]


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/../outside", "./../outside", "..", "x/../.."])
def test_names_that_climb_out(jail, policy, name):
    with pytest.raises(Corrupt, match="outside the root"):
        extract.extract(Archive().add(name, b"evil").stream(), jail, policy)


def test_absolute_names_are_confined(jail, policy):
    archive = Archive().add(os.path.dirname(jail) + "/outside", b"evil").add("//a//./b/../c", b"1")
    extract.extract(archive.stream(), jail, policy)
    assert read(jail, os.path.dirname(jail).strip("/") + "/outside") == b"evil"
    assert read(jail, "a/c") == b"1"


@pytest.mark.parametrize("target", ["..", "../..", "/", "../dir", "{}/dir", "../../../../../../../.."])
def test_nothing_is_written_through_links_out_of_the_root(jail, policy, target):
    archive = link(Archive(), "l", target.format(os.path.dirname(jail)))
    archive.add("l/outside", b"evil").add("l/dir/x", b"evil").add("l/new", None).add("l/.wh.outside")
    try:
        extract.extract(archive.stream(), jail, policy)
    except Corrupt:
        return  # the link leads nowhere inside the root


def test_links_on_the_way_are_resolved_inside(jail, policy):
    archive = Archive().add("usr", None).add("usr/lib", None)
    link(archive, "lib", "/usr/lib").add("lib/a.so", b"a").add("lib/sub/b.so", b"b")
    extract.extract(archive.stream(), jail, policy)
    assert read(jail, "usr/lib/a.so") == b"a"
    assert read(jail, "usr/lib/sub/b.so") == b"b"
    assert os.readlink(f"{jail}/lib") == "/usr/lib"


def test_a_file_takes_a_links_place(jail, policy):
    archive = link(Archive(), "l", "../outside").add("l", b"new")
    link(archive, "m", "../dir").add("m", None, mode=0o700)
    extract.extract(archive.stream(), jail, policy)
    assert read(jail, "l") == b"new"
    assert stat.S_ISDIR(os.lstat(f"{jail}/m").st_mode)


@pytest.mark.parametrize("target", ["../outside", "/outside", "{}/outside", "l/outside", "missing", ".", ""])
def test_hardlinks_do_not_reach_out(jail, policy, target):
    archive = link(Archive(), "l", "..")
    link(archive, "hard", target.format(os.path.dirname(jail)), tarfile.LNKTYPE)
    with pytest.raises(SampanError):
        extract.extract(archive.stream(), jail, policy)
    assert not os.path.lexists(f"{jail}/hard")


def test_a_hardlink_to_a_link_is_not_followed(jail, policy):
    archive = link(link(Archive(), "s", "../outside"), "h", "s", tarfile.LNKTYPE).add("h", b"new")
    extract.extract(archive.stream(), jail, policy)
    assert os.readlink(f"{jail}/s") == "../outside"
    assert read(jail, "h") == b"new"


def test_a_hardlink_to_itself_keeps_the_file(jail, policy):
    extract.extract(link(Archive().add("f", b"1"), "./f", "f", tarfile.LNKTYPE).stream(), jail, policy)
    assert read(jail, "f") == b"1"


@pytest.mark.parametrize("name", [".wh..", ".wh...", ".wh.", "a/.wh..", "a/.wh..."])
def test_deletions_of_no_name(jail, policy, name):
    with pytest.raises(Corrupt):
        extract.extract(Archive().add("a", None).add(name).stream(), jail, policy)
    assert os.path.isdir(jail)


def test_opaque_through_a_link(jail, policy):
    archive = link(Archive(), "l", "../dir").add("l/.wh..wh..opq")
    extract.extract(archive.stream(), jail, policy)


def test_owners_that_mean_no_change_are_refused(jail, policy):
    archive = Archive().add("f", b"").stream().getvalue()
    with pytest.raises(Corrupt, match="owner"):
        extract.extract(io.BytesIO(patched(archive, 108, b"\x80" + bytes(3) + b"\xff" * 4)), jail, policy)


@pytest.mark.parametrize("size", [b"\xff" * 12, b"-0000000001\0", b"\x80" + b"\xff" * 11, b"77777777777\0", b"8\0"])
def test_sizes_that_make_no_sense(jail, policy, size):
    archive = Archive().add("f", b"x" * 1000).stream().getvalue()
    with pytest.raises(Corrupt):
        extract.extract(io.BytesIO(patched(archive, 124, size)), jail, policy)


def test_names_the_file_system_refuses(jail, policy):
    with pytest.raises(Corrupt):
        extract.extract(Archive().add("n" * 256, b"").stream(), jail, policy)
    with pytest.raises(Corrupt):
        extract.extract(Archive().add("d/" * 3000 + "f", b"").stream(), jail, policy)


def test_deep_trees(jail, policy):
    extract.extract(Archive().add("d/" * 1500 + "f", b"x").add("d/" * 1500 + "g", b"x").stream(), jail, policy)
    assert read(jail, "d/" * 1500 + "g") == b"x"


def test_loops_of_links(jail, policy):
    archive = link(link(Archive(), "a", "b"), "b", "a").add("a/f", b"x")
    with pytest.raises(SampanError):
        extract.extract(archive.stream(), jail, policy)


@pytest.mark.parametrize("kind", [b"S", b"M", b"D", b"Z"])
def test_types_that_are_not_supported(jail, policy, kind):
    with pytest.raises(Corrupt, match="type"):
        extract.extract(io.BytesIO(patched(Archive().add("f").stream().getvalue(), 156, kind)), jail, policy)


def test_groups_are_not_inherited(jail, policy):
    archive = Archive().add("d", None, mode=0o2755, gid=9).add("d/f", b"").add("d/e", None)
    extract.extract(archive.stream(), jail, policy)
    assert os.stat(f"{jail}/d/f").st_gid == os.stat(f"{jail}/d/e").st_gid == 0
    assert not os.stat(f"{jail}/d/e").st_mode & stat.S_ISGID


def test_truncated_anywhere(jail, policy):
    content = Archive().add("a", b"x" * 1500).add("n" * 200, b"y" * 100).stream().getvalue()
    first, whole = 512 + 1500, 512 + 1536 + 1024 + 512 + 100
    for length in range(1, whole, 100):
        if first <= length <= 512 + 1536:
            continue  # only padding is missing, which some archivers leave out
        with pytest.raises(Corrupt):
            extract.extract(io.BytesIO(content[:length]), jail, policy)


def test_damaged_anywhere(jail, policy):
    """Nothing but a SampanError comes out of a thousand damaged archives, and nothing gets out of the root."""
    archive = Archive().add("a", None).add("a/f", b"x" * 600, xattrs={"user.a": b"b"}).add("n" * 150, b"y")
    link(link(archive, "l", "../outside"), "h", "a/f", tarfile.LNKTYPE).add("l/x", b"1").add("a/.wh.f")
    content = archive.stream().getvalue()[:8192]
    chance = random.Random(7)
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 0x2E, 0x2F, 0x80, 0xFF, chance.randrange(256)))
        for start in range(0, len(damaged), 512):  # most damage would only break a checksum
            if damaged[start + 257:start + 262] == b"ustar":
                block = bytes(damaged[start:start + 512])
                damaged[start:start + 512] = patched(block, 0, block[:1])
        try:
            extract.extract(io.BytesIO(bytes(damaged)), jail, policy)
        except SampanError:
            continue


def test_a_full_disk(tmp_path, policy):
    from sampan.model.mount import Mount
    from sampan.naive import mounted

    content = Archive().add("f", b"x" * 3_000_000).stream()
    with mounted([Mount("tmpfs", "tmpfs", ("size=1m",))]) as small, pytest.raises(OutOfSpace):
        extract.extract(content, small, policy)


def test_a_read_only_directory(tmp_path, policy):
    from sampan.model.mount import Mount
    from sampan.naive import mounted

    with mounted([Mount("tmpfs", "tmpfs", ("ro",))]) as fixed, pytest.raises(Denied):
        extract.extract(Archive().add("f", b"x").stream(), fixed, policy)


def test_no_descriptor_is_left(jail, policy):
    before = len(os.listdir("/proc/self/fd"))
    archive = Archive()
    for number in range(400):
        archive.add(f"d{number}/e/f", b"")
    extract.extract(archive.stream(), jail, policy)
    with pytest.raises(Corrupt):
        extract.extract(Archive().add("d1", b"").add("../x", b"").stream(), jail, policy)
    assert len(os.listdir("/proc/self/fd")) == before


def patched(header, at, value):
    """Replace bytes of an archive's first header and make its checksum right."""
    changed = bytearray(header)
    changed[at:at + len(value)] = value
    changed[148:156] = b" " * 8
    changed[148:155] = b"%06o\0" % sum(changed[:512])
    return bytes(changed)


