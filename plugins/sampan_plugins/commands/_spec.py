"""Turn the flags of ``run`` and ``create`` into what the engine is asked for."""

from __future__ import annotations

import os
import re
from typing import Any

from sampan.errors import InvalidInput, Unsupported
from sampan.model.container import ContainerSpec, Limits, RestartPolicy
from sampan.model.image import HealthCheck
from sampan.model.network import PortMapping
from sampan_plugins.commands import _connections
from sampan_plugins.commands._environment import environment, labels, pairs

_SHORTEST_PERIOD, _LONGEST_PERIOD = 1000, 1_000_000
_LEAST_MEMORY = 6 << 20
_SIMPLE = (
    "name", "hostname", "domainname", "user", "workdir", "read_only", "privileged", "cap_add", "cap_drop",
    "group_add", "init", "stop_signal", "stop_timeout", "platform", "runtime", "storage_driver", "log_driver", "dns",
    "dns_search", "shm_size", "cgroup_parent", "oom_score_adj",
)  # fmt: skip
_LIMITS = {
    "memory": "memory", "memory_swap": "memory_swap", "memory_reservation": "memory_reservation",
    "kernel_memory": "kernel_memory", "oom_kill_disable": "oom_kill_disable", "cpu_shares": "cpu_shares",
    "cpu_rt_period": "cpu_rt_period", "cpu_rt_runtime": "cpu_rt_runtime", "cpuset_cpus": "cpuset_cpus",
    "cpuset_mems": "cpuset_mems", "blkio_weight": "blkio_weight", "blkio_weight_devices": "blkio_weight_device",
    "read_bps": "device_read_bps", "write_bps": "device_write_bps", "read_iops": "device_read_iops",
    "write_iops": "device_write_iops", "pids": "pids_limit",
}  # fmt: skip
_CHECK_NUMBERS = ("interval", "timeout", "start_period", "start_interval", "retries")
_MODES = {"uts": ("", "host"), "cgroupns": ("", "host", "private"), "userns": ("", "host")}
_MODE_NAMES = {"cgroupns": "CGROUP", "userns": "USER"}


def spec(image: str, command: tuple[str, ...], flags: dict[str, Any]) -> ContainerSpec:
    """Return the container that flags describe. Raises InvalidInput, as Docker words it, when they make no sense."""
    _check(flags)
    found = {name: flags[name] for name in _SIMPLE if name in flags and flags[name] is not None}
    connections = _connections.connections(flags)
    return ContainerSpec(
        image=image,
        command=command,
        entrypoint=_entrypoint(flags["entrypoint"]),
        env=environment(flags["env_file"], flags["env"]),
        labels=labels(flags["label_file"], flags["label"]),
        volumes=_volumes(flags),
        volumes_from=flags["volumes_from"],
        volume_driver=flags["volume_driver"] or "",
        ulimits=flags["ulimit"],
        limits=limits(flags),
        sysctls=pairs(flags["sysctl"]),
        annotations=pairs(flags["annotation"]),
        log_options=_log_options(flags),
        devices=flags["device"],
        device_rules=flags["device_cgroup_rule"],
        storage_options=_storage_options(flags["storage_opt"]),
        exposed_ports=_exposed(flags["expose"]),
        ports=_published(flags["publish"]),
        publish_all=flags["publish_all"],
        security_options=flags["security_opt"],
        dns_options=(*flags["dns_opt"], *flags["dns_option"]),
        extra_hosts=flags["add_host"],
        links=tuple(map(_connections.link, flags["link"])),
        terminal=flags["tty"],
        open_stdin=flags["interactive"],
        auto_remove=flags["rm"],
        restart=_restart(flags),
        health=_health(flags),
        pid_mode=flags["pid"] or "",
        ipc_mode=flags["ipc"] or "",
        uts_mode=flags["uts"] or "",
        cgroup_mode=flags["cgroupns"] or "",
        userns_mode=flags["userns"] or "",
        network=connections[0].network if connections else "",
        connections=connections,
        **found,
    )


def restart_policy(text: str) -> RestartPolicy:
    """Return the policy that ``NAME[:RETRIES]`` means. Raises InvalidInput."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise InvalidInput("invalid restart policy format: no policy provided before colon")
    try:
        return RestartPolicy(name, int(count) if count else 0)
    except ValueError:
        raise InvalidInput(
            "invalid restart policy format: maximum retry count must be an integer"
        ) from None


def _restart(flags: dict[str, Any]) -> RestartPolicy:
    if not flags["restart"]:
        return RestartPolicy()
    try:
        policy = restart_policy(flags["restart"])
    except InvalidInput as error:
        raise _wrong(error.message) from error
    if flags["rm"] and policy.name != "no":
        raise _wrong("conflicting options: cannot specify both --restart and --rm")
    return policy


def _health(flags: dict[str, Any]) -> HealthCheck | None:
    given = {name: flags[f"health_{name}"] or 0 for name in _CHECK_NUMBERS}
    if flags["no_healthcheck"]:
        if flags["health_cmd"] or any(given.values()):
            raise _wrong("--no-healthcheck conflicts with --health-* options")
        return HealthCheck(test=("NONE",))
    for name, value in given.items():
        if value < 0:
            raise _wrong(f"--health-{name.replace('_', '-')} cannot be negative")
    if not flags["health_cmd"] and not any(given.values()):
        return None
    return HealthCheck(test=("CMD-SHELL", flags["health_cmd"]) if flags["health_cmd"] else (), **given)


def _wrong(message: str) -> InvalidInput:
    """Return the error for flags that no engine has to be asked about; Docker's exit code for that is 125."""
    error = InvalidInput(message)
    error.exit_code = 125
    return error


def warnings(flags: dict[str, Any]) -> list[str]:
    """Return what Docker warns of before it creates a container with these flags."""
    found = []
    if flags["kernel_memory"]:
        found.append("Specifying a kernel memory limit is deprecated and will be removed in a future release.")
    if flags["oom_kill_disable"] and not flags["memory"]:
        found.append(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system "
            "running out of resources."
        )
    return found


def _check(flags: dict[str, Any]) -> None:
    if flags["gpus"]:
        raise Unsupported(
            'could not select device driver "" with capabilities: [[gpu]]', "hand devices over one by one with --device"
        )
    if flags["use_api_socket"]:
        raise Unsupported("--use-api-socket: there is no daemon, and so no socket of its API to hand on")
    if not -1000 <= (flags["oom_score_adj"] or 0) <= 1000:
        raise InvalidInput(f"Invalid value {flags['oom_score_adj']}, range for oom score adj is [-1000, 1000]")
    if 0 < (flags["cpu_rt_period"] or 0) < (flags["cpu_rt_runtime"] or 0):
        raise InvalidInput("cpu real-time runtime cannot be higher than cpu real-time period")
    if flags["platform"]:
        from sampan.model import platform

        platform.parse(flags["platform"])
    if flags["stop_signal"]:
        from sampan.engine.stop import parse_signal

        parse_signal(flags["stop_signal"])
    for flag, modes in _MODES.items():
        if (flags[flag] or "") not in modes:
            raise _wrong(f"--{flag}: invalid {_MODE_NAMES.get(flag, flag.upper())} mode")
    if flags["pid"] not in (None, "", "host") and not re.fullmatch("container:.+", flags["pid"]):
        raise _wrong("--pid: invalid PID mode")
    if not re.fullmatch("host|private|none|shareable|container:.*|", flags["ipc"] or ""):
        raise InvalidInput(f"Invalid IPC mode: {flags['ipc']}")
    if flags["hostname"] and flags["uts"] == "host":
        raise InvalidInput("conflicting options: hostname and the UTS mode")
    if flags["workdir"] and not flags["workdir"].startswith("/"):
        raise InvalidInput(
            f"the working directory '{flags['workdir']}' is invalid, it needs to be an absolute path"
        )
    for device in flags["device"]:
        _check_device(device)


def _check_device(text: str) -> None:
    parts = text.split(":")
    if len(parts) > 3:
        raise InvalidInput(f"bad format for path: {text}")
    if not parts[0].startswith("/"):
        raise InvalidInput(f"{parts[0]} is not an absolute path")
    mode = parts[2] if len(parts) == 3 else parts[1] if len(parts) == 2 and not parts[1].startswith("/") else "r"
    if not mode or not set(mode) <= set("rwm"):
        raise InvalidInput(f"bad mode specified: {mode}")


def _entrypoint(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return (text,) if text else ()


def _storage_options(options: tuple[str, ...]) -> dict[str, str]:
    if not all("=" in option for option in options):
        raise _wrong("invalid storage option")
    return pairs(options)


def _exposed(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        return ()
    from sampan_plugins.commands._checks import exposed

    try:
        return tuple(dict.fromkeys(port for text in texts for port in exposed(text)))
    except InvalidInput as error:
        raise _wrong(error.message) from error


def _published(texts: tuple[str, ...]) -> tuple[PortMapping, ...]:
    if not texts:
        return ()
    from sampan_plugins.commands._ports import published

    try:
        return tuple(mapping for text in texts for mapping in published(text))
    except InvalidInput as error:
        raise _wrong(error.message) from error


def _volumes(flags: dict[str, Any]) -> tuple[Any, ...]:
    if not (flags["volume"] or flags["mount"] or flags["tmpfs"]):
        return ()
    from sampan_plugins.commands._volumes import volumes

    return volumes(flags["volume"], flags["mount"], flags["tmpfs"])


def _log_options(flags: dict[str, Any]) -> dict[str, str]:
    if flags["log_opt"] and flags["log_driver"] == "none":
        raise InvalidInput("invalid logging opts for driver none")
    return pairs(flags["log_opt"])


def limits(flags: dict[str, Any]) -> Limits:
    """Return the limits that flags set, of which ``update`` has some only.

    Raises InvalidInput, as Docker words it, when they make no sense.
    """
    if flags["blkio_weight"] and not 10 <= flags["blkio_weight"] <= 1000:
        raise InvalidInput("Range of blkio weight is from 10 to 1000")
    _check_memory(flags)
    _check_processors(flags)
    quota, period = flags["cpu_quota"] or 0, flags["cpu_period"] or 0
    if flags["cpus"]:
        if quota or period:
            which = "Quota" if quota else "Period"
            raise InvalidInput(f"Conflicting options: Nano CPUs and CPU {which} cannot both be set")
        present = os.cpu_count() or 1
        if not 10_000 <= flags["cpus"] <= present * 1_000_000:
            raise InvalidInput(
                f"Range of CPUs is from 0.01 to {present}.00, as there are only {present} CPUs available"
            )
    swappiness = flags.get("memory_swappiness")
    return Limits(
        **{name: flags[flag] for name, flag in _LIMITS.items() if flags.get(flag)},
        nano_cpus=(flags["cpus"] or 0) * 1000, cpu_quota=quota, cpu_period=period,
        swappiness=None if swappiness == -1 else swappiness,
    )


def _check_memory(flags: dict[str, Any]) -> None:
    memory, swap, reserved = (flags[name] or 0 for name in ("memory", "memory_swap", "memory_reservation"))
    for amount, what in ((memory, "limit"), (reserved, "reservation")):
        if 0 < amount < _LEAST_MEMORY:
            raise InvalidInput(f"Minimum memory {what} allowed is 6MB")
    if 0 < (flags.get("kernel_memory") or 0) < _LEAST_MEMORY:
        raise InvalidInput("Minimum kernel memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise InvalidInput("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < swap < memory:
        raise InvalidInput("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < memory < reserved:
        raise InvalidInput("Minimum memory limit can not be less than memory reservation limit, see usage")
    swappiness = flags.get("memory_swappiness")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise _wrong(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")


def _check_processors(flags: dict[str, Any]) -> None:
    quota, period = flags["cpu_quota"] or 0, flags["cpu_period"] or 0
    if period and not _SHORTEST_PERIOD <= period <= _LONGEST_PERIOD:
        raise InvalidInput(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < quota < _SHORTEST_PERIOD:
        raise InvalidInput("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if (flags["cpu_shares"] or 0) < 0:
        raise InvalidInput("shares: invalid argument")
    for what, where in (("cpus", "cpu"), ("mems", "node")):
        if flags[f"cpuset_{what}"]:
            from sampan_plugins.commands._checks import processors

            processors(flags[f"cpuset_{what}"], what, f"/sys/devices/system/{where}/online")
