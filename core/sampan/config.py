"""One frozen settings object. The only place in core where a backend has a name: the defaults.

What a user sets comes from, each outranking the one before: what is built in, one file, the environment
(``SAMPAN_ROOT``, ``SAMPAN_RUN_ROOT``), the command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sampan.errors import InvalidInput, NotFound

SYSTEM_FILE = "/etc/sampan/sampan.toml"


class RegistryHost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one registry is reached: plain HTTP or unverified TLS allowed, and mirrors to try first.

    ``driver`` is the registry client for this host; empty: the one for all.
    """

    insecure: bool = False
    mirrors: tuple[str, ...] = ()
    driver: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a user can set. ``storage`` is in order of preference: the first that works here serves.

    ``volume_fallback`` opens the volume drivers whose names no plugin claims; empty: nobody does. ``pins`` maps
    ``SLOT/NAME`` to the distribution that may claim it; ``options`` maps ``SLOT/NAME`` to the table handed to that
    plugin; ``registries`` maps a host, with its port, to how it is reached. ``disabled`` lists extensions, as
    ``extensions/NAME``, that are installed and shall not be used. ``standby`` is how many seconds a process that makes
    the next command start sooner waits for it; 0: there is none. ``slumber`` is after how many quiet
    seconds a container's monitor gives its memory back; 0: never. ``plugin_timeout`` is after how many seconds the
    import of a plugin is given up; 0: never.
    """

    root: str = "/var/lib/sampan"
    run_root: str = "/run/sampan"
    storage: tuple[str, ...] = ("overlay2", "vfs")
    network: str = "bridge"
    runtime: str = "native"
    log_driver: str = "json-file"
    volume_driver: str = "local"
    volume_fallback: str = "docker-plugin"
    registry: str = "distribution"
    rootfs_format: str = "rootfs-tar"
    image_format: str = "docker-archive"
    detach_keys: str = "ctrl-p,ctrl-q"
    standby: int = 60
    slumber: int = 10
    plugin_timeout: float = 10
    pins: dict[str, str] = {}
    options: dict[str, dict[str, Any]] = {}
    registries: dict[str, RegistryHost] = {}
    disabled: tuple[str, ...] = ()


def load(
    config_file: str | None = None,
    *,
    root: str | None = None,
    run_root: str | None = None,
    storage_driver: str | None = None,
    registry_driver: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings in force; the arguments are what the command line said, None where it was silent.

    The file is ``config_file``, else ``SAMPAN_CONFIG``, and must then exist; else the user's or the system's, if
    there is one. ``root`` and ``run_root`` come out absolute. Raises NotFound for a file that is not there and
    InvalidInput, naming file and key, for one that cannot be read or holds what is not understood.
    """
    document = _document(config_file or environ.get("SAMPAN_CONFIG"), environ)
    said = {
        "root": root or environ.get("SAMPAN_ROOT"),
        "run_root": run_root or environ.get("SAMPAN_RUN_ROOT"),
        "storage": [storage_driver] if storage_driver else None,
        "registry": registry_driver,
    }
    document.update({key: value for key, value in said.items() if value})
    if registry_driver:
        for host in _table(document, "registries").values():
            host.pop("driver", None)  # the command line outranks the file
    settings = msgspec.convert(document, Settings)
    return msgspec.structs.replace(
        settings, root=os.path.abspath(settings.root), run_root=os.path.abspath(settings.run_root)
    )


def default_file(environ: Mapping[str, str] = os.environ) -> str:
    """Return the file read when none is named: the system's for root, the user's own otherwise."""
    if os.geteuid() == 0:
        return SYSTEM_FILE
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(home, "sampan", "sampan.toml")


def _document(named: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    file = named or default_file(environ)
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        if named:
            raise NotFound(f"no configuration file {file}") from error
        return {}
    except OSError as error:
        raise InvalidInput(f"cannot read the configuration {file}: {error.strerror}") from error
    import tomllib

    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not valid TOML: {error}") from error
    _check(document, file)
    return document


def _check(document: dict[str, Any], file: str) -> None:
    _refuse_unknown(document, Settings.__struct_fields__, "", file)
    for host, table in _table(document, "registries").items():
        if isinstance(table, dict):
            _refuse_unknown(table, RegistryHost.__struct_fields__, f'registries."{host}".', file)
    if isinstance(document.get("storage"), str):
        document["storage"] = [document["storage"]]  # one name is what most people have to say
    try:
        msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        # msgspec writes: Expected `str`, got `int` - at `$.root`
        problem, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$.")
        raise InvalidInput(f'wrong value for "{key}" in {file}: {problem[:1].lower()}{problem[1:]}') from error


    for name in document.get("disabled", ()):
        if not name.startswith("extensions/"):
            raise InvalidInput(f'wrong value "{name}" for "disabled" in {file}', "write extensions/NAME")


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def _refuse_unknown(table: dict[str, Any], known: Iterable[str], within: str, file: str) -> None:
    for key in table:
        if key in known:
            continue
        from difflib import get_close_matches

        near = get_close_matches(key, list(known), 1, 0.5)
        hint = f'did you mean "{near[0]}"?' if near else "the keys are " + ", ".join(known)
        raise InvalidInput(f'unknown key "{within}{key}" in {file}', hint)
