"""Show a container as Docker's ``inspect`` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine import confinement, networking, timestamps
from sampan.errors import SampanError
from sampan.model.network import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.engine.engine import Engine
    from sampan.model.container import Container, DeviceLimit, Volume

_NEVER = "0001-01-01T00:00:00Z"
_DEFAULT_SHM = 64 << 20


def inspect_container(engine: Engine, text: str, *, size: bool = False) -> dict[str, Any]:
    """Return Docker's document of a container; members that Sampan has no meaning for are left out.

    With ``size`` it tells what the container takes of the disk.
    """
    container = engine.container(text)
    spec = container.spec
    files = engine.layout.container(container.id)
    return {
        "Id": container.id,
        "Created": timestamps.written(container.created),
        "Path": container.path,
        "Args": list(container.args),
        "State": _state(engine, container),
        "Image": container.image_id,
        "ResolvConfPath": f"{files}/resolv.conf",
        "HostnamePath": f"{files}/hostname",
        "HostsPath": f"{files}/hosts",
        "LogPath": _existing(f"{files}/{container.id}-json.log"),
        "Name": f"/{container.name}",
        "RestartCount": container.restarts,
        "Driver": container.storage_driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": _host_config(container),
        "GraphDriver": {"Name": container.storage_driver, "Data": _mount_data(engine, container)},
        **(_sizes(engine, container) if size else {}),
        "Mounts": [_mount(engine, volume) for volume in spec.volumes],
        "Config": _config(container),
        "NetworkSettings": _network_settings(container),
    }


def _state(engine: Engine, container: Container) -> dict[str, Any]:
    status = str(container.status)
    return {
        "Status": status,
        "Running": container.alive,
        "Paused": status == "paused",
        "Restarting": status == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": status == "dead",
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": _moment(container.started),
        "FinishedAt": _moment(container.finished),
        **({"Health": _health(engine, container)} if container.health else {}),
    }


def _health(engine: Engine, container: Container) -> dict[str, Any]:
    from sampan.engine import health

    found = health.results(engine, container)
    return {"Status": container.health, **msgspec.to_builtins(found)}


def _host_config(container: Container) -> dict[str, Any]:
    spec, limits = container.spec, container.spec.limits
    return {
        "ContainerIDFile": "",
        "Binds": [_bind(volume) for volume in spec.volumes if volume.kind != "tmpfs"] or None,
        "LogConfig": {"Type": container.log_driver, "Config": dict(spec.log_options)},
        "NetworkMode": spec.network,
        "PortBindings": {},
        "RestartPolicy": {"Name": spec.restart.name, "MaximumRetryCount": spec.restart.retries},
        "AutoRemove": spec.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": None,
        "CapAdd": list(spec.cap_add) or None,
        "CapDrop": list(spec.cap_drop) or None,
        "CgroupnsMode": spec.cgroup_mode or "private",
        "Dns": list(spec.dns),
        "DnsOptions": list(spec.dns_options),
        "DnsSearch": list(spec.dns_search),
        "ExtraHosts": list(spec.extra_hosts) or None,
        "GroupAdd": list(spec.group_add) or None,
        "IpcMode": spec.ipc_mode or "private",
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": spec.oom_score_adj,
        "PidMode": spec.pid_mode,
        "Privileged": spec.privileged,
        "PublishAllPorts": False,
        "ReadonlyRootfs": spec.read_only,
        "SecurityOpt": list(spec.security_options) or None,
        "Tmpfs": {v.target: ",".join(v.options) for v in spec.volumes if v.kind == "tmpfs"},
        "UTSMode": spec.uts_mode,
        "UsernsMode": spec.userns_mode,
        "ShmSize": spec.shm_size or _DEFAULT_SHM,
        "Sysctls": dict(spec.sysctls),
        "Runtime": container.runtime,
        "Init": spec.init,
        "Isolation": "",
        "CgroupParent": spec.cgroup_parent,
        "CpuShares": limits.cpu_shares,
        "Memory": limits.memory,
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": limits.memory_and_swap,
        "MemorySwappiness": limits.swappiness,
        "KernelMemory": limits.kernel_memory,
        "OomKillDisable": limits.oom_kill_disable,
        "NanoCpus": limits.cpu_quota * 1_000_000_000 // limits.cpu_period if limits.cpu_period else 0,
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpuRealtimePeriod": limits.cpu_rt_period,
        "CpuRealtimeRuntime": limits.cpu_rt_runtime,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "BlkioWeight": limits.blkio_weight,
        "BlkioWeightDevice": _device_limits(limits.blkio_weight_devices, "Weight"),
        "BlkioDeviceReadBps": _device_limits(limits.read_bps),
        "BlkioDeviceWriteBps": _device_limits(limits.write_bps),
        "BlkioDeviceReadIOps": _device_limits(limits.read_iops),
        "BlkioDeviceWriteIOps": _device_limits(limits.write_iops),
        "Devices": [_device(request) for request in spec.devices],
        "DeviceCgroupRules": list(spec.device_rules) or None,
        "DeviceRequests": None,
        "PidsLimit": limits.pids or None,
        "Ulimits": [{"Name": one.name, "Hard": one.hard, "Soft": one.soft} for one in spec.ulimits],
        "MaskedPaths": None if spec.privileged else list(confinement.MASKED_PATHS),
        "ReadonlyPaths": None if spec.privileged else list(confinement.READONLY_PATHS),
    }


def _device_limits(limits: Iterable[DeviceLimit], what: str = "Rate") -> list[dict[str, Any]]:
    return [{"Path": limit.path, what: limit.amount} for limit in limits]


def _device(request: str) -> dict[str, str]:
    source, target, access = confinement.parse_device(request)
    return {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": access}


def _config(container: Container) -> dict[str, Any]:
    spec = container.spec
    return {
        "Hostname": networking.hostname(container),
        "Domainname": spec.domainname,
        "User": spec.user,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        **({"ExposedPorts": {port: {} for port in spec.exposed_ports}} if spec.exposed_ports else {}),
        "Tty": spec.terminal,
        "OpenStdin": spec.open_stdin,
        "StdinOnce": spec.stdin_once,
        "Env": list(spec.env),
        "Cmd": list(spec.command) or None,
        "Image": spec.image,
        "Volumes": None,
        "WorkingDir": spec.workdir,
        "Entrypoint": list(spec.entrypoint) if spec.entrypoint else None,
        "OnBuild": None,
        "Labels": dict(spec.labels),
        **({"StopSignal": spec.stop_signal} if spec.stop_signal else {}),
        **({"Healthcheck": msgspec.to_builtins(spec.health)} if spec.health else {}),
        **({"Shell": list(spec.shell)} if spec.shell else {}),
        **({"StopTimeout": spec.stop_timeout} if spec.stop_timeout is not None else {}),
    }


def _network_settings(container: Container) -> dict[str, Any]:
    endpoints = container.endpoints if container.alive else ()
    first = endpoints[0] if endpoints else Endpoint(network="", driver="")
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": f"/proc/{container.pid}/ns/net" if container.pid else "",
        "Ports": {},
        **_addresses(first),
        "Networks": {
            endpoint.network: {"NetworkID": endpoint.network, **_addresses(endpoint)} for endpoint in endpoints
        } or {container.spec.network: {"NetworkID": "", **_addresses(Endpoint(network="", driver=""))}},
    }


def _addresses(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.prefix,
        "MacAddress": endpoint.mac,
        "EndpointID": "",
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
    }


def _bind(volume: Volume) -> str:
    return f"{volume.source}:{volume.target}" + (":ro" if volume.read_only else "")


def _mount(engine: Engine, volume: Volume) -> dict[str, Any]:
    source, named = volume.source, {}
    if volume.kind == "volume":
        record = engine.store.volumes.find(volume.source)
        named = {"Name": volume.source}
        source = engine.volumes(record.driver).where(record.name) if record else ""
    return {
        "Type": volume.kind,
        **named,
        "Source": source,
        "Destination": volume.target,
        **({"Driver": record.driver if record else volume.driver} if named else {}),
        "Mode": ",".join((*(["ro"] if volume.read_only else []), *volume.options)),
        "RW": not volume.read_only,
        "Propagation": "rprivate" if volume.kind == "bind" else "",
    }


def _mount_data(engine: Engine, container: Container) -> dict[str, str]:
    """Return what the driver's mounts say of themselves, in Docker's names."""
    data: dict[str, str] = {}
    try:
        mounts = engine.storage(container.storage_driver).mounts(container.id)
    except SampanError:
        return data  # half made or half removed, or by a driver that is not there: the rest can be told
    for mount in mounts:
        for option in mount.options:
            key, equals, value = option.partition("=")
            if equals and key.endswith("dir"):
                data[f"{key[:-3].capitalize()}Dir"] = value
    return data


def _sizes(engine: Engine, container: Container) -> dict[str, int]:
    from sampan.engine import disk_usage

    size = disk_usage.container_size(engine, container)
    return {"SizeRw": size.own, "SizeRootFs": size.whole}


def _existing(path: str) -> str:
    return path if os.path.exists(path) else ""


def _moment(seconds: float) -> str:
    return timestamps.written(seconds) if seconds else _NEVER
