"""Give documents the types that they have in Go, which templates print: structs, maps, and nil of either kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampan.cli.gotemplate.values import NilList, NilMap, Struct

_LISTS = frozenset((
    "Aliases", "Args", "Binds", "BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps", "BlkioWeightDevice", "CapAdd", "CapDrop", "Cmd", "Config", "DeviceCgroupRules",
    "DeviceRequests", "Devices", "Dns", "DnsOptions", "DnsSearch", "Entrypoint", "Env", "ExecIDs", "ExtraHosts",
    "GroupAdd", "Layers", "LinkLocalIPs", "Links", "MaskedPaths", "Mounts", "OnBuild", "ReadonlyPaths", "RepoDigests",
    "RepoTags", "SecondaryIPAddresses", "SecondaryIPv6Addresses", "SecurityOpt", "Shell", "Test", "Ulimits",
    "VolumesFrom",
))  # fmt: skip
_MAPS = frozenset((
    "Annotations", "AuxiliaryAddresses", "Containers", "Data", "DriverOpts", "ExposedPorts", "Labels", "Networks",
    "Options", "PortBindings", "Ports", "Status", "StorageOpt", "Sysctls", "Tmpfs", "Volumes",
))  # fmt: skip
_MAPS_IN = {("LogConfig", "Config")}
# What JSON leaves out where it is empty.
_MEMBERS: dict[str, dict[str, Any]] = {
    "State": {"Health": None},
    "Mounts": {"Type": "", "Name": "", "Source": "", "Destination": "", "Driver": "", "Mode": "", "RW": False,
               "Propagation": ""},
}  # fmt: skip


def typed(value: Any, key: str = "", parent: str = "") -> Any:
    """Return a document, or the part of one that is called ``key``, of the same content with Go's types."""
    is_map = (key in _MAPS and (key != "Status" or value is None or isinstance(value, dict))) or (
        (parent, key) in _MAPS_IN
    )
    if value is None:
        return NilMap() if is_map else NilList() if key in _LISTS else None
    if isinstance(value, list):
        return [typed(one, key, parent) for one in value]
    if isinstance(value, Mapping):
        if is_map:
            return {name: typed(one) for name, one in value.items()}
        fields = {name: typed(one, name, key) for name, one in value.items()}
        members = _MEMBERS.get(key)
        return Struct(fields, None if members is None else _ordered(fields, members))
    return value


def _ordered(fields: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """Return all members: in the order given if that has every field, else those left out after the others."""
    return dict(members) if fields.keys() <= members.keys() else {**dict.fromkeys(fields), **members}
