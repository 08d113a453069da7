"""Write the OCI bundle of a container: what it asked for, in the words of the runtime specification."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import bundle_mounts, confinement, hostfiles, limits, links, networking, process
from sampan.engine.sharing import SHARED
from sampan.errors import Conflict, InvalidInput
from sampan.kernel import paths, users
from sampan.model import runtime_spec as oci

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.engine.engine import Engine
    from sampan.engine.exec_ import ExecRequest
    from sampan.model.container import Container, ContainerSpec
    from sampan.model.network import Endpoint

_FILE = "config.json"


class Draft:
    """A spec on the way to being written: all but what depends on the network is decided first.

    ``joined`` has the paths of the namespaces that exist already, by kind; see ``bundle_mounts`` for the rest. The
    network, with the files that tell of it, is that of the container ``owner``.
    """

    def __init__(
        self, engine: Engine, container: Container, owner: Container, where: str, joined: Mapping[str, str],
        places: Mapping[str, str], memory: str,
    ) -> None:
        self._engine = engine
        self._container = container
        self._owner = owner
        self._where = where
        self._shares_network = "network" not in joined
        self._files = engine.layout.container(owner.id)
        self._linked = links.resolve(engine, container)
        spec = container.spec
        options = confinement.parse_security(spec.security_options)
        capabilities = confinement.capability_set(spec.cap_add, spec.cap_drop, spec.privileged)
        self.spec = oci.Spec(
            process=self._process(capabilities, options.no_new_privileges),
            root=oci.Root(path=f"{where}/rootfs", readonly=spec.read_only),
            hostname="" if spec.uts_mode == "host" else self._hostname(),
            domainname=spec.domainname,
            mounts=bundle_mounts.mounts(container, places, memory, self._filename),
            linux=_linux(container, joined, options, capabilities),
            annotations=dict(spec.annotations),
        )

    def finish(self, endpoints: Sequence[Endpoint], size: tuple[int, int] | None, *, named: bool) -> None:
        """Write /etc/hosts and the like, let extensions amend the spec, and write it.

        ``named`` tells that the container has a name service.
        """
        assert self.spec.process is not None
        if size and self._container.spec.terminal:
            self.spec.process.console_size = oci.ConsoleSize(height=size[0], width=size[1])
        if self._owner is self._container:
            self._write_host_files(endpoints, named)
        self._engine.plugins.amend_spec(self._container, self.spec)
        temporary = f"{self._where}/.{_FILE}"
        _write(temporary, msgspec.json.encode(self.spec))
        os.rename(temporary, f"{self._where}/{_FILE}")

    def _process(self, capabilities: list[str], no_new_privileges: bool) -> oci.Process:
        container, spec = self._container, self._container.spec
        identity = _identity(f"{self._where}/rootfs", spec.user, spec.group_add)
        env = process.environment(spec, self._hostname(), links.environment(container, self._linked))
        return oci.Process(
            args=[*bundle_mounts.init(spec), container.path, *container.args],
            cwd=spec.workdir or "/",
            terminal=spec.terminal,
            user=_user(identity),
            env=_with_home(env, identity.home),
            capabilities=confinement.sets(capabilities, identity.uid),
            rlimits=[
                oci.Rlimit(f"RLIMIT_{limit.name.upper()}", soft=_unlimited(limit.soft), hard=_unlimited(limit.hard))
                for limit in spec.ulimits
            ],
            no_new_privileges=no_new_privileges,
            oom_score_adj=spec.oom_score_adj,
        )

    def _hostname(self) -> str:
        return networking.hostname(self._owner, sandboxed=not self._shares_network)

    def _filename(self, name: str) -> str:
        return f"{self._files}/{name}"

    def _write_host_files(self, endpoints: Sequence[Endpoint], named: bool) -> None:
        spec = self._container.spec
        names = networking.full_names(self._container, sandboxed=not self._shares_network)
        inherited = _host_hosts() if self._shares_network else ""
        addresses = [address for one in endpoints for address in (one.address, one.address6) if address]
        gateway = next(filter(None, (one.router(ipv6=False) for one in endpoints)), "")
        others = links.hosts(self._linked)
        hosts = hostfiles.hosts(addresses, names, spec.extra_hosts, gateway, inherited, others)
        resolv_conf = hostfiles.resolv_conf_of(spec, endpoints, named=named, reaches_host=self._shares_network)
        _write(self._filename("hosts"), hosts.encode(errors="surrogateescape"))
        _write(self._filename("resolv.conf"), resolv_conf.encode(errors="surrogateescape"))
        _write(self._filename("hostname"), hostfiles.hostname(self._hostname()).encode())


def load(where: str) -> oci.Spec:
    """Read the spec of a running container's bundle. Raises Conflict when it is gone."""
    try:
        with open(f"{where}/{_FILE}", "rb") as file:
            return msgspec.json.decode(file.read(), type=oci.Spec)
    except FileNotFoundError as error:
        raise Conflict(f"container {os.path.basename(where)} is not running") from error


def exec_process(container: Container, spec: oci.Spec, request: ExecRequest) -> oci.Process:
    """Return the process of an exec: the container's first one, but for what the request changes."""
    first = spec.process
    assert first is not None
    user, env, capabilities = first.user, first.env, first.capabilities
    if request.user or request.privileged:
        wanted = request.user or container.spec.user
        identity = _identity(f"/proc/{container.pid}/root", wanted, container.spec.group_add)
        user = _user(identity)
        env = _with_home([entry for entry in env if not entry.startswith("HOME=")], identity.home)
        names = list(confinement.capability_set((), (), True)) if request.privileged else _bounding(capabilities)
        capabilities = confinement.sets(names, identity.uid)
    if request.terminal and not any(entry.startswith("TERM=") for entry in env):
        env = [*env, "TERM=xterm"]
    return oci.Process(
        args=list(request.command),
        cwd=request.workdir or first.cwd,
        terminal=request.terminal,
        user=user,
        env=process.override(env, request.env),
        capabilities=capabilities,
        rlimits=first.rlimits,
        no_new_privileges=first.no_new_privileges,
        oom_score_adj=first.oom_score_adj,
        apparmor_profile="unconfined" if request.privileged and first.apparmor_profile else first.apparmor_profile,
    )


def _host_hosts() -> str:
    try:
        with open("/etc/hosts", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _bounding(capabilities: oci.Capabilities | None) -> list[str]:
    return capabilities.bounding if capabilities else []


def _linux(
    container: Container, joined: Mapping[str, str], options: confinement.Security, capabilities: list[str]
) -> oci.Linux:
    spec = container.spec
    open_paths = spec.privileged or options.system_paths_unconfined
    return oci.Linux(
        namespaces=_namespaces(spec, joined),
        devices=confinement.devices(spec.devices, spec.privileged),
        cgroups_path=limits.cgroup_path(spec.cgroup_parent, container.id),
        resources=limits.resources(
            spec.limits, confinement.device_rules(spec.devices, spec.privileged, spec.device_rules)
        ),
        seccomp=None if spec.privileged and not options.seccomp else options.filter(capabilities),
        sysctl=dict(spec.sysctls),
        masked_paths=[] if open_paths else confinement.masked_paths(),
        readonly_paths=[] if open_paths else list(confinement.READONLY_PATHS),
    )


def _namespaces(spec: ContainerSpec, joined: Mapping[str, str]) -> list[oci.Namespace]:
    """Return the namespaces: those that are made for the container, and those that it joins at their paths."""
    modes = {"pid": spec.pid_mode, "ipc": spec.ipc_mode, "uts": spec.uts_mode, "cgroup": spec.cgroup_mode}
    namespaces = [oci.Namespace(type="mount")]
    for kind, mode in modes.items():
        if mode in ("", "private", "shareable", "none"):
            namespaces.append(oci.Namespace(type=kind))
        elif mode != "host" and not (kind in ("pid", "ipc") and mode.startswith(SHARED)):
            raise InvalidInput(f"--{kind}: invalid {kind} mode {mode!r}")
    return namespaces + [oci.Namespace(type=kind, path=path) for kind, path in joined.items()]


def _identity(root: str, user: str, groups: tuple[str, ...]) -> users.Identity:
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return users.resolve(user, _read(descriptor, "/etc/passwd"), _read(descriptor, "/etc/group"), groups)
    finally:
        os.close(descriptor)


def _user(identity: users.Identity) -> oci.User:
    """Return the user, whose own group is among the additional ones as well.

    Otherwise a setgid program would let the user shed the group, and what is denied to it (CVE-2022-36109).
    """
    groups = dict.fromkeys((identity.gid, *identity.groups))
    return oci.User(uid=identity.uid, gid=identity.gid, additional_gids=list(groups))


def _read(root: int, path: str) -> str:
    """Read a small file of the container's tree, which may put anything in its place.

    Only a regular file is opened at all: to open a device or a fifo can have effects of its own.
    """
    try:
        descriptor = paths.open_in(root, path)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        with open(paths.name_of(descriptor), "rb") as file:
            return file.read(1 << 20).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _with_home(env: list[str], home: str) -> list[str]:
    return env if any(entry.startswith("HOME=") for entry in env) else [*env, f"HOME={home}"]


def _unlimited(value: int) -> int:
    return (1 << 64) - 1 if value < 0 else value


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
