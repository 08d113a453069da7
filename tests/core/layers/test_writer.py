import io
import os
import socket
import subprocess
import tarfile

import pytest

from sampan.layers import compare, extract, whiteouts, writer
from sampan.model.change import Change, ChangeKind
from sampan.testing.storage import CAPABILITY, names


def packed(top):
    out = io.BytesIO()
    writer.write_tree(str(top), out)
    return out.getvalue()


@pytest.fixture
def described(described):
    """Give a function that tells everything of a tree that an archive keeps, which of times is their seconds."""
    return lambda top: {path: (*told[:3], told[3] // 10**9, *told[4:]) for path, told in described(top).items()}


def test_there_and_back(sample, described, tmp_path):
    extract.extract(io.BytesIO(packed(sample)), str(tmp_path), whiteouts.Remove())
    ours, original = described(tmp_path), described(sample)
    assert ours.keys() == original.keys()
    assert {path: ours[path] for path in ours if path != b"."} == {p: original[p] for p in original if p != b"."}


def test_capabilities_survive_in_a_file_with_several_names(tmp_path):
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    (tmp_path / "from/able").touch()
    os.setxattr(tmp_path / "from/able", "security.capability", CAPABILITY)
    os.link(tmp_path / "from/able", tmp_path / "from/too")
    extract.extract(io.BytesIO(packed(tmp_path / "from")), str(tmp_path / "to"), whiteouts.Remove())
    assert os.getxattr(tmp_path / "to/too", "security.capability") == CAPABILITY
    assert os.path.samefile(tmp_path / "to/able", tmp_path / "to/too")


def test_as_gnu_tar_reads_it(sample, described, tmp_path):
    subprocess.run(["tar", "-C", tmp_path, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-px"],
                   input=packed(sample), check=True)
    theirs, original = described(tmp_path), described(sample)
    for path in original.keys() - {b"."}:
        assert theirs[path] == original[path], path


def test_the_same_tree_gives_the_same_bytes(sample):
    assert packed(sample) == packed(sample)
    assert len(packed(sample)) % 10240 == 0


def test_sockets_are_left_out(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        (tmp_path / "f").touch()
        listing = subprocess.run(["tar", "-t"], input=packed(tmp_path), capture_output=True, check=True).stdout
    assert listing == b"f\n"


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 262144, 262145, 700000])
def test_sizes(tmp_path, size):
    (tmp_path / "f").write_bytes(b"x" * size)
    content = subprocess.run(["tar", "-xO"], input=packed(tmp_path), capture_output=True, check=True).stdout
    assert content == b"x" * size


def test_times_are_whole_seconds_of_any_year(tmp_path):
    (tmp_path / "f").touch()
    for moment in (-1, -1_500_000_000, 1, 999_999_999, 1_000_000_001, 2**33 * 10**9):
        os.utime(tmp_path / "f", ns=(0, moment))
        kept = os.stat(tmp_path / "f").st_mtime_ns // 10**9
        target = tmp_path / f"out{moment}"
        target.mkdir()
        content = packed(tmp_path)
        assert (f" mtime={kept}\n".encode() in content) == (not 0 <= kept < 2**33)
        extract.extract(io.BytesIO(content), str(target), whiteouts.Remove())
        # Docker, which we follow, makes the epoch of what is before it.
        assert os.stat(target / "f").st_mtime_ns == max(kept, 0) * 10**9


def test_changes_are_a_layer(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for top in (old, new):
        (top / "d" / "s").mkdir(parents=True)
        (top / "d" / "gone").touch()
        (top / "gone").touch()
        (top / "kept").write_text("k")
        os.utime(top / "kept", ns=(0, 5))
        os.utime(top / "d" / "gone", ns=(0, 5))
    (new / "gone").unlink()
    (new / "d" / "gone").unlink()
    (new / "d" / "s" / "new").write_text("n")
    for path in (new / "d" / "s" / "new", new / "d" / "s", new / "d"):
        os.utime(path, (7, 7))
    changes = list(compare.trees(str(old), str(new)))
    out = io.BytesIO()
    writer.write_changes(str(new), changes, out)
    extract.extract(io.BytesIO(out.getvalue()), str(old), whiteouts.Remove())
    assert names(str(old)) == names(str(new)) == ["d", "d/s", "d/s/new", "kept"]
    assert list(compare.trees(str(old), str(new))) == []
    assert Change(b"/gone", ChangeKind.DELETED) in changes


def test_changes_do_not_follow_links_and_leave_out_what_is_gone(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "f").write_text("s")
    (tmp_path / "top").mkdir()
    os.symlink("../secret", tmp_path / "top" / "l")
    out = io.BytesIO()
    changes = [Change(path, ChangeKind.ADDED) for path in (b"/gone", b"/l/f", b"/gone/f", b"/l")]
    writer.write_changes(str(tmp_path / "top"), changes, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        assert [(entry.name, entry.issym()) for entry in tar] == [("l", True)]
