"""Save and load as a user does: files, pipes, terminals, and at every moment the power may go."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from tests.integration.sampan import Sampan

CONTAINERD = "io.containerd.image.name"


@pytest.fixture
def saved(sampan: Sampan, tmp_path: Path) -> Path:
    """The archive of ``bb:1``."""
    sampan.run("save", "-o", tmp_path / "saved.tar", "bb:1")
    return tmp_path / "saved.tar"


def test_save_and_load(sampan: Sampan, saved: Path) -> None:
    identity = sampan.run("images", "-q", "--no-trunc")
    assert saved.stat().st_mode & 0o777 == 0o600
    sampan.run("rmi", "bb:1")
    assert sampan.run("load", "-i", saved) == "Loaded image: bb:1"
    assert sampan.run("images", "-q", "--no-trunc") == identity
    assert sampan.run("run", "--rm", "bb:1", "echo", "hello") == "hello"
    assert sampan.run("image", "load", "-q", "-i", saved) == "Loaded image: bb:1"
    assert sampan.result("save", "bb:1").stdout == saved.read_bytes()
    assert sampan.run("load", stdin=gzip.compress(saved.read_bytes(), 1)) == "Loaded image: bb:1"


def test_formats(sampan: Sampan, tmp_path: Path) -> None:
    sampan.run("image", "save", "--format-driver", "oci-archive", "-o", tmp_path / "oci.tar", "bb:1")
    with tarfile.open(tmp_path / "oci.tar") as tar:
        assert "manifest.json" not in tar.getnames()
        tar.extractall(tmp_path / "layout", filter="data")
    assert sampan.run("load", "-i", tmp_path / "layout") == "Loaded image: bb:1"
    assert sampan.run("load", "--format-driver", "oci-archive", "-i", tmp_path / "oci.tar") == "Loaded image: bb:1"
    named = ("--format-driver", "docker-archive", "-i", tmp_path / "oci.tar")
    assert sampan.fails("load", *named) == "the archive has no manifest.json"
    assert 'no snapshot format named "zip"' in sampan.fails("save", "--format-driver", "zip", "bb:1")
    sampan.config.write_text('image_format = "oci-archive"\n' + sampan.config.read_text())
    assert sampan.result("save", "bb:1").stdout == (tmp_path / "oci.tar").read_bytes()


def test_what_docker_says(sampan: Sampan, saved: Path, tmp_path: Path) -> None:
    old = sampan.run("images", "-q", "--no-trunc")
    identity = sampan.run("import", "-", "bb:1", stdin=_tar({"file": b"new"}))
    sampan.run("save", "-o", tmp_path / "new.tar", "bb:1")
    sampan.run("save", "-o", tmp_path / "nameless.tar", identity)
    assert sampan.run("load", "-i", saved) == (
        f"The image bb:1 already exists, renaming the old one with ID {identity} to empty string\nLoaded image: bb:1"
    )
    assert sampan.run("images", "-q", "--no-trunc", "-f", "dangling=true") == identity
    assert sampan.run("load", "-i", tmp_path / "nameless.tar") == f"Loaded image ID: {identity}"
    assert old in sampan.run("images", "-q", "--no-trunc", "bb:1")


def test_what_goes_wrong(sampan: Sampan, saved: Path, tmp_path: Path) -> None:
    assert sampan.fails("save", "nobody") == "No such image: nobody:latest"
    assert sampan.fails("save", "-o", tmp_path, "bb:1") == "failed to save image: cannot write to a directory"
    nowhere = tmp_path / "no/where"
    assert sampan.fails("save", "-o", nowhere, "bb:1") == f"failed to save image: {nowhere}: no such file or directory"
    assert sampan.fails("save", "-o", "/dev/full", "bb:1") == (
        "no space left to write the archive (free some space and try again)")
    assert sampan.fails("load", "-i", nowhere) == f"open {nowhere}: no such file or directory"
    assert sampan.fails("load") == "requested load from stdin, but stdin is empty"
    assert "the input is in no image format" in sampan.fails("load", stdin=b"not an archive")
    assert sampan.fails("load", stdin=saved.read_bytes()[:300_000]) == "the archive ends inside a file"
    assert sampan.fails("save", "-o", tmp_path / "x", "bb:1", "nobody") == "No such image: nobody:latest"
    assert sorted(os.listdir(tmp_path)) == ["saved.tar"]


def test_terminals(sampan: Sampan, saved: Path) -> None:
    for words, line in (
        (("save", "bb:1"), "cowardly refusing to save to a terminal. Use the -o flag or redirect"),
        (("load",), "requested load from stdin, but stdin is empty"),
    ):
        terminal = sampan.terminal(*words)
        terminal.expect(line)
        assert terminal.wait() == 1
    sampan.run("rmi", "bb:1")
    terminal = sampan.terminal("load", "-i", saved, size=(24, 120))
    terminal.expect(r"[0-9a-f]{12}: Loading layer")
    terminal.expect("Loaded image: bb:1")
    assert terminal.wait() == 0


def test_existing_files_pipes_and_links(sampan: Sampan, saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    (tmp_path / "there").write_text("old")
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f"there.{dead.pid}.partial", f"there.{os.getpid()}.partial", "there.x.partial"):
        (tmp_path / name).touch()  # a killed command's, one at work, somebody else's
    sampan.run("save", "-o", tmp_path / "there", "bb:1")
    assert (tmp_path / "there").read_bytes() == whole
    assert {path.name for path in tmp_path.glob("there.*")} == {f"there.{os.getpid()}.partial", "there.x.partial"}
    os.mkfifo(tmp_path / "fifo")
    reader = subprocess.Popen(["cmp", tmp_path / "fifo", saved])
    sampan.run("save", "-o", tmp_path / "fifo", "bb:1")
    assert reader.wait(20) == 0
    with (tmp_path / "appended").open("ab") as out:
        out.write(b"before")
        out.flush()
        subprocess.run(sampan.command("save", "bb:1"), env=sampan.environ, stdout=out, check=True)
    assert (tmp_path / "appended").read_bytes() == b"before" + whole


def test_save_killed_at_any_moment(sampan: Sampan, saved: Path, tmp_path: Path) -> None:
    whole, moments = saved.read_bytes(), random.Random(1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("old")
    for turn in range(10):
        name = ("old", "new")[turn % 2]
        _killed(sampan, moments.random() * 0.5, "save", "-o", tmp_path / "out" / name, "bb:1")
        found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        assert set(found) <= {"old", "new"} and "old" in found, turn
        assert set(found.values()) <= {b"old", whole}, turn
        (tmp_path / "out/new").unlink(missing_ok=True)
    _check(sampan)


def test_load_killed_at_any_moment(sampan: Sampan, saved: Path) -> None:
    moments, packed = random.Random(2), gzip.compress(saved.read_bytes(), 1)
    (saved.parent / "saved.tar.gz").write_bytes(packed)
    for turn in range(8):
        sampan.result("rmi", "bb:1")
        _killed(sampan, moments.random() * 0.6, "load", "-i", saved.parent / ("saved.tar", "saved.tar.gz")[turn % 2])
        images = sampan.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        assert images in ([], ["bb:1"]), turn
        assert os.listdir(sampan.root / "tmp") == []
        assert images or os.listdir(sampan.root / "blobs/sha256") == [], turn
    _check(sampan)
    assert sampan.run("load", "-i", saved) == "Loaded image: bb:1"


def _killed(sampan: Sampan, after: float, *words: object) -> None:
    command = sampan.popen(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    time.sleep(after)
    command.kill()
    command.wait()


def _check(sampan: Sampan) -> None:
    assert sampan.result("system", "check").returncode == 0


def _tar(files: dict[str, bytes]) -> bytes:
    from tests.core.engine.workbench import archive

    return archive(dict(files))


def test_names_in_the_archive(saved: Path) -> None:
    with tarfile.open(saved) as tar:
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
    assert index["manifests"][0]["annotations"][CONTAINERD] == "docker.io/library/bb:1"
