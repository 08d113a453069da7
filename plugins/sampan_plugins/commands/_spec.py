"""Turn the flags of ``run`` and ``create`` into what the engine is asked for."""

from __future__ import annotations

import os
import re
from typing import Any

from sampan.errors import InvalidInput
from sampan.model.container import ContainerSpec, Limits, RestartPolicy
from sampan.model.image import HealthCheck
from sampan_plugins.commands._environment import environment, labels, pairs

_PERIOD = 100_000
_SHORTEST_PERIOD, _LONGEST_PERIOD = 1000, 1_000_000
_LEAST_MEMORY = 6 << 20
_SIMPLE = (
    "name", "hostname", "domainname", "user", "workdir", "read_only", "privileged", "cap_add", "cap_drop",
    "group_add", "init", "stop_signal", "stop_timeout", "platform", "runtime", "storage_driver", "log_driver", "dns",
    "dns_search", "shm_size",
)  # fmt: skip
_CHECK_NUMBERS = ("interval", "timeout", "start_period", "start_interval", "retries")
_MODES = {"pid": ("", "host", "private"), "uts": ("", "host", "private"), "cgroupns": ("", "host", "private")}


def spec(image: str, command: tuple[str, ...], flags: dict[str, Any]) -> ContainerSpec:
    """Return the container that flags describe. Raises InvalidInput, as Docker words it, when they make no sense."""
    _check(flags)
    found = {name: flags[name] for name in _SIMPLE if name in flags and flags[name] is not None}
    network = _network(flags)
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
        security_options=flags["security_opt"],
        dns_options=flags["dns_option"],
        extra_hosts=flags["add_host"],
        terminal=flags["tty"],
        open_stdin=flags["interactive"],
        auto_remove=flags["rm"],
        restart=_restart(flags),
        health=_health(flags),
        pid_mode=flags["pid"] or "",
        ipc_mode=flags["ipc"] or "",
        uts_mode=flags["uts"] or "",
        cgroup_mode=flags["cgroupns"] or "",
        **network,
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


def _check(flags: dict[str, Any]) -> None:
    if flags["platform"]:
        from sampan.model import platform

        platform.parse(flags["platform"])
    if flags["stop_signal"]:
        from sampan.engine.stop import parse_signal

        parse_signal(flags["stop_signal"])
    for flag, modes in _MODES.items():
        if (flags[flag] or "") not in modes:
            name = "CGROUP" if flag == "cgroupns" else flag.upper()
            raise InvalidInput(f"--{flag}: invalid {name} mode")
    if (flags["ipc"] or "") not in ("", "host", "private", "none", "shareable"):
        raise InvalidInput(f"Invalid IPC mode: {flags['ipc']}")
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


def _volumes(flags: dict[str, Any]) -> tuple[Any, ...]:
    if not (flags["volume"] or flags["mount"] or flags["tmpfs"]):
        return ()
    from sampan_plugins.commands._volumes import volumes

    return volumes(flags["volume"], flags["mount"], flags["tmpfs"])


def _network(flags: dict[str, Any]) -> dict[str, Any]:
    name = flags["network"] or flags["net"] or ""
    found: dict[str, Any] = {
        "network_aliases": tuple(flags["network_alias"]), "address": flags["ip"] or "",
        "mac": flags["mac_address"] or "",
    }  # fmt: skip
    if "=" in name:
        name = _network_fields(name, found)
    if found["address"]:
        from sampan_plugins.commands._checks import is_address

        if not is_address(found["address"], only_v4=True):
            raise InvalidInput(f"invalid IPv4 address: {found['address']}")
    if found["mac"] and not re.fullmatch(r"[0-9a-fA-F]{2}([:-])([0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}", found["mac"]):
        raise InvalidInput(f"{found['mac']} is not a valid mac address")
    found["mac"] = found["mac"].replace("-", ":").lower()
    return {"network": name, **found}


def _network_fields(text: str, found: dict[str, Any]) -> str:
    """Read ``name=NETWORK,alias=…,ip=…,mac-address=…``; return the network's name."""
    from sampan_plugins.commands._volumes import fields_of

    name = ""
    for field in fields_of(text):
        key, _, value = field.partition("=")
        if key == "name":
            name = value
        elif key == "alias":
            found["network_aliases"] = (*found["network_aliases"], value)
        elif key in ("ip", "mac-address"):
            found["address" if key == "ip" else "mac"] = value
        else:
            raise InvalidInput(f"invalid field key {key}")
    return name


def _log_options(flags: dict[str, Any]) -> dict[str, str]:
    if flags["log_opt"] and flags["log_driver"] == "none":
        raise InvalidInput("invalid logging opts for driver none")
    return pairs(flags["log_opt"])


def limits(flags: dict[str, Any]) -> Limits:
    """Return the limits that flags set. Raises InvalidInput, as Docker words it, when they make no sense."""
    memory, swap = flags["memory"] or 0, flags["memory_swap"] or 0
    quota, period = flags["cpu_quota"] or 0, flags["cpu_period"] or 0
    if 0 < memory < _LEAST_MEMORY:
        raise InvalidInput("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise InvalidInput("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < swap < memory:
        raise InvalidInput("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < memory < (flags["memory_reservation"] or 0):
        raise InvalidInput("Minimum memory limit can not be less than memory reservation limit, see usage")
    if period and not _SHORTEST_PERIOD <= period <= _LONGEST_PERIOD:
        raise InvalidInput(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < quota < _SHORTEST_PERIOD:
        raise InvalidInput("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if flags["cpus"]:
        if quota or period:
            which = "Quota" if quota else "Period"
            raise InvalidInput(f"Conflicting options: Nano CPUs and CPU {which} cannot both be set")
        present = os.cpu_count() or 1
        if not 10_000 <= flags["cpus"] <= present * 1_000_000:
            raise InvalidInput(
                f"Range of CPUs is from 0.01 to {present}.00, as there are only {present} CPUs available"
            )
        quota, period = flags["cpus"] * _PERIOD // 1_000_000, _PERIOD
    return Limits(
        memory=memory, memory_swap=swap, memory_reservation=flags["memory_reservation"] or 0,
        cpu_quota=quota, cpu_period=period, cpu_shares=flags["cpu_shares"] or 0,
        cpuset_cpus=flags["cpuset_cpus"] or "", cpuset_mems=flags["cpuset_mems"] or "",
        pids=flags["pids_limit"] or 0,
    )
