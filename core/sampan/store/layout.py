"""Name every place below the two roots, and make the ones that must exist."""

from __future__ import annotations

import os

import msgspec

from sampan.errors import Denied, SampanError
from sampan.model.digest import Digest

_LASTING = (
    "blobs", "blobs/sha256", "blobs/sha512", "storage", "network", "volumes", "containers", "locks", "tmp",
)


class Layout(msgspec.Struct, frozen=True):
    """The places below ``root``, which survives reboots, and ``run_root``, which need not."""

    root: str
    run_root: str

    def prepare(self) -> None:
        """Make what every command needs. Raises Denied when the caller may not.

        Nobody but the owner reads any of it: records hold the environment of containers, layers their set-user-ID
        programs (CVE-2021-41091).
        """
        if os.path.isdir(f"{self.root}/tmp") and os.path.isdir(f"{self.run_root}/containers"):
            return
        try:
            for place in (self.root, self.run_root):
                os.makedirs(place, mode=0o710, exist_ok=True)
            for place in _LASTING:
                os.makedirs(f"{self.root}/{place}", mode=0o700, exist_ok=True)
            for place in ("containers", "runtimes", "network"):
                os.makedirs(f"{self.run_root}/{place}", mode=0o700, exist_ok=True)
            os.close(os.open(self.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except PermissionError as error:
            raise Denied(
                f"permission denied at {error.filename}", "run as root, or choose another --root and --run-root"
            ) from error
        except OSError as error:
            raise SampanError(f"cannot make the store at {self.root}: {error.strerror}: {error.filename}") from error

    @property
    def database(self) -> str:
        """The SQLite file."""
        return f"{self.root}/sampan.db"

    @property
    def reserve(self) -> str:
        """A file that only holds space."""
        return f"{self.root}/reserve"

    @property
    def temporary(self) -> str:
        """A directory on the same file system as the blobs, for what is not whole yet."""
        return f"{self.root}/tmp"

    @property
    def locks(self) -> str:
        """The directory of lock files."""
        return f"{self.root}/locks"

    @property
    def events(self) -> str:
        """The history of what happened since the boot."""
        return f"{self.run_root}/events.jsonl"

    @property
    def older_events(self) -> str:
        """What happened before that."""
        return f"{self.run_root}/events.1.jsonl"

    @property
    def blobs(self) -> str:
        """The directory of blobs, each in one named by its digest's algorithm."""
        return f"{self.root}/blobs"

    def blob(self, digest: Digest) -> str:
        """The file that holds a blob."""
        algorithm, _, value = digest.partition(":")
        return f"{self.blobs}/{algorithm}/{value}"

    def storage(self, driver: str) -> str:
        """A storage driver's own directory."""
        return f"{self.root}/storage/{driver}"

    def network(self, driver: str) -> str:
        """A network driver's own lasting directory."""
        return f"{self.root}/network/{driver}"

    def network_run(self, driver: str) -> str:
        """A network driver's own directory for what a reboot may wipe."""
        return f"{self.run_root}/network/{driver}"

    def volumes(self, driver: str) -> str:
        """A volume driver's own lasting directory."""
        return f"{self.root}/volumes/{driver}"

    def runtime(self, name: str) -> str:
        """A runtime's own directory for what a reboot may wipe."""
        return f"{self.run_root}/runtimes/{name}"

    def container(self, container: str) -> str:
        """A container's lasting files: its log, hosts, hostname and resolv.conf."""
        return f"{self.root}/containers/{container}"

    def bundle(self, container: str) -> str:
        """A running container's OCI bundle."""
        return f"{self.run_root}/containers/{container}"

    def attach_socket(self, container: str) -> str:
        """Where the monitor of a running container serves attach."""
        return f"{self.bundle(container)}/attach.sock"
