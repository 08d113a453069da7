"""Damage a store in every way that can be thought of, have it told by name, and have it mended."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import Bench
from tests.core.engine.workbench import DRIVERS, archive, engine_at, push, tree
from tests.services.registry import RegistryServer

from sampan.engine.check.finding import Finding
from sampan.engine.engine import Engine
from sampan.model.container import Status, Volume
from sampan.model.digest import Digest
from sampan.model.image import Image, Manifest
from sampan.model.network import Network
from sampan.store import owner

FILES: list[dict[str, bytes | None]] = [
    {"one": b"1" * 5000, "both": b"lower", "gone": b"x", "d": None, "d/e": b"e"},
    {"two": b"22", "both": b"upper", ".wh.gone": b""},
]
STRAY = Digest("sha256:" + "ab" * 32)


def pulled(engine: Engine, registry: RegistryServer, name: str) -> Image:
    push(registry, f"{name}:1", [archive(files) for files in FILES])
    return engine.pull(f"{registry.address}/{name}:1").image


def manifest(engine: Engine, image: Image) -> Manifest:
    return msgspec.json.decode(engine.store.blobs.read(image.manifest), type=Manifest)


def layer(engine: Engine, image: Image, position: int) -> Digest:
    return manifest(engine, image).layers[position].digest


def chains(engine: Engine, image: Image) -> list[Digest]:
    return [chain for chain, _ in engine.store.layers.held(engine.storage_name(), image.id)]


def execute(engine: Engine, statement: str, *values: object) -> None:
    with engine.store.database.transaction() as cursor:
        cursor.execute(statement, values)


def flip(engine: Engine, digest: Digest) -> None:
    path = Path(engine.store.blobs.path(digest))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def content_of(engine: Engine, key: str) -> Path:
    """Return the directory of a snapshot's content, as the bundled drivers keep it."""
    root = Path(engine.layout.storage(engine.storage_name()))
    identity, _, _ = os.readlink(root / "committed" / key).partition("/")
    return root / "layers" / identity


def flip_layer(engine: Engine, image: Image) -> str:
    flip(engine, layer(engine, image, 0))
    return f"blob {layer(engine, image, 0)}: does not match its digest"


def truncate_layer(engine: Engine, image: Image) -> str:
    digest = layer(engine, image, 1)
    size = engine.store.blobs.size(digest)
    os.truncate(engine.store.blobs.path(digest), size - 7)
    return f"blob {digest}: has {size - 7} bytes instead of {size}"


def delete_layer_blob(engine: Engine, image: Image) -> str:
    engine.store.blobs.remove(layer(engine, image, 0))
    return f"blob {layer(engine, image, 0)}: is missing"


def corrupt_configuration(engine: Engine, image: Image) -> str:
    flip(engine, image.id)
    return f"blob {image.id}: does not match its digest"


def delete_documents(engine: Engine, image: Image) -> str:
    engine.store.blobs.remove(image.id)
    engine.store.blobs.remove(image.manifest)
    return f"blob {image.manifest}: is missing"


def delete_snapshot(engine: Engine, image: Image) -> str:
    chain = chains(engine, image)[0]
    shutil.rmtree(content_of(engine, chain))
    return f"layer {engine.storage_name()} {chain}: cannot be read"


def delete_snapshot_record(engine: Engine, image: Image) -> str:
    chain = chains(engine, image)[0]
    Path(engine.layout.storage(engine.storage_name()), "committed", chain).unlink()
    return f"layer {engine.storage_name()} {chain}: is on record, but not unpacked"


def delete_layer_record(engine: Engine, image: Image) -> str:
    chain = chains(engine, image)[0]
    execute(engine, "DELETE FROM layers WHERE chain = ?", chain)
    return f"layer {engine.storage_name()} {chain}: is unpacked, but not on record"


def delete_top_layer_record(engine: Engine, image: Image) -> str:
    chain = chains(engine, image)[1]
    execute(engine, "DELETE FROM layers WHERE chain = ?", chain)
    return f"layer {engine.storage_name()} {chain}: is unpacked, but not on record"


def misplace_layer(engine: Engine, image: Image) -> str:
    chain = chains(engine, image)[1]
    execute(engine, "UPDATE layers SET parent = NULL WHERE chain = ?", chain)
    return f"layer {engine.storage_name()} {chain}: is on record with another parent or digest"


def forget_what_the_image_needs(engine: Engine, image: Image) -> str:
    execute(engine, "DELETE FROM image_blobs WHERE digest = ?", layer(engine, image, 0))
    execute(engine, "DELETE FROM image_layers WHERE position = 0")
    execute(engine, "UPDATE images SET size = 1")
    return "its record has other blobs and layers and size than its documents"


def dangling_name(engine: Engine, image: Image) -> str:
    engine.store.database._connection.execute("PRAGMA foreign_keys = OFF")
    execute(engine, "INSERT INTO tags VALUES ('r', 't', 'sha256:none', '', 0)")
    engine.store.database._connection.execute("PRAGMA foreign_keys = ON")
    return "record tags 2: refers to none of the images"


def stray_blob(engine: Engine, image: Image) -> str:
    Path(engine.store.blobs.path(STRAY)).write_bytes(b"stray")
    return f"blob {STRAY}: is part of no image"


def stray_file_among_blobs(engine: Engine, image: Image) -> str:
    Path(engine.layout.blobs, "sha256", "README").touch()
    return "blob sha256:README: is no blob's name"


def stray_snapshot(engine: Engine, image: Image) -> str:
    engine.storage().prepare("lost-0", None)
    return f"snapshot {engine.storage_name()} lost-0: is being written by nobody"


def stray_layer(engine: Engine, image: Image) -> str:
    engine.storage().prepare("lost-0", None)
    engine.storage().commit("lost-0", STRAY)
    return f"layer {engine.storage_name()} {STRAY}: is unpacked, but not on record"


def stray_layer_on_record(engine: Engine, image: Image) -> str:
    engine.storage().prepare("lost-0", None)
    engine.storage().commit("lost-0", STRAY)
    execute(engine, "INSERT INTO layers VALUES (?, ?, NULL, ?, 0)", engine.storage_name(), STRAY, STRAY)
    return f"layer {engine.storage_name()} {STRAY}: is part of no image"


def stray_lock(engine: Engine, image: Image) -> str:
    Path(engine.layout.locks, STRAY).touch()
    return f"lock {STRAY}: is held by nobody"


def stray_temporary(engine: Engine, image: Image) -> str:
    Path(engine.layout.temporary, "strange").touch()
    return "temporary"


def stray_note(engine: Engine, image: Image) -> str:
    note = ("pull-0", owner.NOBODY, b'["strange",["x"]]')
    execute(engine, "INSERT INTO journal (operation, owner, action) VALUES (?, ?, ?)", *note)
    return "note pull-0: is of a kind nobody knows"


def garbled_note(engine: Engine, image: Image) -> str:
    execute(engine, "INSERT INTO journal (operation, owner, action) VALUES ('p-1', ?, ?)", owner.NOBODY, b"{")
    return "note p-1: is of a kind nobody knows"


def stray_directories(engine: Engine, image: Image) -> str:
    os.mkdir(engine.layout.container("c" * 64))
    Path(engine.layout.container("c" * 64), "hosts").touch()
    os.mkdir(engine.layout.bundle("d" * 64))
    return f"bundle {engine.layout.bundle('d' * 64)}: is of no container"


Damage = Callable[[Engine, Image], str]
DAMAGES: list[Damage] = [
    flip_layer, truncate_layer, delete_layer_blob, corrupt_configuration, delete_documents, delete_snapshot,
    delete_snapshot_record, delete_layer_record, delete_top_layer_record, misplace_layer, forget_what_the_image_needs,
    dangling_name, stray_blob, stray_file_among_blobs, stray_snapshot, stray_layer, stray_layer_on_record, stray_lock,
    stray_temporary, stray_note, garbled_note, stray_directories,
]


def line(finding: Finding) -> str:
    return f"{finding.kind} {finding.name}: {finding.problem}"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_told_by_name_and_mended(tmp_path: Path, registry: RegistryServer, damage: Damage) -> None:
    with engine_at(tmp_path) as engine:
        image = pulled(engine, registry, f"check/{damage.__name__}")
        before = tree(engine, image.id)
        assert list(engine.check(unpacked=True)) == []
        told = damage(engine, image)
        found = list(engine.check())
        assert any(told in line(finding) for finding in found), found
        assert all(finding.remedy and not finding.mended for finding in found)
        mended = list(engine.check(repair=True))
        assert mended and all(finding.mended for finding in mended), mended
        assert list(engine.check(unpacked=True)) == []
        assert tree(engine, image.id) == before


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("how", ["content", "mode", "more", "less", "kind"])
def test_the_deep_check_compares_files(tmp_path: Path, registry: RegistryServer, driver: str, how: str) -> None:
    with engine_at(tmp_path, driver) as engine:
        image = pulled(engine, registry, f"check/deep-{driver}-{how}")
        before = tree(engine, image.id)
        file = next(content_of(engine, chains(engine, image)[0]).rglob("one"))
        status = file.stat()
        if how == "content":
            file.write_bytes(b"2" + b"1" * 4999)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        elif how == "mode":
            file.chmod(0o4755)
        elif how == "more":
            (file.parent / "more").touch()
        elif how == "less":
            file.unlink()
        else:
            file.unlink()
            file.symlink_to("both")
        assert list(engine.check()) == []
        (finding,) = engine.check(unpacked=True)
        assert f"differs from its blob at /{'more' if how == 'more' else 'one'}" in finding.problem
        assert all(one.mended for one in engine.check(unpacked=True, repair=True))
        assert list(engine.check(unpacked=True)) == []
        assert tree(engine, image.id) == before


def test_content_nobody_has_any_more(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        image = engine.import_image(io.BytesIO(archive({"a": b"a"})), "own:1")
        flip(engine, layer(engine, image, 0))
        (finding,) = engine.check(repair=True)
        assert not finding.mended and finding.problem == "does not match its digest, and is part of own:1"
        assert finding.remedy == "sampan rmi -f own:1; then pull, load or import it again"
        engine.remove_image("own:1", force=True)
        assert list(engine.check()) == []


def test_a_registry_that_is_gone(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        image = pulled(engine, registry, "check/away")
        execute(engine, "UPDATE digests SET repository = '127.0.0.1:1/check/away'")
        flip(engine, layer(engine, image, 0))
        kept = engine.store.blobs.read(layer(engine, image, 0))
        (finding,) = engine.check(repair=True)
        assert not finding.mended and "not mended: " in finding.remedy and "sampan rmi -f " in finding.remedy
        assert engine.store.blobs.read(layer(engine, image, 0)) == kept


def test_quick_sees_short_blobs_and_damaged_documents_only(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        image = pulled(engine, registry, "check/quick")
        flip(engine, layer(engine, image, 0))
        assert list(engine.check(quick=True)) == []
        truncate_layer(engine, image)
        flip(engine, image.id)
        assert {finding.name for finding in engine.check(quick=True)} == {layer(engine, image, 1), image.id}


def test_a_layer_under_a_container_is_not_taken_away(bench: Bench) -> None:
    engine = bench.engine
    container = bench.create("true", name="user")
    (chain,) = chains(engine, engine.image("bb:1"))
    (content_of(engine, chain) / "fs/bin/cat").unlink()
    (finding,) = engine.check(unpacked=True, repair=True)
    assert not finding.mended and "the containers user stand on it" in finding.remedy
    engine.remove(container.id)
    assert [one.mended for one in engine.check(unpacked=True, repair=True)] == [True]
    assert list(engine.check(unpacked=True)) == []


def test_containers_that_lack_something(bench: Bench) -> None:
    engine = bench.engine
    bare, emptied, half = (bench.create("true", name=name) for name in ("bare", "emptied", "half"))
    engine.storage().remove(bare.id)
    shutil.rmtree(engine.layout.container(emptied.id))
    engine.store.containers.update(half.id, status=Status.CREATING)
    found = {finding.name: finding for finding in engine.check()}
    assert found["bare"].problem.startswith("its writable layer cannot be read")
    assert found["emptied"].problem.endswith("is gone, and its log with it")
    assert found["half"].problem == "is creating, by nobody"
    found = {finding.name: finding for finding in engine.check(repair=True)}
    assert {name: finding.mended for name, finding in found.items()} == {"bare": False, "emptied": True, "half": True}
    engine.remove("bare")
    assert list(engine.check()) == []


def test_a_container_that_should_be_gone(bench: Bench) -> None:
    engine = bench.engine
    bench.create("true", auto_remove=True, name="kept")
    assert list(engine.check()) == []
    gone = bench.create("true", auto_remove=True, name="gone")
    engine.store.containers.update(gone.id, status=Status.EXITED)
    (finding,) = engine.check()
    assert (finding.name, finding.problem) == ("gone", "was to be removed at its end, and is still here")
    assert [one.mended for one in engine.check(repair=True)] == [True]
    assert [container.name for container in engine.containers(all=True)] == ["kept"]


def test_volumes(bench: Bench) -> None:
    engine, nameless = bench.engine, "ab" * 32
    for name in ("sound", "lost", "forgotten", nameless):
        Path(engine.inspect_volume(engine.create_volume(name).name)["Mountpoint"], "kept").write_text(name)
    assert list(engine.check()) == []
    shutil.rmtree(f"{engine.layout.volumes('local')}/lost")
    execute(engine, "DELETE FROM volumes WHERE name IN ('forgotten', ?)", nameless)
    assert [line(finding) for finding in engine.check()] == [
        "volume lost: is on record, but local has it no more",
        f"volume {nameless}: is kept by local, but not on record",
        "volume forgotten: is kept by local, but not on record",
    ]
    assert all(finding.mended for finding in engine.check(repair=True))
    assert list(engine.check()) == []
    kept = {volume.name: Path(engine.inspect_volume(volume.name)["Mountpoint"]) for volume in engine.list_volumes()}
    assert {name: [file.name for file in where.iterdir()] for name, where in kept.items()} == {
        "sound": ["kept"], "forgotten": ["kept"], nameless: ["kept"], "lost": [],
    }
    assert engine.prune_volumes().gone == [nameless]


def test_volumes_that_a_container_misses(bench: Bench) -> None:
    engine = bench.engine
    volumes = (Volume(kind="volume", source="named", target="/n"), Volume(kind="volume", target="/a"))
    container = bench.create("sh", "-c", "touch /n/f /a/f", name="user", volumes=volumes)
    anonymous = next(volume.name for volume in engine.list_volumes() if volume.anonymous)
    execute(engine, "DELETE FROM volumes")
    shutil.rmtree(engine.layout.volumes("local"))
    os.mkdir(engine.layout.volumes("local"))
    assert {line(finding) for finding in engine.check()} == {
        f"container user: uses volume {name}, which is gone" for name in ("named", anonymous)
    }
    assert [finding.mended for finding in engine.check(repair=True)] == [True, True]
    assert list(engine.check()) == []
    assert [volume.anonymous for volume in engine.list_volumes() if volume.name == anonymous] == [True]
    engine.start(container.id)
    assert engine.wait(container.id) == 0


def test_a_running_container_is_sound_and_left_alone(bench: Bench) -> None:
    container = bench.start("sleep", "100", network="bridge")
    assert list(bench.engine.check(repair=True, unpacked=True)) == []
    assert bench.engine.container(container.id).alive


def test_networks_that_are_gone(bench: Bench) -> None:
    engine = bench.engine
    made = engine.create_network(Network(id="", name="web", driver=""))
    running, created = bench.start("sleep", "100", network="web"), bench.create("true", network="web")
    assert list(engine.check()) == []
    engine.network(made.driver).disconnect(made, running.id)
    (finding,) = engine.check()
    assert finding.problem == "is on record as running without its endpoint on network web"
    engine.stop(running.id, timeout=0)
    engine.remove(running.id)
    engine.remove_network("web")
    (finding,) = engine.check()
    assert finding.problem == "is to be on network web, which is gone"
    assert finding.remedy == f"sampan network disconnect web {created.name}"
    engine.disconnect(created.id, "web")
    assert list(engine.check()) == []


def test_an_address_lent_to_nobody(bench: Bench) -> None:
    engine = bench.engine
    container = bench.start("sleep", "100", network="bridge")
    engine.kill(container.id)
    engine.wait(container.id)
    assert list(engine.check()) == []
    leases = next(Path(engine.layout.network("bridge")).rglob("leases-*.json"))
    leases.write_text(msgspec.json.encode({"last": 0, "held": {
        "e" * 64: {"address": 1, "host_interface": "none0"}}}).decode())
    (finding,) = engine.check()
    assert (finding.kind, finding.problem) == ("endpoint", "is lent to nobody that runs")
    assert [one.mended for one in engine.check(repair=True)] == [True]


def test_what_is_on_its_way_is_no_fault(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        engine.import_image(io.BytesIO(archive({"a": b"a"})), "own:1")
        with engine.store.journal.operation("test", lambda action: None) as operation:
            operation.lease([STRAY])
            operation.plan("snapshots", engine.storage_name(), "coming-0")
            Path(engine.store.blobs.path(STRAY)).write_bytes(b"coming")
            engine.storage().prepare("coming-0", None)
            with engine.store.blobs.temporary():
                assert list(engine.check(repair=True)) == []
            assert engine.store.blobs.has(STRAY)
            engine.storage().remove("coming-0")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        engine.store.close()
        path = Path(engine.layout.database)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(b"no database" * 1000)
    with engine_at(tmp_path) as engine:
        (finding,) = engine.check(repair=True)
        assert (finding.kind, finding.mended) == ("database", False) and "put back a copy" in finding.remedy


def test_a_driver_that_is_gone(tmp_path: Path) -> None:
    with engine_at(tmp_path) as engine:
        engine.import_image(io.BytesIO(archive({"a": b"a"})), "own:1")
        execute(engine, "UPDATE layers SET driver = 'away'")
        found = [line(finding) for finding in engine.check()]
        assert any(text.startswith("driver away: cannot be opened") for text in found)
