"""Read a bundle, and refuse what is wrong with it or cannot be done before anything is made."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from sampan.errors import InvalidInput, Unsupported
from sampan.kernel import capabilities
from sampan.model.runtime_spec import Hooks, Linux, Process, Spec

_CLOCKS = ("monotonic", "boottime")


def load(bundle: str) -> tuple[Spec, Linux, Process]:
    """Return the bundle's specification and the parts of it that a container cannot do without.

    Raises InvalidInput, and Unsupported for what this machine or this runtime cannot do.
    """
    path = f"{bundle}/config.json"
    try:
        with open(path, "rb", buffering=0) as file:
            spec = msgspec.json.decode(file.read(), type=Spec)
    except FileNotFoundError as error:
        raise InvalidInput(f"no such bundle: {path} does not exist") from error
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{path} is not valid: {error}") from error
    if spec.process is None or spec.root is None or spec.linux is None:
        raise InvalidInput(f"{path} lacks process, root or linux")
    if not spec.oci_version.startswith("1."):
        raise Unsupported(f"{path} is of version {spec.oci_version!r} of the runtime specification",
                          "the versions known are 1.x")
    kinds = {item.type for item in spec.linux.namespaces}
    if len(kinds) != len(spec.linux.namespaces):
        raise InvalidInput(f"{path} names a namespace twice")
    if not any(item.type == "mount" and not item.path for item in spec.linux.namespaces):
        raise Unsupported(f"{path} asks for no mount namespace of its own")
    _check_linux(spec.linux, kinds)
    if spec.hooks:
        _check_hooks(spec.hooks)
    check_process(spec.process, own_users="user" in kinds)
    return spec, spec.linux, spec.process


def _check_linux(linux: Linux, kinds: set[str]) -> None:
    if linux.time_offsets and not any(item.type == "time" and not item.path for item in linux.namespaces):
        raise InvalidInput("timeOffsets need a time namespace of the container's own")
    for clock in linux.time_offsets:
        if clock not in _CLOCKS:
            raise InvalidInput(f"unknown clock {clock!r} in timeOffsets", f"it is one of {', '.join(_CLOCKS)}")
    if (linux.uid_mappings or linux.gid_mappings) and "user" not in kinds:
        raise InvalidInput("id mappings need a user namespace")
    if linux.intel_rdt is not None:
        raise Unsupported("the native runtime does not set up Intel RDT", "leave linux.intelRdt out")
    if linux.mount_label and not os.path.exists("/sys/fs/selinux/enforce"):
        raise Unsupported("SELinux is not enabled on this machine", "leave linux.mountLabel out")
    if linux.mount_label:
        raise Unsupported("the native runtime does not label mounts", "leave linux.mountLabel out")


def _check_hooks(hooks: Hooks) -> None:
    for kind in hooks.__struct_fields__:
        for hook in getattr(hooks, kind):
            if not hook.path.startswith("/"):
                raise InvalidInput(f"the path of a hook is absolute, and {hook.path!r} is not")
            if hook.timeout is not None and hook.timeout <= 0:
                raise InvalidInput(f"the timeout of the hook {hook.path} is not greater than zero")


def check_process(process: Process, *, own_users: bool) -> None:
    """Refuse a process that could never run. ``own_users``: it has a user namespace, and thus all capabilities."""
    if not process.args or not process.args[0]:
        raise InvalidInput("no command specified")
    if any("\0" in text for text in (*process.args, *process.env, process.cwd)):
        raise InvalidInput("the command or its environment contains a null byte")
    if not process.cwd.startswith("/"):
        raise InvalidInput(f"the working directory {process.cwd!r} is invalid, it needs to be an absolute path")
    wanted = process.capabilities
    if wanted and not own_users:
        missing = capabilities.mask((*wanted.permitted, *wanted.effective)) & ~capabilities.permitted()
        if missing:
            raise Unsupported(
                f"cannot grant {', '.join(capabilities.names(missing))}: this process lacks it itself")


def environment(items: list[str]) -> Mapping[str, str]:
    """Return the environment that ``NAME=value`` items make; of one name the last counts."""
    return dict(item.split("=", 1) for item in items if "=" in item)
