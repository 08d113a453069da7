"""Tell of the engine and the machine as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sampan.kernel import cgroups
from sampan.model import platform
from sampan.model.container import Status

if TYPE_CHECKING:
    from sampan.engine.engine import Engine


def info(engine: Engine) -> dict[str, Any]:
    """Return Docker's document of the engine; members that Sampan has no meaning for are left out."""
    from sampan import __version__

    containers = engine.containers(all=True)
    count = {status: sum(one.status == status for one in containers) for status in Status}
    system = os.uname()
    return {
        "Containers": len(containers),
        "ContainersRunning": count[Status.RUNNING],
        "ContainersPaused": count[Status.PAUSED],
        "ContainersStopped": len(containers) - count[Status.RUNNING] - count[Status.PAUSED],
        "Images": len(engine.images(all=True)),
        "ServerVersion": __version__,
        "Driver": engine.storage_name(),
        "LoggingDriver": engine.settings.log_driver,
        "CgroupVersion": "2" if cgroups.is_unified() else "1",
        "Plugins": {slot.capitalize(): engine.plugins.names(slot) for slot in _SLOTS},
        "Runtimes": engine.plugins.names("runtimes"),
        "DefaultRuntime": engine.settings.runtime,
        "DefaultNetwork": engine.settings.network,
        "KernelVersion": system.release,
        "OperatingSystem": _operating_system(),
        "OSType": "linux",
        "Architecture": system.machine,
        "Platform": str(platform.host()),
        "NCPU": os.cpu_count() or 0,
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Name": system.nodename,
        "RootDir": engine.layout.root,
        "RunRoot": engine.layout.run_root,
    }


_SLOTS = ("storage", "network", "registries", "formats", "logs")


def _operating_system() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition("=")
                if key == "PRETTY_NAME":
                    return value.strip().strip('"')
    except OSError:
        pass
    return "Linux"
