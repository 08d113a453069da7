"""Tests of the document that ``inspect`` shows of a container: Docker's members, of Docker's types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.core.engine.containers import IMAGE, Bench

from sampan.model.container import DeviceLimit, Limits, Status, Ulimit, Volume

# What Docker 20.10 shows of a container, less what only Windows or only its swarm have.
_MEMBERS = {
    "": "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver "
        "Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config NetworkSettings",
    "State": "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt",
    "HostConfig": "Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver "
        "VolumesFrom CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links "
        "OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode UsernsMode ShmSize Runtime "
        "Isolation CpuShares Memory NanoCpus CgroupParent CpuPeriod CpuQuota CpusetCpus CpusetMems Devices "
        "MemoryReservation MemorySwap PidsLimit Ulimits MaskedPaths ReadonlyPaths",
    "Config": "Hostname Domainname User AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce Env Cmd Image "
        "Volumes WorkingDir Entrypoint OnBuild Labels",
    "NetworkSettings": "Bridge SandboxID SandboxKey Ports EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen "
        "IPAddress IPPrefixLen IPv6Gateway MacAddress Networks",
}


def test_members(bench: Bench) -> None:
    document = bench.engine.inspect_container(bench.start("sleep", "100", network="bridge").id)
    for path, names in _MEMBERS.items():
        part = document[path] if path else document
        assert set(names.split()) <= set(part), (path, set(names.split()) - set(part))


def test_a_running_container(bench: Bench) -> None:
    container = bench.start("sleep", "100", network="bridge", name="shown", env=("A=b",), labels={"k": "v"})
    document: dict[str, Any] = bench.engine.inspect_container("shown")
    assert document["Name"] == "/shown" and document["Id"] == container.id
    assert (document["Path"], document["Args"]) == ("sleep", ["100"])
    state = document["State"]
    assert (state["Status"], state["Running"], state["Pid"]) == ("running", True, container.pid)
    assert state["StartedAt"] > document["Created"] > "2020" and state["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert document["Config"]["Image"] == IMAGE and document["Config"]["Cmd"] == ["sleep", "100"]
    assert document["Config"]["Env"] == ["A=b"] and document["Config"]["Labels"] == {"k": "v"}
    assert document["Config"]["Hostname"] == container.short_id
    (endpoint,) = container.endpoints
    network = document["NetworkSettings"]
    assert network["IPAddress"] == network["Networks"]["bridge"]["IPAddress"] == endpoint.address != ""
    assert network["SandboxKey"] == f"/proc/{container.pid}/ns/net" and len(network["SandboxID"]) == 64
    assert document["GraphDriver"]["Name"] == "overlay2"
    assert set(document["GraphDriver"]["Data"]) == {"LowerDir", "UpperDir", "WorkDir"}


def test_an_ended_container(bench: Bench) -> None:
    bench.run("sh", "-c", "exit 3", name="ended")
    document = bench.engine.inspect_container("ended")
    state = document["State"]
    assert (state["Status"], state["Running"], state["Pid"], state["ExitCode"]) == ("exited", False, 0, 3)
    assert state["FinishedAt"] >= state["StartedAt"] > "2020"
    assert document["NetworkSettings"]["SandboxKey"] == document["NetworkSettings"]["SandboxID"] == ""
    assert Path(document["LogPath"]).parent == Path(document["HostsPath"]).parent


def test_what_was_asked_for(bench: Bench, tmp_path: Path) -> None:
    container = bench.create(
        "true", volumes=(Volume(kind="bind", source=str(tmp_path), target="/data", read_only=True),
                         Volume(kind="tmpfs", target="/scratch", options=("size=1m",))),
        limits=Limits(memory=1 << 20, nano_cpus=500_000_000, pids=9), cap_add=("NET_ADMIN",),
        ulimits=(Ulimit("nofile", 10, 20),), read_only=True, entrypoint=("/bin/sh", "-c"), user="alice", workdir="/tmp",
        stop_signal="INT", stop_timeout=3, hostname="named", auto_remove=True,
    )
    document = bench.engine.inspect_container(container.id)
    host, config = document["HostConfig"], document["Config"]
    assert host["Binds"] == [f"{tmp_path}:/data:ro"] and host["Tmpfs"] == {"/scratch": "size=1m"}
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (1 << 20, 500_000_000, 9)
    assert host["CapAdd"] == ["NET_ADMIN"] and host["CapDrop"] is None
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 20, "Soft": 10}]
    assert host["ReadonlyRootfs"] and host["AutoRemove"] and not host["Privileged"]
    assert (config["Entrypoint"], config["User"], config["WorkingDir"]) == (["/bin/sh", "-c"], "alice", "/tmp")
    assert (config["StopSignal"], config["StopTimeout"], config["Hostname"]) == ("INT", 3, "named")
    bind = document["Mounts"][0]
    assert (bind["Type"], bind["Source"], bind["Destination"], bind["Mode"], bind["RW"]) == (
        "bind", str(tmp_path), "/data", "ro", False)


def test_what_is_half_removed_can_still_be_shown(bench: Bench) -> None:
    container = bench.create("true")
    bench.engine.storage().remove(container.id)
    bench.engine.store.containers.update(container.id, status=Status.REMOVING)
    assert bench.engine.inspect_container(container.id)["State"]["Status"] == "removing"
    bench.engine.store.containers.update(container.id, status=Status.CREATED)


def test_info(bench: Bench) -> None:
    bench.start("sleep", "100")
    bench.create("true")
    document = bench.engine.info()
    assert (document["Containers"], document["ContainersRunning"], document["ContainersStopped"]) == (2, 1, 1)
    assert document["Images"] == 1 and document["Driver"] == "overlay2" and document["NCPU"] >= 1
    assert document["RootDir"] == bench.engine.layout.root and "native" in document["Runtimes"]
    assert {"bridge", "host", "none"} <= set(document["Plugins"]["Network"])


def test_limits_of_the_machine(bench: Bench) -> None:
    one = (DeviceLimit("/dev/loop0", 20),)
    container = bench.create(
        "true", devices=("/dev/null:/dev/nil:r",), device_rules=("c 1:3 r",), oom_score_adj=7,
        cgroup_parent="/sampan/a", exposed_ports=("80/tcp",), userns_mode="host", limits=Limits(
            memory=1 << 20, swappiness=0, oom_kill_disable=True, kernel_memory=5, cpu_rt_period=10, cpu_rt_runtime=6,
            blkio_weight=30, blkio_weight_devices=one, read_bps=one, write_bps=one, read_iops=one, write_iops=one),
    )
    document = bench.engine.inspect_container(container.id)
    host = document["HostConfig"]
    assert (host["MemorySwap"], host["MemorySwappiness"], host["OomKillDisable"], host["KernelMemory"]) == (
        2 << 20, 0, True, 5)
    assert (host["CpuRealtimePeriod"], host["CpuRealtimeRuntime"], host["BlkioWeight"]) == (10, 6, 30)
    assert host["BlkioWeightDevice"] == [{"Path": "/dev/loop0", "Weight": 20}]
    for name in ("ReadBps", "WriteBps", "ReadIOps", "WriteIOps"):
        assert host[f"BlkioDevice{name}"] == [{"Path": "/dev/loop0", "Rate": 20}]
    assert host["Devices"] == [
        {"PathOnHost": "/dev/null", "PathInContainer": "/dev/nil", "CgroupPermissions": "r"}]
    assert (host["DeviceCgroupRules"], host["OomScoreAdj"]) == (["c 1:3 r"], 7)
    assert (host["CgroupParent"], host["UsernsMode"]) == ("/sampan/a", "host")
    assert document["Config"]["ExposedPorts"] == {"80/tcp": {}}
