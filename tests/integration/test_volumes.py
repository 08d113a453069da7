"""Use volumes as a user does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.sampan import Sampan
from tests.services.volume_plugin import volume_plugin


def test_the_life_of_a_volume(sampan: Sampan) -> None:
    assert sampan.run("volume", "create", "--label", "for=test", "data") == "data"
    assert sampan.run("volume", "ls").splitlines() == ["DRIVER    VOLUME NAME", "local     data"]
    sampan.run("run", "--rm", "--net=none", "-v", "data:/data", "bb:1", "sh", "-c", "echo kept > /data/file")
    assert sampan.run("run", "--rm", "--net=none", "--mount", "src=data,dst=/x,ro", "bb:1", "cat", "/x/file") == "kept"
    (shown,) = json.loads(sampan.run("volume", "inspect", "data"))
    assert (shown["Name"], shown["Driver"], shown["Labels"]) == ("data", "local", {"for": "test"})
    assert Path(shown["Mountpoint"], "file").read_text() == "kept\n"
    assert sampan.run("inspect", "-f", "{{.Mountpoint}}", "--type", "volume", "data") == shown["Mountpoint"]
    sampan.run("create", "--name", "user", "-v", "data:/data", "bb:1")
    assert "volume is in use - [" in sampan.fails("volume", "rm", "data")
    sampan.run("rm", "user")
    assert sampan.run("volume", "rm", "data") == "data"
    assert sampan.fails("volume", "rm", "data") == "get data: no such volume"
    assert sampan.run("volume", "rm", "-f", "data") == "data"


def test_anonymous_volumes_go_when_asked(sampan: Sampan) -> None:
    sampan.run("create", "--name", "kept", "-v", "/data", "bb:1")
    sampan.run("create", "--name", "gone", "-v", "/data", "bb:1")
    names = sampan.run("volume", "ls", "-q").split()
    assert [len(name) for name in names] == [64, 64]
    sampan.run("rm", "-v", "gone")
    sampan.run("run", "--rm", "--net=none", "-v", "/data", "bb:1", "true")
    assert len(sampan.run("volume", "ls", "-q").split()) == 1
    sampan.run("rm", "kept")
    pruned = sampan.run("volume", "prune", "-f").splitlines()
    assert pruned[0] == "Deleted Volumes:" and pruned[1] in names and pruned[-1] == "Total reclaimed space: 0B"
    assert sampan.run("volume", "ls", "-q") == ""


def test_a_tmpfs_volume_is_shared_and_unmounted_at_the_end(sampan: Sampan) -> None:
    sampan.run("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=64k", "scratch")
    for name in ("one", "two"):
        sampan.run("run", "-d", "--net=none", "--name", name, "-v", "scratch:/s", "bb:1", "sleep", "100")
    sampan.run("exec", "one", "sh", "-c", "echo shared > /s/file")
    assert sampan.run("exec", "two", "cat", "/s/file") == "shared"
    for name in ("one", "two"):
        sampan.run("rm", "-f", name)
    where = sampan.run("volume", "inspect", "-f", "{{.Mountpoint}}", "scratch")
    assert list(Path(where).iterdir()) == []
    sampan.run("volume", "rm", "scratch")


def test_an_image_is_mounted(sampan: Sampan) -> None:
    sampan.run("run", "--name", "maker", "--net=none", "bb:1", "sh", "-c", "mkdir -p /a/b && echo made > /a/b/file")
    sampan.run("commit", "maker", "assets:1")
    sampan.run("rm", "maker")
    whole, part = "type=image,src=assets:1,dst=/m", "type=image,source=assets:1,target=/p,image-subpath=a/b/file"
    sampan.run("run", "-d", "--net=none", "--name", "c1", "--mount", whole, "--mount", part, "bb:1", "sleep", "100")
    assert sampan.run("exec", "c1", "cat", "/m/a/b/file", "/p") == "made\nmade"
    for words in (("touch", "/m/new"), ("rm", "/m/a/b/file")):
        assert "Read-only file system" in sampan.fails("exec", "c1", *words, code=1)
    # Who is privileged may lift that, and still changes no image.
    script = "mount -o remount,rw,bind /m && echo other > /m/a/b/file && cat /m/a/b/file"
    words = ("run", "--rm", "--net=none", "--privileged", "--mount", whole, "bb:1", "sh", "-c", script)
    assert [sampan.run(*words), sampan.run("exec", "c1", "cat", "/p")] == ["other", "made"]
    (shown,) = json.loads(sampan.run("inspect", "c1"))
    identity = sampan.run("image", "inspect", "-f", "{{.Id}}", "assets:1")
    mount = {"Type": "image", "Name": "assets:1", "Source": identity, "Mode": "", "RW": False, "Propagation": ""}
    assert sorted(shown["Mounts"], key=lambda one: one["Destination"]) == [
        {**mount, "Destination": "/m"}, {**mount, "Destination": "/p"}]
    assert shown["HostConfig"]["Mounts"] == [
        {"Type": "image", "Source": "assets:1", "Target": "/m"},
        {"Type": "image", "Source": "assets:1", "Target": "/p", "ImageOptions": {"Subpath": "a/b/file"}}]
    assert "is using its referenced image" in sampan.fails("rmi", "assets:1")
    sampan.run("stop", "-t", "0", "c1")
    assert "(must be forced) - image is being used by stopped container" in sampan.fails("rmi", identity)
    assert sampan.run("image", "prune", "-af").endswith("0B")
    sampan.run("start", "c1")
    assert sampan.run("exec", "c1", "cat", "/p") == "made"
    sampan.run("stop", "-t", "0", "c1")
    sampan.run("rmi", "-f", identity)
    sampan.run("start", "c1")  # what it mounts it keeps
    assert sampan.run("exec", "c1", "cat", "/p") == "made"
    assert sampan.run("system", "check") == "The store is sound"
    sampan.run("rm", "-f", "c1")
    assert sampan.run("system", "check") == "The store is sound"
    for mount_flag, told in {
        "type=image,src=assets:1,dst=/m": "No such image: assets:1",
        "type=image,src=bb:1,dst=/m,image-subpath=../etc":
            'invalid mount config for type "image": subpath must be a relative path within the volume',
    }.items():
        assert sampan.fails("run", "--rm", "--net=none", "--mount", mount_flag, "bb:1", "true", code=125) == told
    nowhere = "type=image,src=bb:1,dst=/m,image-subpath=none"
    assert sampan.fails("run", "--rm", "--net=none", "--mount", nowhere, "bb:1", "true", code=127) == (
        "cannot access path none of image bb:1: no such file or directory")
    assert sampan.run("ps", "-aq") == ""


def test_a_plugin_of_dockers_that_goes_away_holds_no_container_up(sampan: Sampan) -> None:
    sockets = sampan.directory / "s"
    sockets.mkdir()
    with sampan.config.open("a") as config:
        config.write(f'[options."volumes/docker-plugin"]\nsockets = "{sockets}"\n')
    with volume_plugin(sockets / "plug.sock", sampan.directory / "plug", "global") as plugin:
        sampan.run("volume", "create", "-d", "plug", "-o", "color=red", "data")
        sampan.run("run", "--rm", "--net=none", "-v", "data:/d", "bb:1", "sh", "-c", "echo kept > /d/file")
        assert sampan.run("volume", "ls", "--format", "{{.Driver}} {{.Name}} {{.Scope}}") == "plug data global"
        sampan.run("run", "-d", "--net=none", "--name", "user", "-v", "data:/d", "bb:1", "sleep", "100")
        assert sampan.run("exec", "user", "cat", "/d/file") == "kept"
        plugin.kill()
        (sockets / "plug.sock").unlink()
        sampan.run("rm", "-f", "user")
        assert sampan.run("ps", "-aq") == ""
        assert 'plugin "plug" not found' in sampan.fails("volume", "rm", "data")
    with volume_plugin(sockets / "plug.sock", sampan.directory / "plug"):
        sampan.run("ps")  # carries out what was left to do
        assert sampan.run("volume", "ls", "-q") == ""
