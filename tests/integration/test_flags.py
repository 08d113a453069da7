"""The flags of ``run`` and ``create`` that limit what a container has of the machine, and those that are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _hierarchy(controller):
    """Return a control group's root of a controller, in either version."""
    own = Path("/sys/fs/cgroup", controller)
    return own if own.is_dir() else Path("/sys/fs/cgroup")


def test_parent_and_throttling(sampan):
    parent = f"flags-{os.urandom(4).hex()}"
    device = next(path for path in Path("/dev").iterdir() if path.is_block_device() and path.name.startswith("loop"))
    number = f"{os.major(device.stat().st_rdev)}:{os.minor(device.stat().st_rdev)}"
    try:
        sampan.run("run", "-d", "--net=none", "--name", "c1", "--cgroup-parent", f"/{parent}", "--device-read-bps",
                   f"{device}:1mb", "--device-write-bps", f"{device}:2mb", "--device-read-iops", f"{device}:30",
                   "--device-write-iops", f"{device}:40", "bb:1", "sleep", "100")
        group = _hierarchy("blkio") / parent / sampan.run("inspect", "-f", "{{.Id}}", "c1")
        shown = "".join(file.read_text() for pattern in ("blkio.throttle.*_device", "io.max")
                        for file in sorted(group.glob(pattern)))
        assert number in shown and all(rate in shown for rate in (str(1 << 20), str(2 << 20), "30", "40"))
        assert "c1" not in sampan.run("system", "check")
        sampan.run("rm", "-f", "c1")
        assert not group.exists()
    finally:
        sampan.result("rm", "-f", "c1")
        for path in (*Path("/sys/fs/cgroup").glob(parent), *Path("/sys/fs/cgroup").glob(f"*/{parent}")):
            path.rmdir()


def test_memory(sampan):
    assert sampan.run("run", "--rm", "--net=none", "--oom-score-adj", "500", "bb:1", "cat",
                      "/proc/self/oom_score_adj") == "500"
    done = sampan.result("create", "--name", "c1", "--kernel-memory", "20m", "--oom-kill-disable", "bb:1")
    assert done.stderr.decode().splitlines() == [
        "WARNING: Specifying a kernel memory limit is deprecated and will be removed in a future release.",
        "WARNING: OOM killer is disabled for the container, but no memory limit is set, this can result in the system "
        "running out of resources."]
    sampan.run("create", "--name", "c2", "-m", "20m", "--memory-swappiness", "10", "bb:1")
    form = "{{.HostConfig.MemorySwap}} {{.HostConfig.MemorySwappiness}}"
    assert sampan.run("inspect", "-f", form, "c2") == f"{40 << 20} 10"


def test_devices_by_number(sampan):
    script = "mknod /fuse c 10 200 && (: </fuse) 2>&1; true"
    refused = sampan.run("run", "--rm", "--net=none", "bb:1", "sh", "-c", script)
    assert "Operation not permitted" in refused
    rule = ("--device-cgroup-rule", "c 10:200 rwm")
    allowed = sampan.run("run", "--rm", "--net=none", *rule, "bb:1", "sh", "-c", script)
    assert "Operation not permitted" not in allowed


def test_a_device_that_is_not_there(sampan):
    message = 'error gathering device information while adding custom device "/dev/nosuch": no such file or directory'
    flags = ("--net=none", "--device", "/dev/nosuch", "bb:1", "true")
    assert sampan.fails("run", "--rm", *flags, code=127) == message
    assert sampan.run("ps", "-aq") == ""
    sampan.run("create", "--name", "c1", *flags)
    done = sampan.result("start", "c1")
    lines = [f"Error: {message}", "Error: failed to start containers: c1"]
    assert (done.returncode, done.stderr.decode().splitlines()) == (1, lines)
    form = "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}"
    assert sampan.run("inspect", "-f", form, "c1") == f"created 128 {message}"
    refused = sampan.fails("run", "--rm", "--net=none", "--device", "/etc/passwd", "bb:1", "true", code=125)
    assert refused.endswith('custom device "/etc/passwd": not a device node')


def test_links(sampan):
    sampan.run("run", "-d", "--name", "db", "-e", "A=b", "bb:1", "sleep", "100")
    script = "tail -n 2 /etc/hosts | grep -c 'store.*db'; echo $STORE_NAME $STORE_ENV_A"
    assert sampan.run("run", "--rm", "--name", "app", "--link", "db:store", "bb:1", "sh", "-c", script) == (
        "1\n/app/store b")
    refused = sampan.fails("run", "--link", "db:a:b", "bb:1", code=125)
    assert refused == 'invalid argument "db:a:b" for "--link" flag: bad format for links: db:a:b'
    assert sampan.fails("run", "--rm", "--link", "nosuch:x", "bb:1", "true", code=125) == (
        "could not get container for nosuch: No such container: nosuch")


def test_shared_memory(sampan):
    look = ("bb:1", "sh", "-c", "test -d /dev/shm && stat -f -c %b:%S /dev/shm || echo none")
    size, host = os.statvfs("/dev/shm"), ("run", "--rm", "--net=none", "--ipc")
    assert sampan.run(*host, "none", *look) == "none"
    assert sampan.run(*host, "host", *look) == f"{size.f_blocks}:{size.f_frsize}"
    assert sampan.run(*host, "private", *look) == f"{(64 << 20) // 4096}:4096"
    refused = sampan.fails("run", "--uts", "host", "--hostname", "x", "bb:1", code=125)
    assert refused == "conflicting options: hostname and the UTS mode"


def test_namespaces_of_another(sampan):
    donor = sampan.run("run", "-d", "--net=none", "--name", "d1", "--ipc", "shareable", "bb:1", "sleep", "100")
    sampan.run("exec", "d1", "sh", "-c", "echo told > /dev/shm/x")
    shared = ("run", "--rm", "--net=none", "--pid", "container:d1", "--ipc", "container:d1", "bb:1")
    found = sampan.run(*shared, "sh", "-c", "cat /dev/shm/x; ps").splitlines()
    assert found[0] == "told" and found[2].split() == ["1", "root", "sleep", "100"]
    sampan.run("run", "-d", "--net=none", "--name", "c1", "--pid", "container:d1", "bb:1", "sleep", "100")
    form = "{{.HostConfig.PidMode}} {{.HostConfig.IpcMode}}"
    assert sampan.run("inspect", "-f", form, "c1", "d1") == f"container:{donor} private\n shareable"
    assert "sleep 100" in sampan.run("exec", "c1", "ps")
    refused = sampan.fails("run", "--rm", "--net=none", "--ipc", "container:c1", "bb:1", "true", code=125)
    assert refused.startswith("can't join IPC of container ")
    assert refused.endswith(": non-shareable IPC (hint: use IpcMode:shareable for the donor container)")
    sampan.run("rm", "-f", "d1")
    sampan.until("c1", "exited")
    assert sampan.run("inspect", "-f", "{{.State.ExitCode}}", "c1") == "137"


def test_exposed_ports_are_data(sampan):
    sampan.run("create", "--name", "c1", "--expose", "80", "--expose", "90-91/udp", "bb:1")
    assert sampan.run("inspect", "-f", "{{json .Config.ExposedPorts}}", "c1") == (
        '{"80/tcp":{},"90/udp":{},"91/udp":{}}')
    assert sampan.run("ps", "-a", "--filter", "expose=91/udp", "--format", "{{.Names}}") == "c1"


@pytest.mark.parametrize(("flag", "value", "message"), [
    ("--blkio-weight", "5", "Range of blkio weight is from 10 to 1000"),
    ("--cpuset-cpus", "0,9999", "Requested CPUs are not available - requested 0,9999"),
    ("--device-read-bps", "/dev/null:1mb", "/dev/null is not a block device"),
    ("--gpus", "all", 'could not select device driver "" with capabilities: [[gpu]]'),
    ("--ipc", "container:x", "No such container: x"),
    ("--memory-swappiness", "101", "Valid memory swappiness range is 0-100"),
    ("--oom-score-adj", "1001", "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
    ("--pid", "container:x", "No such container: x"),
    ("--pid", "container:", "--pid: invalid PID mode"),
    ("--storage-opt", "size=1g", "--storage-opt is not supported by the storage driver"),
    ("--userns", "private", "--userns: invalid USER mode"),
])
def test_what_cannot_be_had_is_refused(sampan, flag, value, message):
    assert message in sampan.fails("run", "--rm", "--net=none", flag, value, "bb:1", "true", code=125)


def test_a_name_of_two_lines_makes_one_of_the_message(sampan):
    assert sampan.fails("create", "--name", "a\nb", "bb:1").startswith("Invalid container name (a b), only ")


@pytest.mark.parametrize(("flag", "message"), [
    ("--runtime", 'no runtime named "nope"'), ("--log-driver", 'no log driver named "nope"'),
])
def test_a_driver_that_is_not_there_is_refused_at_once(sampan, flag, message):
    assert message in sampan.fails("create", flag, "nope", "bb:1")
    assert sampan.run("ps", "-aq") == ""
