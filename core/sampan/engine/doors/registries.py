"""Open the doors to registries, and to the credentials for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors
from sampan.engine.progress import Report, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.contracts.registry import Account
    from sampan.engine.pull import Pulled
    from sampan.engine.push import Pushed


class Registries(Doors):
    """What goes between here and a registry."""

    def pull(self, reference: str, *, platform: str = "", report: Report = silent) -> Pulled:
        """Fetch an image from its registry and unpack it; ``platform`` as ``os/arch[/variant]``."""
        from sampan.engine import pull

        return pull.pull(self._engine, reference, platform=platform, report=report)

    def pull_all(self, repository: str, *, platform: str = "", report: Report = silent) -> Iterator[Pulled]:
        """Fetch what each tag of a repository stands for, and yield it when it is here."""
        from sampan.engine import pull

        return pull.pull_all(self._engine, repository, platform=platform, report=report)

    def push(self, reference: str, *, platform: str = "", report: Report = silent) -> Pushed:
        """Send an image to its registry, byte for byte as it came here; ``platform`` must be the image's."""
        from sampan.engine import push

        return push.push(self._engine, reference, platform=platform, report=report)

    def push_all(self, repository: str, *, platform: str = "", report: Report = silent) -> Iterator[Pushed]:
        """Send what each tag of a repository stands for here, and yield it when it is there."""
        from sampan.engine import push

        return push.push_all(self._engine, repository, platform=platform, report=report)

    def account(self, server: str = "") -> Account:
        """Tell what credentials are kept for a registry, ``host[:port]``; empty: Docker Hub."""
        from sampan.engine import login

        return login.account(self._engine, server)

    def login(self, server: str = "", user: str = "", password: str = "") -> str:
        """Keep credentials that the registry accepts; given none, check those kept. Raises Denied.

        Returns the file that holds them unencrypted, if one does.
        """
        from sampan.engine import login

        return login.login(self._engine, server, user, password)

    def logout(self, server: str = "") -> bool:
        """Forget a registry's credentials; False when none are kept."""
        from sampan.engine import login

        return login.logout(self._engine, server)
