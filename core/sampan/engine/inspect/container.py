"""Show a container as Docker's ``inspect`` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine import confinement, exec_, links, networking, ports, timestamps
from sampan.engine.inspect import mounts as inspect_mounts
from sampan.engine.sharing import SHARED
from sampan.errors import SampanError
from sampan.model.network import Connection, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.engine.engine import Engine
    from sampan.model.container import Container, ContainerSpec, DeviceLimit, Limits

_NEVER = "0001-01-01T00:00:00Z"
_DEFAULT_SHM = 64 << 20
_NOWHERE = Endpoint(network="", driver="")


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
        "ExecIDs": (exec_.running(engine, container.id) or None) if container.alive else None,
        "HostConfig": _host_config(container),
        "GraphDriver": {"Name": container.storage_driver, "Data": _mount_data(engine, container)},
        **(_sizes(engine, container) if size else {}),
        "Mounts": inspect_mounts.mounted(engine, spec.volumes),
        "Config": config(engine, container),
        "NetworkSettings": _network_settings(engine, container),
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
    mounts = inspect_mounts.asked_for(spec)
    return {
        "Binds": mounts.pop("Binds"),
        "ContainerIDFile": "",
        "LogConfig": {"Type": container.log_driver, "Config": dict(spec.log_options)},
        "NetworkMode": spec.network,
        "PortBindings": ports.asked(spec),
        "RestartPolicy": {"Name": spec.restart.name, "MaximumRetryCount": spec.restart.retries},
        "AutoRemove": spec.auto_remove,
        "VolumeDriver": spec.volume_driver,
        "VolumesFrom": list(spec.volumes_from) or None,
        **mounts,
        **({"Annotations": dict(spec.annotations)} if spec.annotations else {}),
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
        "Links": links.shown(container) or None,
        "OomScoreAdj": spec.oom_score_adj,
        "PidMode": spec.pid_mode,
        "Privileged": spec.privileged,
        "PublishAllPorts": spec.publish_all,
        "ReadonlyRootfs": spec.read_only,
        "SecurityOpt": _security_options(spec) or None,
        "UTSMode": spec.uts_mode,
        "UsernsMode": spec.userns_mode,
        "ShmSize": spec.shm_size or _DEFAULT_SHM,
        **({"Sysctls": dict(spec.sysctls)} if spec.sysctls else {}),
        "Runtime": container.runtime,
        "ConsoleSize": [0, 0],
        "Isolation": "",
        **_limits(limits),
        "Devices": [_device(request) for request in spec.devices],
        "DeviceCgroupRules": list(spec.device_rules) or None,
        "DeviceRequests": None,
        "Ulimits": [{"Name": one.name, "Hard": one.hard, "Soft": one.soft} for one in spec.ulimits] or None,
        "MaskedPaths": None if spec.privileged else list(confinement.MASKED_PATHS),
        "ReadonlyPaths": None if spec.privileged else list(confinement.READONLY_PATHS),
        "CgroupParent": spec.cgroup_parent,
        **({"Init": True} if spec.init else {}),
    }


def _security_options(spec: ContainerSpec) -> list[str]:
    """Return the options; like Docker, with no label for what has the host's rights or namespaces."""
    unlabelled = spec.privileged or "host" in (spec.pid_mode, spec.ipc_mode)
    labelled = any(option.startswith("label=") for option in spec.security_options)
    return [*spec.security_options, *(["label=disable"] if unlabelled and not labelled else [])]


def _limits(limits: Limits) -> dict[str, Any]:
    """Return what limits the container; the last four would on Windows."""
    return {
        "CpuShares": limits.cpu_shares,
        "Memory": limits.memory,
        "NanoCpus": limits.nano_cpus,
        "BlkioWeight": limits.blkio_weight,
        "BlkioWeightDevice": _device_limits(limits.blkio_weight_devices, "Weight"),
        "BlkioDeviceReadBps": _device_limits(limits.read_bps) or None,
        "BlkioDeviceWriteBps": _device_limits(limits.write_bps) or None,
        "BlkioDeviceReadIOps": _device_limits(limits.read_iops) or None,
        "BlkioDeviceWriteIOps": _device_limits(limits.write_iops) or None,
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpuRealtimePeriod": limits.cpu_rt_period,
        "CpuRealtimeRuntime": limits.cpu_rt_runtime,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "KernelMemory": limits.kernel_memory,
        "KernelMemoryTCP": 0,
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": limits.memory_and_swap,
        "MemorySwappiness": limits.swappiness,
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids or None,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def _device_limits(limits: Iterable[DeviceLimit], what: str = "Rate") -> list[dict[str, Any]]:
    return [{"Path": limit.path, what: limit.amount} for limit in limits]


def _device(request: str) -> dict[str, str]:
    source, target, access = confinement.parse_device(request)
    return {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": access}


def config(engine: Engine, container: Container) -> dict[str, Any]:
    """Return what the container runs: the part of the document that an image has too."""
    spec = container.spec
    return {
        "Hostname": networking.hostname(container, sandboxed=_is_sandboxed(engine, container)),
        "Domainname": spec.domainname,
        "User": spec.user,
        "AttachStdin": "stdin" in spec.attached,
        "AttachStdout": "stdout" in spec.attached,
        "AttachStderr": "stderr" in spec.attached,
        **({"ExposedPorts": {port: {} for port in spec.exposed_ports}} if spec.exposed_ports else {}),
        "Tty": spec.terminal,
        "OpenStdin": spec.open_stdin,
        "StdinOnce": spec.stdin_once,
        "Env": list(spec.env) or None,
        "Cmd": list(spec.command) or None,
        **({"Healthcheck": msgspec.to_builtins(spec.health)} if spec.health else {}),
        "Image": spec.image,
        "Volumes": inspect_mounts.declared(spec),
        "WorkingDir": spec.workdir,
        "Entrypoint": list(spec.entrypoint) if spec.entrypoint else None,
        **({"MacAddress": spec.connections[0].mac} if spec.connections and spec.connections[0].mac else {}),
        "OnBuild": None,
        "Labels": dict(spec.labels),
        **({"StopSignal": spec.stop_signal} if spec.stop_signal else {}),
        **({"StopTimeout": spec.stop_timeout} if spec.stop_timeout is not None else {}),
    }


def _is_sandboxed(engine: Engine, container: Container) -> bool:
    try:
        return engine.network(container.network_driver).capabilities.sandboxed
    except SampanError:
        return True  # by a driver that is not there


def _network_settings(engine: Engine, container: Container) -> dict[str, Any]:
    endpoints = {one.network: one for one in container.endpoints} if container.alive else {}
    networks = {}
    for connection in container.spec.connections:
        network = engine.store.networks.named(connection.network)
        found = endpoints.get(network.id if network else "") or _NOWHERE
        networks[connection.network] = _network(connection, found)
    first = networks.get(container.spec.network, {}) if container.network_driver == container.spec.network else {}
    return {
        "Bridge": "",
        "SandboxID": _sandbox(container),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports.shown(container),
        "SandboxKey": f"/proc/{container.pid}/ns/net" if _sandbox(container) else "",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{name: first.get(name, value) for name, value in _addresses(_NOWHERE).items()},
        "Networks": networks,
    }


def _sandbox(container: Container) -> str:
    """Return an id for the network namespace that a run has or the host gives it, empty where it is a container's."""
    from hashlib import sha256

    if not container.pid or container.spec.network.startswith(SHARED):
        return ""
    return sha256(f"{container.id} {container.started}".encode()).hexdigest()


def _network(connection: Connection, endpoint: Endpoint) -> dict[str, Any]:
    asked = {
        "IPv4Address": connection.address, "IPv6Address": connection.address6,
        "LinkLocalIPs": list(connection.link_local),
    }
    ipam = {name: value for name, value in asked.items() if value}
    return {
        "IPAMConfig": ipam or None,
        "Links": [f"{link.name}:{link.alias}" for link in connection.links] or None,
        "Aliases": list(connection.aliases) or None,
        "NetworkID": endpoint.network,
        **_addresses(endpoint),
        "DriverOpts": dict(connection.options) or None,
        "GwPriority": connection.priority,
    }


def _addresses(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointID": endpoint.id,
        "Gateway": endpoint.router(ipv6=False),
        "GlobalIPv6Address": endpoint.address6,
        "GlobalIPv6PrefixLen": endpoint.prefix6,
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.prefix,
        "IPv6Gateway": endpoint.router(ipv6=True),
        "MacAddress": endpoint.mac,
    }


def _mount_data(engine: Engine, container: Container) -> dict[str, str]:
    try:
        return inspect_mounts.directories(engine.storage(container.storage_driver).mounts(container.id))
    except SampanError:
        return {}  # half made or half removed, or by a driver that is not there: the rest can be told


def _sizes(engine: Engine, container: Container) -> dict[str, int]:
    from sampan.engine import disk_usage

    size = disk_usage.container_size(engine, container)
    return {"SizeRw": size.own, "SizeRootFs": size.whole}


def _existing(path: str) -> str:
    return path if os.path.exists(path) else ""


def _moment(seconds: float) -> str:
    return timestamps.written(seconds) if seconds else _NEVER
