"""Keep volumes: directories that outlive the containers that use them.

The story
---------
A *volume* is known by its name, which the user or the engine chooses. The engine records which driver has it, and what
it was asked for; the driver keeps the content::

    driver.create("data", {"type": "tmpfs"})     # checked and made
    where = driver.mount("data", container)      # a directory of the host, to be bind-mounted into the container
    …                                            # the container runs, others may mount it as well
    driver.unmount("data", container)
    driver.remove("data")

The rules
---------
``mount`` is called in the host's mount namespace, once for each run of a container; ``unmount`` undoes it, also after
that container was killed or the machine went down: it succeeds for whoever does not have it mounted. ``create`` of what
is there already with the same options, and ``remove`` of what is not, have nothing to do. Methods may be called from
several processes at once; those that make, mount and remove one volume are called one at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any


class VolumeDriver(ABC):
    """A keeper of volumes. The module's documentation is the contract."""

    @abstractmethod
    def create(self, name: str, options: Mapping[str, str]) -> None:
        """Make a volume. Raises InvalidInput for a name or an option it does not take, and OutOfSpace."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a volume with all its content. Raises Conflict while it is mounted."""

    @abstractmethod
    def mount(self, name: str, user: str) -> str:
        """Make a volume usable for the container with the id ``user``; return the directory that its content is in.

        Raises NotFound, and what the machine or a remote end has against it: Unsupported, Denied, Unavailable.
        """

    @abstractmethod
    def unmount(self, name: str, user: str) -> None:
        """Undo ``mount``."""

    @abstractmethod
    def where(self, name: str) -> str:
        """Return the directory that the content is, or would be, in; empty where there is none while nobody uses it."""

    @abstractmethod
    def walk(self) -> Iterator[str]:
        """Yield the name of every volume the driver has."""

    def status(self, name: str) -> Mapping[str, Any]:
        """Return what else the driver has to tell of a volume, for ``volume inspect``. Raises NotFound."""
        return {}

    def scope(self) -> str:
        """Tell whether other machines have these volumes as well, "global", or not, "local"."""
        return "local"

    def close(self) -> None:
        """Let go of what the driver holds open."""
        return
