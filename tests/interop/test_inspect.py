"""``inspect`` shows what Docker's shows, member by member: of the same images, and containers with the same flags."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.containers import image_tar
from tests.integration.sampan import Sampan
from tests.services.docker import Docker

_FULL = """FROM inspect:bare
ENTRYPOINT ["sh", "-c"]
CMD ["id"]
ENV A=1
USER alice
WORKDIR /home/alice
EXPOSE 80 90/udp
VOLUME /v1 /v2
LABEL a=1 b=2
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=3s --retries=2 CMD true
ONBUILD RUN x
"""
_FLAGS: dict[str, tuple[str, str]] = {
    "nothing": ("", "bare"), "the image's": ("", "full"), "a terminal": ("-it", "bare"), "input": ("-i", "bare"),
    "streams": ("-i -a stdin -a stderr", "bare"),
    "-v": ("-v /v3 -v BIND:/t:ro -v named:/v1 --tmpfs /x:size=2m", "full"),
    "--mount": (
        "--mount type=volume,dst=/m,src=other,volume-nocopy,readonly --mount type=volume,dst=/anonymous "
        "--mount type=bind,src=BIND,dst=/b,readonly,bind-propagation=private "
        "--mount type=bind,src=BIND,dst=/alone,bind-nonrecursive "
        "--mount type=tmpfs,dst=/tm,tmpfs-size=1m,tmpfs-mode=1770", "bare",
    ),
    "others' volumes": ("--volumes-from source:ro --volume-driver local", "bare"),
    "ports and labels": ("--expose 100-102 --expose 53/udp -l a=9 -l c -e A=2", "full"),
    "how to end": ("--stop-signal SIGUSR1 --stop-timeout 3 --rm --init --read-only", "full"),
    "another check": ("--health-cmd x --health-timeout 2s --health-start-period 1s", "full"),
    "no check": ("--no-healthcheck --entrypoint cat", "full"),
    "who and where": ("--entrypoint  -u 0:0 -w /x -h box --domainname d.e --mac-address 02:00:00:00:00:01", "full"),
    "limits": (
        "--memory 64m --cpus 0.5 --pids-limit 50 --cpu-shares 5 --shm-size 5m --ulimit nofile=10:20 --cpuset-cpus 0 "
        "--memory-swappiness 3 --oom-score-adj 5 --restart on-failure:3", "bare",
    ),
    "periods": ("--cpu-period 50000 --cpu-quota 25000 --memory 64m --memory-swap 96m", "bare"),
    "rights": (
        "--cap-add SYS_ADMIN --cap-drop all --security-opt no-new-privileges --group-add 5 --net none "
        "--device /dev/null:/dev/n:r --sysctl net.ipv4.ip_forward=1 --pid host --uts host --ipc host --cgroupns host",
        "bare",
    ),
    "names": ("--dns 192.0.2.1 --dns-search x.y --dns-opt ndots:2 --add-host a:192.0.2.2 --net host", "bare"),
    "logs": ("--log-opt max-size=1m --log-opt max-file=2", "bare"),
}  # fmt: skip
# What is each engine's own: names it made up, its places, its parts.
_OWN = {
    "": {"Id", "Created", "Name", "ResolvConfPath", "HostnamePath", "HostsPath", "GraphDriver"},
    "HostConfig": {"Runtime", "CgroupnsMode", "NetworkMode", "MaskedPaths"},
}


# What templates print of types that JSON does not tell apart.
_PRINTED = "|".join(
    f"{{{{.{name}}}}}" for name in (
        "Config.Cmd", "Config.Entrypoint", "Config.Labels", "Config.ExposedPorts", "Config.Volumes", "Config.OnBuild",
        "HostConfig.LogConfig", "HostConfig.RestartPolicy", "HostConfig.Tmpfs", "HostConfig.CapAdd",
        "HostConfig.CapDrop", "HostConfig.Devices", "HostConfig.PortBindings", "HostConfig.GroupAdd",
        "HostConfig.VolumesFrom", "HostConfig.SecurityOpt", "ExecIDs", "NetworkSettings.Ports",
    )
)  # fmt: skip


class _Both:
    def __init__(self, docker: Docker, sampan: Sampan) -> None:
        self.docker = docker
        self.sampan = sampan

    def run(self, *words: Any) -> None:
        for engine in (self.docker, self.sampan):
            engine.run(*words)

    def inspected(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Return Docker's document, and ours."""
        return [json.loads(engine.run(kind, "inspect", name))[0] for engine in (self.docker, self.sampan)]


@pytest.fixture(scope="module")
def both(docker: Docker) -> Iterator[_Both]:
    """Both engines with the same two images, and a container to take volumes from."""
    directory = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))
    sampan = Sampan(directory)
    found = _Both(docker, sampan)
    archive = directory / "image.tar"
    try:
        docker.run("import", "-", "inspect:bare", stdin=image_tar())
        docker.run("build", "-t", "inspect:full", "-", stdin=_FULL.encode())
        docker.run("save", "-o", archive, "inspect:bare", "inspect:full")
        sampan.run("load", "-q", "-i", archive)
        found.run("create", "--name", "source", "-v", "/anonymous", "-v", f"{directory}:/bound", "inspect:bare", "sh")
        yield found
        sampan.clear()
    finally:
        docker.run("rm", "-v", *docker.run("ps", "-aq").split())
        docker.run("volume", "prune", "-f")
        docker.result("rmi", "inspect:full", "inspect:bare")
        sampan.destroy()
        shutil.rmtree(directory)


@pytest.mark.parametrize("name", ["inspect:bare", "inspect:full"])
def test_an_image(both: _Both, name: str) -> None:
    theirs, ours = both.inspected("image", name)
    assert list(ours) == list(theirs)
    for document in (theirs, ours):
        del document["GraphDriver"], document["Metadata"], document["Parent"]  # which is not in an archive
    assert ours == theirs


@pytest.mark.parametrize("case", _FLAGS)
def test_a_container(both: _Both, case: str) -> None:
    flags, image = _FLAGS[case]
    name = f"case{list(_FLAGS).index(case)}"
    words = flags.replace("BIND", str(both.sampan.directory)).split(" ") if flags else []
    both.run("create", "--name", name, *words, f"inspect:{image}", "sh")
    theirs, ours = both.inspected("container", name)
    assert [list(ours), list(ours["Config"])] == [list(theirs), list(theirs["Config"])]
    assert _comparable(ours) == _comparable(theirs)
    printed = [engine.run("inspect", "-f", _PRINTED, name) for engine in (both.docker, both.sampan)]
    assert printed[1] == printed[0]


def _comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document less what is each engine's own, and with what has no order in one of its own."""
    found = {key: value for key, value in document.items() if key not in _OWN[""]}
    host = found["HostConfig"] = {k: v for k, v in document["HostConfig"].items() if k not in _OWN["HostConfig"]}
    host["Binds"] = sorted(host["Binds"] or ())
    config = found["Config"]
    config["Env"] = sorted(config["Env"] or ())
    if config["Hostname"] == document["Id"][:12]:
        del config["Hostname"]
    for network in found["NetworkSettings"]["Networks"].values():
        network.pop("GwPriority", None)  # which Docker shows since 28
    found["Mounts"] = sorted(map(_mount, document["Mounts"]), key=lambda mount: str(mount["Destination"]))
    return found


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    found = dict(mount)
    if mount["Type"] == "volume":
        del found["Source"]
    if len(mount.get("Name", "")) == 64:
        del found["Name"]
    if mount["Propagation"] == "rslave":
        found["Propagation"] = "rprivate"  # Docker's where its own directory is below the source
    return found


def test_published_ports(both: _Both) -> None:
    told = []
    for engine in (both.docker, both.sampan):
        first = _free_ports(3)
        flags = [
            "-p", f"0.0.0.0:{first}-{first + 1}:80-81", "-p", f"127.0.0.1:{first + 2}:53/udp", "-p", "0.0.0.0::83",
            "--expose", "90", "--expose", "91-93/udp",
        ]  # fmt: skip - IPv6 is not for an engine without its proxy
        engine.run("run", "-d", "--name", "published", *flags, "inspect:bare", "sleep", "100")
        words = (
            ("port", "published"), ("port", "published", "80"), ("port", "published", "53/udp"),
            ("ps", "-f", "name=published", "--format", "{{.Ports}}"),
            ("inspect", "-f", "{{json .NetworkSettings.Ports}}", "published"),
            ("inspect", "-f", "{{json .HostConfig.PortBindings}}", "published"),
            ("inspect", "-f", "{{json .Config.ExposedPorts}}", "published"),
        )
        # Which ports these are is each engine's own: five digits.
        told.append([sorted(re.sub(r"\b\d{5}\b", "PORT", engine.run(*one)).splitlines()) for one in words])
        engine.run("rm", "-f", "published")
    assert told[1] == told[0]


def _free_ports(count: int) -> int:
    """Return the first of some ports in a row at which nobody listened a moment ago, above those given at will."""
    start = 61000 + os.getpid() % 4000
    return next(
        first for first in range(start, 65000, count)
        if not any(_is_taken(port) for port in range(first, first + count))
    )


def _is_taken(port: int) -> bool:
    try:
        with socket.create_server(("", port)):
            return False
    except OSError:
        return True
