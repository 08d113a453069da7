"""Run CNI plugins (specification 1.0.0, sections 2 to 5): one after the other, each with the result of the one before.

Plugins inherit the descriptor of a lock. Whoever takes it after a kill knows that none of them runs any more.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.errors import InvalidInput, SampanError, Unavailable, Unsupported
from sampan_plugins.network.cni.configuration import Configuration, Document

_SECONDS = 60.0
"""How long a plugin may take."""
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A container on a network: what its plugins are told, all of which they are told again when it is undone."""

    container: str
    interface: str
    configuration: Configuration
    runtime: dict[str, Any] = {}
    """By capability, what plugins that have it are told of this container alone."""


class Plugins:
    """The plugins in the directories of a path such as CNI_PATH."""

    def __init__(self, path: str) -> None:
        self._path = path

    def find(self, kind: str) -> str:
        """Return the file of a plugin. Raises Unsupported when there is none."""
        for directory in self._path.split(":") if "/" not in kind else ():
            if os.access(f"{directory}/{kind}", os.X_OK):
                return f"{directory}/{kind}"
        raise Unsupported(
            f"there is no CNI plugin {kind} in {self._path}",
            'install it (apt install containernetworking-plugins), or set path in [options."network/cni"]',
        )

    def check(self, configuration: Configuration) -> None:
        """Raise Unsupported unless all plugins are there and speak the configuration's version."""
        for kind in dict.fromkeys(configuration.types()):
            answer = self._run(kind, {"cniVersion": configuration.version}, {"CNI_COMMAND": "VERSION"})
            known = answer.get("supportedVersions", [])
            if configuration.version not in known:
                raise Unsupported(
                    f"the CNI plugin {kind} does not speak version {configuration.version}, which the configuration of "
                    f"{configuration.name} is of", f"it knows {', '.join(map(str, known))}",
                )

    def add(self, attachment: Attachment, sandbox: str, lock: int) -> Document:
        """Have all plugins connect a container; return the last one's result. Raises what a plugin says is wrong."""
        result: Document | None = None
        for plugin in attachment.configuration.plugins:
            result = self._ask("ADD", attachment, plugin, sandbox, result, lock)
        return result or {}

    def check_attached(self, attachment: Attachment, sandbox: str, result: Document, lock: int) -> None:
        """Have plugins look whether a container is connected as it was. Raises what is wrong.

        Those that lead ports are not asked: portmap misses its rules for a family that the container does not have.
        """
        for plugin in attachment.configuration.plugins:
            if plugin.get("capabilities", {}).get("portMappings") is True:
                continue
            self._ask("CHECK", attachment, plugin, sandbox, result, lock)

    def remove(self, attachment: Attachment, sandbox: str, result: Document | None, lock: int) -> None:
        """Have all plugins, the last one first, undo what ``add`` did, as far as they can. Raises the first error."""
        errors = []
        for plugin in reversed(attachment.configuration.plugins):
            try:
                self._ask("DEL", attachment, plugin, sandbox, result, lock)
            except SampanError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _ask(
        self, command: str, attachment: Attachment, plugin: Document, sandbox: str, result: Document | None, lock: int
    ) -> Document:
        configuration = attachment.configuration
        given = {
            capability: attachment.runtime[capability]
            for capability, wanted in plugin.get("capabilities", {}).items()
            if wanted is True and capability in attachment.runtime
        }
        told = {
            **{key: value for key, value in plugin.items() if key != "capabilities"},
            "cniVersion": configuration.version, "name": configuration.name,
            **({"runtimeConfig": given} if given else {}), **({"prevResult": result} if result else {}),
        }
        environment = {
            "CNI_COMMAND": command, "CNI_CONTAINERID": attachment.container, "CNI_NETNS": sandbox,
            "CNI_IFNAME": attachment.interface, "CNI_ARGS": "IgnoreUnknown=1",
        }
        return self._run(plugin["type"], told, environment, lock)

    def _run(self, kind: str, told: Document, environment: Mapping[str, str], lock: int | None = None) -> Document:
        import subprocess

        file, kept = self.find(kind), () if lock is None else (lock,)
        path = os.environ.get("PATH", "")
        environ = {"PATH": f"{path}:{_SYSTEM}" if path else _SYSTEM, "CNI_PATH": self._path, **environment}
        try:
            done = subprocess.run(
                [file], input=msgspec.json.encode(told), capture_output=True, env=environ, timeout=_SECONDS,
                pass_fds=kept, check=False,
            )
        except OSError as error:
            raise Unsupported(f"the CNI plugin {file} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"the CNI plugin {kind} has not answered in {_SECONDS:.0f} seconds") from error
        if done.returncode:
            raise _error(kind, done.stdout, done.stderr)
        return _object(done.stdout) if done.stdout.strip() else {}


def _object(text: bytes) -> Document:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _error(kind: str, output: bytes, complaints: bytes) -> SampanError:
    """Return what a plugin that failed says of it, as one line."""
    told = _object(output)
    said = [str(told[key]) for key in ("msg", "details") if told.get(key)]
    if not said:
        said = _lines(output + b"\n" + complaints)[-1:] or ["it does not say why"]
    line = " ".join(": ".join(said).split())
    message = f"the CNI plugin {kind} failed: {line}"
    match told.get("code"):  # section 5, Error
        case 1 | 2:  # the version, a field
            return Unsupported(message)
        case 4 | 7:  # the environment, the configuration
            return InvalidInput(message)
    return Unavailable(message)


def _lines(output: bytes) -> list[str]:
    return [line for line in output.decode(errors="replace").splitlines() if line.strip()]
