"""Test the volumes of Docker's plugins against a plugin that runs in another process."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.volume_plugin import VolumePlugin, volume_plugin

from sampan.contracts.volume import VolumeDriver
from sampan.errors import Conflict, InvalidInput, NotFound, PluginFault, Unavailable, Unsupported
from sampan.testing.volume import VolumeDriverSuite
from sampan_plugins.volumes.docker_plugin import plugin

ONE, TWO = "1a" * 32, "2b" * 32
Open = Callable[..., VolumeDriver]


@pytest.fixture
def sockets() -> Iterator[Path]:
    # Not tmp_path: the path of a Unix socket may have 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="sv", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def peer(sockets: Path, tmp_path: Path) -> Iterator[VolumePlugin]:
    with volume_plugin(sockets / "peer.sock", tmp_path / "peer", "global") as running:
        yield running


@pytest.fixture
def open_driver(sockets: Path, tmp_path: Path) -> Open:
    def open_named(name: str = "peer", root: str = "volumes", **options: Any) -> VolumeDriver:
        options = {"sockets": str(sockets), "specs": str(sockets / "specs"), **options}
        return plugin.sampan_open_volumes(name, str(tmp_path / root), options)

    return open_named


@pytest.fixture
def driver(peer: VolumePlugin, open_driver: Open) -> VolumeDriver:
    return open_driver()


class TestDockerPlugin(VolumeDriverSuite):
    @pytest.fixture
    def make(self, peer: VolumePlugin, open_driver: Open) -> Callable[[Path], VolumeDriver]:
        return lambda root: open_driver(root=root.name)


def test_what_a_plugin_is_asked(peer: VolumePlugin, driver: VolumeDriver) -> None:
    driver.create("data", {"color": "red"})
    driver.mount("data", ONE)
    driver.unmount("data", ONE)
    driver.unmount("data", ONE)
    driver.unmount("data", TWO)
    driver.remove("data")
    assert peer.asked() == [
        ("Get", {"Name": "data"}), ("Create", {"Name": "data", "Opts": {"color": "red"}}),
        ("Mount", {"Name": "data", "ID": ONE}), ("Unmount", {"Name": "data", "ID": ONE}),
        ("Get", {"Name": "data"}), ("Remove", {"Name": "data"}),
    ]  # fmt: skip


def test_what_a_plugin_tells(driver: VolumeDriver) -> None:
    driver.create("data", {})
    assert (driver.scope(), driver.where("data"), driver.status("data")) == ("global", "", {"users": 0})
    where = driver.mount("data", ONE)
    assert (driver.where("data"), driver.status("data")) == (where, {"users": 1})
    with pytest.raises(Conflict, match="volume data is mounted"):
        driver.remove("data")
    driver.unmount("data", ONE)
    with pytest.raises(NotFound):
        driver.status("other")


def test_what_the_plugin_had_before_stays_there(driver: VolumeDriver, open_driver: Open) -> None:
    another = open_driver(root="another")
    another.create("shared", {})
    assert list(driver.walk()) == []
    driver.create("shared", {})
    Path(driver.mount("shared", ONE), "file").write_text("content")
    driver.unmount("shared", ONE)
    driver.remove("shared")
    assert list(driver.walk()) == []
    assert Path(another.mount("shared", TWO), "file").read_text() == "content"


def test_a_plugins_refusals_are_told_in_its_words(peer: VolumePlugin, driver: VolumeDriver, open_driver: Open) -> None:
    with pytest.raises(InvalidInput, match=r"^VolumeDriver.Create: unknown option size$"):
        driver.create("data", {"size": "1g"})
    driver.create("data", {})
    another = open_driver(root="another")
    another.create("data", {})
    another.mount("data", TWO)
    with pytest.raises(Conflict, match=r"^VolumeDriver.Remove: volume in use$"):
        driver.remove("data")
    another.unmount("data", TWO)
    driver.remove("data")
    with pytest.raises(Unavailable, match=r"^VolumeDriver.Mount: no such volume$"):
        another.mount("data", TWO)


def test_a_plugin_that_was_away_hears_later_of_those_who_left(
    peer: VolumePlugin, sockets: Path, driver: VolumeDriver, open_driver: Open
) -> None:
    driver.create("data", {})
    driver.mount("data", ONE)
    driver.mount("data", TWO)
    peer.kill()
    with pytest.raises(Unavailable, match=r"Docker plugin peer does not answer at unix:///tmp/.*: connection refused"):
        driver.mount("data", ONE)
    driver.unmount("data", ONE)
    (sockets / "peer.sock").unlink()
    open_driver().unmount("data", TWO)
    peer.asked()
    with volume_plugin(sockets / "peer.sock", peer.directory):
        driver.remove("data")
        assert [method for method, _ in peer.asked()] == ["Unmount", "Unmount", "Get"]
    assert list(driver.walk()) == []


def test_a_plugin_that_says_nothing(sockets: Path, open_driver: Open) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(sockets / "silent.sock"))
        silent.listen()
        driver = open_driver("silent", timeout=0.1)
        with pytest.raises(Unavailable, match=r"Docker plugin silent did not answer Plugin.Activate in 0.1 s"):
            driver.create("data", {})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'{"Implements": ["NetworkDriver"]}', r"is no volume driver: it speaks \['NetworkDriver'\]"),
        (b"<html>", "answers Plugin.Activate with what is no JSON object"),
        (b"", "is no volume driver"),
    ],
)
def test_a_plugin_that_is_none(sockets: Path, open_driver: Open, answer: bytes, message: str) -> None:
    from threading import Thread

    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(sockets / "other.sock"))
        other.listen()

        def serve() -> None:
            with other.accept()[0] as connection:
                connection.recv(10000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(PluginFault, match=message):
            open_driver("other").create("data", {})
        thread.join()


def test_where_plugins_are_looked_for(peer: VolumePlugin, sockets: Path, open_driver: Open) -> None:
    (sockets / "inner").mkdir()
    os.symlink(sockets / "peer.sock", sockets / "inner/inner.sock")
    (sockets / "specs/deeper").mkdir(parents=True)
    (sockets / "specs/plain.spec").write_text(f"unix://{sockets}/peer.sock\n")
    (sockets / "specs/deeper/deeper.json").write_text(
        json.dumps({"Name": "deeper", "Addr": f"unix://{sockets}/peer.sock"})
    )
    for name in ("inner", "plain", "deeper"):
        assert open_driver(name).scope() == "global"
    for name in ("nobody", "../peer", "sub/peer", "", "nul\0"):
        with pytest.raises(NotFound, match=r'^error looking up volume plugin .*: plugin ".*" not found'):
            open_driver(name, "new")


def test_descriptions_that_lead_nowhere(sockets: Path, open_driver: Open) -> None:
    (sockets / "specs").mkdir()
    (sockets / "specs/bad.spec").write_text("/a/path")
    (sockets / "specs/worse.json").write_text("{}")
    secret = {"Addr": "tcp://192.0.2.1:1", "TLSConfig": {"CAFile": "/ca"}}
    (sockets / "specs/secret.json").write_text(json.dumps(secret))
    with pytest.raises(InvalidInput, match=r"bad\.spec tells no address of a plugin: '/a/path'"):
        open_driver("bad")
    with pytest.raises(InvalidInput, match=r"worse\.json does not describe a plugin"):
        open_driver("worse")
    with pytest.raises(Unsupported, match="wants TLS"):
        open_driver("secret")
    with pytest.raises(InvalidInput, match="wrong options for volumes/docker-plugin"):
        open_driver("bad", colour="red")


def test_the_plugin_tells_of_itself() -> None:
    info = plugin.sampan_plugin_info("volumes", "docker-plugin")
    assert [option.name for option in info.options] == ["sockets", "specs", "timeout"]
