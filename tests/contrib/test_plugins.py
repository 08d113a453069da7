"""What contrib's distributions are good for, each as a user would use it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.contrib.conftest import CONTRIB
from tests.integration.sampan import PATIENCE, Sampan

_CERTIFICATES = "-----BEGIN CERTIFICATE-----\nhouse\n-----END CERTIFICATE-----\n"


def _programs(name: str) -> int:
    found = subprocess.run(["pgrep", "-fc", name], capture_output=True, text=True)
    return int(found.stdout)


def _fetched(address: str) -> bytes:
    """Ask a web server that may be about to start."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection((address, 80), PATIENCE) as client:
                client.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
                return client.makefile("rb").read().partition(b"\r\n\r\n")[2]
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_fuse_overlayfs_runs_containers_and_no_program_outlives_them(sampan: Sampan) -> None:
    fuse = ("--storage-driver", "fuse-overlayfs")
    change = "rm /etc/group; echo 1 >/file; mount | head -1"
    seen = sampan.run(*fuse, "run", "--name", "kept", "bb:1", "sh", "-c", change)
    assert seen.startswith("fuse-overlayfs on / type fuse.fuse-overlayfs")
    assert sampan.run("diff", "kept").splitlines() == ["C /etc", "D /etc/group", "A /file"]
    sampan.run("commit", "kept", "bb:2")
    look = "cat /file; test ! -e /etc/group && echo gone"
    assert sampan.run(*fuse, "run", "--rm", "bb:2", "sh", "-c", look) == "1\ngone"
    sampan.run(*fuse, "run", "-d", "--name", "lives", "bb:1", "sleep", "60")
    assert _programs(f"lowerdir={sampan.root}") == 1
    sampan.run("rm", "-f", "lives", "kept")
    assert _programs(f"lowerdir={sampan.root}") == 0


def test_ptp_leads_to_containers_without_a_bridge(sampan: Sampan) -> None:
    number = int.from_bytes(os.urandom(1), "big")
    with sampan.config.open("a") as config:
        config.write(f'[options."network/ptp"]\nsubnet = "10.97.{number}.0/24"\n')
    serve = "echo hello >/index.html; httpd -f -h /"
    sampan.run("run", "-d", "--name", "web", "--net", "ptp", "bb:1", "sh", "-c", serve)
    shown = sampan.run("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}", "web")
    address, gateway = shown.split()
    assert (address.rpartition(".")[0], gateway) == (f"10.97.{number}", "169.254.1.1")
    assert _fetched(address) == b"hello\n"
    assert "default via 169.254.1.1" in sampan.run("exec", "web", "ip", "route")
    sampan.run("rm", "-f", "web")
    assert sampan.fails("run", "--net", "ptp", "-p", "80", "bb:1", "true", code=125)


def test_oci_layout_is_pushed_to_and_pulled_from(sampan: Sampan, tmp_path: Path) -> None:
    with sampan.config.open("a") as config:
        config.write(f'[options."registries/oci-layout"]\npath = "{tmp_path}/layouts"\n')
        config.write('[registries."house.example"]\ndriver = "oci-layout"\n')
    layout = ("--registry-driver", "oci-layout")
    sampan.run("tag", "bb:1", "team/app:1")
    sampan.run("tag", "bb:1", "house.example/app:2")
    before = sampan.run("inspect", "-f", "{{.Id}}", "team/app:1")
    sampan.run(*layout, "push", "-q", "team/app:1")
    sampan.run("push", "-q", "house.example/app:2")  # by the driver that is for this host
    made = f"oci:{tmp_path}/layouts/docker.io/team/app:1"
    seen = subprocess.run(["skopeo", "inspect", "--raw", "--config", made], capture_output=True, check=True)
    assert json.loads(seen.stdout)["config"]["Cmd"] == ["sh"]
    sampan.run("rmi", "-f", before)
    assert sampan.result(*layout, "run", "--rm", "team/app:1", "echo", "fetched").stdout == b"fetched\n"
    sampan.run("pull", "-q", "house.example/app:2")
    assert sampan.run("inspect", "-f", "{{.Id}}", "house.example/app:2") == before
    assert "has no tag 9" in sampan.fails(*layout, "pull", "-q", "team/app:9")
    subprocess.run(["skopeo", "copy", "-q", made, f"oci:{tmp_path}/one:7"], check=True)
    sampan.config.write_text(f'[options."registries/oci-layout"]\npath = "{tmp_path}/one"\n')
    sampan.run(*layout, "pull", "-q", "whatever:7")  # a layout of its own serves any name


def test_squashfs_is_exported_and_imported(sampan: Sampan, tmp_path: Path) -> None:
    sampan.run("run", "--name", "box", "bb:1", "sh", "-c", "echo 1 >/file; chown alice /file")
    sampan.run("export", "--format-driver", "squashfs", "-o", tmp_path / "box", "box")
    look = ["unsquashfs", "-lln", tmp_path / "box", "file"]
    assert b"1000/0" in subprocess.run(look, capture_output=True, check=True).stdout
    sampan.run("import", tmp_path / "box", "bb:2")
    assert sampan.run("run", "--rm", "bb:2", "stat", "-c", "%U %s", "/file") == "alice 2"


def test_trace_tells_where_the_time_went(sampan: Sampan, tmp_path: Path) -> None:
    done = sampan.result("run", "--rm", "--net", "none", "bb:1", "echo", "hello", env={"SAMPAN_TRACE": "1"})
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    seen = [re.sub(r"^ +[\d.]+ ms +", "", line) for line in done.stderr.decode().splitlines()]
    assert seen[0] == "1  sampan run"
    assert {"1    storage/overlay2 prepare", "1    network/none connect", "1    runtimes/native create"} <= set(seen)
    assert sampan.fails("inspect", "nobody", env={"SAMPAN_TRACE": str(tmp_path / "trace")}).endswith("nobody")
    assert "sampan inspect" in (tmp_path / "trace").read_text()


def test_corporate_ca_is_trusted_in_every_container(sampan: Sampan, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(_CERTIFICATES)
    with sampan.config.open("a") as config:
        config.write(f'[options."extensions/corporate-ca"]\nbundle = "{tmp_path}/ca.pem"\n')
    sampan.run("run", "-d", "--name", "box", "bb:1", "sleep", "60")
    assert sampan.run("exec", "box", "sh", "-c", "cat $SSL_CERT_FILE") + "\n" == _CERTIFICATES
    assert sampan.result("exec", "box", "sh", "-c", "echo >/etc/ssl/certs/ca-certificates.crt").returncode == 1
    (tmp_path / "ca.pem").unlink()
    assert "no CA bundle" in sampan.fails("run", "--rm", "bb:1", "true", code=125)
    sampan.run("rm", "-f", "box")


def test_the_docker_command_is_sampan(sampan: Sampan, site: Path) -> None:
    docker = [sys.executable, site / "bin/docker"]
    done = subprocess.run([*docker, "run", "--rm", "bb:1", "echo", "hello"], env=sampan.environ, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    done = subprocess.run([*docker, "compose", "up"], env=sampan.environ, capture_output=True)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


def test_the_units_of_systemd_are_sound(tmp_path: Path) -> None:
    for unit in (CONTRIB / "systemd").iterdir():
        # It wants to find the program that the unit starts.
        text = unit.read_text().replace("/usr/local/bin/sampan", "/bin/true")
        (tmp_path / unit.name).write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True)
        assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])
