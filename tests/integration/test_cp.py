"""``cp`` as a user types it."""

import gzip
import io
import tarfile

import pytest


@pytest.fixture
def c1(sampan):
    return sampan.run("create", "--name", "c1", "--net=none", "bb:1", "cat", "/tmp/note")


def test_cp(sampan, c1, tmp_path):
    (tmp_path / "note").write_text("hello\n")
    assert sampan.run("cp", tmp_path / "note", "c1:/tmp") == ""
    assert sampan.run("start", "-a", "c1") == "hello"
    assert sampan.run("container", "cp", "-q", "c1:tmp/note", tmp_path / "back") == ""
    assert (tmp_path / "back").read_text() == "hello\n"


def test_cp_through_pipes(sampan, c1, tmp_path):
    archive = sampan.result("cp", "c1:/etc/passwd", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == ["passwd"]
    assert sampan.run("cp", "-", "c1:/tmp", stdin=gzip.compress(archive)) == ""
    assert sampan.run("cp", "c1:/tmp/passwd", tmp_path / "again") == ""


@pytest.mark.parametrize(("source", "target", "message"), [
    ("a", "b", "must specify at least one container source"),
    ("c1:/a", "c1:/b", "copying between containers is not supported"),
    ("", "c1:/b", "source can not be empty"),
    ("c1:/a", "", "destination can not be empty"),
    ("c1:", "b", "bad parameter: path cannot be empty"),
    ("nosuch:/a", "b", "No such container: nosuch"),
    ("./c1:a", "b", "must specify at least one container source"),
])
def test_what_cp_refuses(sampan, c1, source, target, message):
    assert sampan.fails("cp", source, target) == message
