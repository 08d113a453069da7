"""Tests of copying files between containers and the caller."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, eventually

from sampan.errors import Conflict, Corrupt, Denied, InvalidInput, NotFound
from sampan.model.container import Container, Volume


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What the caller has to copy."""
    made = tmp_path / "host"
    (made / "tree/sub").mkdir(parents=True)
    (made / "tree/file").write_text("one\n")
    (made / "tree/sub/deep").write_text("two\n")
    (made / "tree/link").symlink_to("file")
    (made / "plain").write_text("plain\n")
    os.chown(made / "plain", 1000, 100)
    return made


def _running(bench: Bench, script: str = ":", **spec: object) -> Container:
    container = bench.start("sh", "-c", f"{script}; touch /ready; sleep 100", **spec)
    eventually(lambda: os.path.exists(f"/proc/{container.pid}/root/ready"))
    return container


def _inside(container: Container, path: str) -> Path:
    return Path(f"/proc/{container.pid}/root{path}")


def _archive(*names: str, kind: bytes = tarfile.REGTYPE) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            tar.addfile(entry, io.BytesIO())
    out.seek(0)
    return out


def test_there_and_back_while_it_runs(any_storage: Bench, host: Path) -> None:
    container = _running(any_storage)
    any_storage.engine.copy_in(container.id, "/tmp", str(host / "tree"))
    assert _inside(container, "/tmp/tree/sub/deep").read_text() == "two\n"
    assert os.readlink(_inside(container, "/tmp/tree/link")) == "file"
    any_storage.engine.copy_in(container.id, "/tmp/named", str(host / "plain"))
    assert _inside(container, "/tmp/named").stat().st_uid == 1000
    any_storage.engine.copy_out(container.id, "/tmp/tree", str(host / "back"))
    assert (host / "back/sub/deep").read_text() == "two\n" and os.readlink(host / "back/link") == "file"
    any_storage.engine.copy_out(container.id, "tmp/named", str(host))
    assert (host / "named").stat().st_uid == os.geteuid()


def test_there_and_back_while_it_does_not(any_storage: Bench, host: Path) -> None:
    container = any_storage.create("cat", "/tmp/tree/sub/deep")
    any_storage.engine.copy_in(container.id, "/tmp", str(host / "tree"))
    any_storage.engine.copy_out(container.id, "/tmp/tree/.", str(host / "back"))
    assert sorted(os.listdir(host / "back")) == ["file", "link", "sub"]
    any_storage.engine.start(container.id)
    assert any_storage.engine.wait(container.id) == 0


def test_a_paused_container(bench: Bench, host: Path) -> None:
    container = _running(bench)
    bench.engine.pause(container.id)
    bench.engine.copy_in(container.id, "/tmp/", str(host / "plain"))
    bench.engine.copy_out(container.id, "/tmp/plain", str(host / "again"))
    assert (host / "again").read_text() == "plain\n"


def test_as_archives(bench: Bench, host: Path) -> None:
    container = _running(bench)
    bench.engine.copy_in(container.id, "/tmp", _archive("a/b", "a/.wh.c"))
    assert sorted(os.listdir(_inside(container, "/tmp/a"))) == [".wh.c", "b"]
    bench.engine.copy_in(container.id, "/tmp", io.BytesIO())
    out = io.BytesIO()
    bench.engine.copy_out(container.id, "/tmp/a", out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        assert tar.getnames() == ["a", "a/.wh.c", "a/b"]
    with pytest.raises(InvalidInput, match=r'destination ".*:/etc/passwd" must be a directory'):
        bench.engine.copy_in(container.id, "/etc/passwd", _archive("x"))


def test_volumes_are_part_of_a_running_container(bench: Bench, host: Path) -> None:
    volumes = (
        Volume(kind="bind", source=str(host), target="/vol"),
        Volume(kind="bind", source=str(host), target="/fixed", read_only=True),
    )
    container = _running(bench, volumes=volumes)
    bench.engine.copy_in(container.id, "/vol/tree", str(host / "plain"))
    assert (host / "tree/plain").read_text() == "plain\n"
    with pytest.raises(Denied, match=r"^mounted volume is marked read-only$"):
        bench.engine.copy_in(container.id, "/fixed/tree", str(host / "plain"))


def test_what_is_mounted_is_part_of_one_that_does_not_run_too(any_storage: Bench, host: Path) -> None:
    engine = any_storage.engine
    engine.create_volume("vol")
    engine.create_volume("tmp", options={"type": "tmpfs", "device": "tmpfs"})
    volumes = (
        Volume(kind="bind", source=str(host), target="/made/deep"),
        Volume(kind="bind", source=str(host), target="/fixed", read_only=True),
        Volume(kind="bind", source=str(host / "plain"), target="/etc/plain"),
        Volume(kind="volume", source="vol", target="/v"),
        Volume(kind="volume", source="tmp", target="/v/inner"),
        Volume(kind="volume", target="/anonymous"),
        Volume(kind="bind", source="/sys/module", target="/sys/module"),
    )
    container = any_storage.create("true", volumes=volumes)
    engine.copy_in(container.id, "/made/deep/tree", str(host / "plain"))
    assert (host / "tree/plain").read_text() == "plain\n"
    for place in ("/v", "/anonymous"):
        engine.copy_in(container.id, place, str(host / "plain"))
        engine.copy_out(container.id, f"{place}/plain", str(host / "back"))
        assert (host / "back").read_text() == "plain\n"
    where = engine.inspect_volume("vol")["Mountpoint"]
    assert Path(f"{where}/plain").read_text() == "plain\n"
    engine.copy_in(container.id, "/v/inner", str(host / "plain"))  # which is gone when nobody uses it
    assert os.listdir(f"{where}/inner") == []
    assert os.listdir(f"{where}/../../tmp/users") == []
    engine.copy_out(container.id, "/sys/module/loop/parameters/max_loop", str(host / "sys"))
    with pytest.raises(Denied, match=r"^mounted volume is marked read-only$"):
        engine.copy_in(container.id, "/fixed/tree", str(host / "plain"))
    assert engine.store.database.all("SELECT * FROM journal") == []


def test_a_part_of_a_volume_in_one_that_does_not_run(bench: Bench, host: Path) -> None:
    bench.engine.create_volume("vol")
    where = Path(bench.engine.inspect_volume("vol")["Mountpoint"])
    (where / "sub").mkdir()
    (where / "out").symlink_to("/etc")
    container = bench.create("true", volumes=(Volume(kind="volume", source="vol", target="/v", subpath="sub"),))
    bench.engine.copy_in(container.id, "/v", str(host / "plain"))
    assert (where / "sub/plain").read_text() == "plain\n"
    lost = bench.create("true", volumes=(Volume(kind="volume", source="vol", target="/v", subpath="out/passwd"),))
    with pytest.raises(NotFound, match="cannot access path out/passwd of volume vol: no such file or directory"):
        bench.engine.copy_out(lost.id, "/v", str(host / "stolen"))


def test_the_files_of_the_last_run_are_there(bench: Bench, host: Path) -> None:
    container = bench.create("true", hostname="ship")
    bench.engine.copy_out(container.id, "/etc/passwd", str(host / "passwd"))
    bench.engine.start(container.id)
    bench.engine.wait(container.id)
    bench.engine.copy_out(container.id, "/etc/hostname", str(host / "hostname"))
    assert (host / "hostname").read_text() == "ship\n"


@pytest.mark.parametrize("runs", [True, False])
def test_what_is_mounted_does_not_give_way(bench: Bench, host: Path, runs: bool) -> None:
    (host / "own").write_text("own\n")
    volumes = (Volume(kind="bind", source=str(host / "own"), target="/etc/own"),)
    container = _running(bench, volumes=volumes) if runs else bench.create("true", volumes=volumes)
    with pytest.raises(Conflict, match=r"^unlinkat /etc/own: device or resource busy$"):
        bench.engine.copy_in(container.id, "/etc/own", str(host / "plain"))
    assert (host / "own").read_text() == "own\n"


@pytest.mark.parametrize("runs", [True, False])
def test_a_read_only_root_file_system(bench: Bench, host: Path, runs: bool) -> None:
    container = bench.create("sleep", "100", read_only=True)
    if runs:
        bench.engine.start(container.id)
    with pytest.raises(Denied, match=r"^container rootfs is marked read-only$"):
        bench.engine.copy_in(container.id, "/tmp", str(host / "plain"))
    bench.engine.copy_out(container.id, "/etc/passwd", str(host / "passwd"))


def test_links_lead_nowhere_outside(bench: Bench, host: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "secret").write_text("secret")
    container = _running(bench, f"ln -s {target} /tmp/out; ln -s /proc/1/root /tmp/magic; ln -s {target}/secret /tmp/s")
    bench.engine.copy_in(container.id, "/tmp/new", str(host / "plain"))
    for place in ("/tmp/out/x", "/tmp/out"):
        with pytest.raises((NotFound, InvalidInput, Conflict)):
            bench.engine.copy_in(container.id, f"{place}/deeper/x", str(host / "plain"))
    with pytest.raises(NotFound):
        bench.engine.copy_out(container.id, "/tmp/s", str(host / "stolen"), follow=True)
    with pytest.raises(NotFound):
        bench.engine.copy_out(container.id, "/tmp/out/secret", str(host / "stolen"))
    with pytest.raises((NotFound, InvalidInput, Conflict, Denied, OSError)):
        bench.engine.copy_out(container.id, f"/tmp/magic{target}/secret", str(host / "stolen"))
    bench.engine.copy_out(container.id, "/tmp", str(host / "links"))
    assert os.readlink(host / "links/out") == str(target)
    # What is copied out cannot be led astray by what was copied out before.
    with pytest.raises((Corrupt, Conflict, NotFound)):
        bench.engine.copy_in(container.id, "/tmp", _archive("../../etc/escaped"))
    assert os.listdir(target) == ["secret"] and not (host / "stolen").exists()


def test_what_docker_refuses(bench: Bench, host: Path) -> None:
    container, plain, tree = _running(bench), str(host / "plain"), str(host / "tree")
    engine, name = bench.engine, container.id
    with pytest.raises(NotFound, match="Could not find the file /nodir in container"):
        engine.copy_in(name, "/nodir/x", plain)
    with pytest.raises(InvalidInput, match=r"^no such directory$"):
        engine.copy_in(name, "/nodir/", plain)
    with pytest.raises(InvalidInput, match=r"^cannot copy directory$"):
        engine.copy_in(name, "/etc/passwd", tree)
    with pytest.raises(NotFound, match=f"^lstat {host}/nosuch: no such file or directory$"):
        engine.copy_in(name, "/tmp", str(host / "nosuch"))
    with pytest.raises(InvalidInput, match=r"^not a directory$"):
        engine.copy_in(name, "/tmp", f"{plain}/")
    with pytest.raises(NotFound, match=r"^Could not find the file /nosuch in container"):
        engine.copy_out(name, "/nosuch", str(host))
    with pytest.raises(InvalidInput, match=f'^invalid output path: directory "{host}/a" does not exist$'):
        engine.copy_out(name, "/etc/passwd", str(host / "a/b"))
    engine.copy_in(name, "/tmp/plain", tree)
    with pytest.raises(Conflict, match=r'^cannot overwrite directory "/tmp/plain" with a non-directory$'):
        engine.copy_in(name, "/tmp", plain)
    engine.copy_in(name, "/tmp/tree", plain)
    with pytest.raises(Conflict, match=r'^cannot overwrite non-directory "/tmp/tree" with directory'):
        engine.copy_in(name, "/tmp", tree)


@pytest.mark.parametrize(("source", "target", "made"), [
    ("tree", "new", ["new/file"]), ("tree/.", "new", ["new/file"]), ("tree", "", ["tree/file"]),
    ("tree/.", "", ["file"]), ("plain", "new", ["new"]), ("plain", "", ["plain"]), ("tree/link", "", ["link"]),
])  # fmt: skip
def test_where_things_go(bench: Bench, host: Path, tmp_path: Path, source: str, target: str, made: list[str]) -> None:
    container = bench.create("true")
    bench.engine.copy_in(container.id, "/home/alice", f"{host}/.")
    local = tmp_path / "local"
    local.mkdir()
    bench.engine.copy_out(container.id, f"/home/alice/{source}", f"{local}/{target}")
    bench.engine.copy_in(container.id, f"/tmp/{target}", f"{host}/{source}")
    bench.engine.copy_out(container.id, "/tmp/.", str(tmp_path / "tmp"))
    for name in made:
        assert os.path.lexists(local / name) and os.path.lexists(tmp_path / "tmp" / name)
