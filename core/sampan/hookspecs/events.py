"""Event hooks: every extension hears them; what they return is ignored.

They are called in the process where the thing happens (a container's exit: its monitor), after the state on
record says so. An exception in a listener is reported as a warning and harms nothing else, save in
``sampan_amend_spec``, where it stops the container from starting: better none than one confined less than asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan.plugin.markers import hookspec

if TYPE_CHECKING:
    from sampan.model.container import Container
    from sampan.model.runtime_spec import Spec


@hookspec
def sampan_configure(options: Mapping[str, Any]) -> None:
    """Take the extension's own table of the configuration, before anything else is told; each hears its own alone."""


@hookspec
def sampan_amend_spec(container: Container, spec: Spec) -> None:
    """Change the OCI runtime spec, in place, before the container starts. Its tree is mounted at ``spec.root.path``."""


@hookspec
def sampan_image_pulled(reference: str, image: str) -> None:
    """An image arrived from a registry. ``image`` is its id."""


@hookspec
def sampan_image_pushed(reference: str, image: str) -> None:
    """A registry has an image under ``reference``, by tag, now. ``image`` is its id."""


@hookspec
def sampan_image_imported(reference: str, image: str) -> None:
    """An image was made from a snapshot. ``reference`` is empty when it was given no name."""


@hookspec
def sampan_image_tagged(reference: str, image: str) -> None:
    """An image was given a name by ``tag``."""


@hookspec
def sampan_image_untagged(reference: str, image: str) -> None:
    """A tag or repository digest was taken from an image."""


@hookspec
def sampan_image_committed(container: Container, reference: str, image: str) -> None:
    """An image was made of a container. ``reference`` is empty when it was given no name."""


@hookspec
def sampan_image_saved(reference: str, image: str) -> None:
    """An image was written to an archive under this name; ``reference`` is empty when under none."""


@hookspec
def sampan_image_loaded(reference: str, image: str) -> None:
    """An image came out of an archive and got this name; ``reference`` is empty when it has none there."""


@hookspec
def sampan_image_removed(image: str) -> None:
    """An image and what only it used are gone."""


@hookspec
def sampan_container_created(container: Container) -> None:
    """A container is on record, with its writable layer."""


@hookspec
def sampan_container_started(container: Container) -> None:
    """A container's first process runs."""


@hookspec
def sampan_container_exited(container: Container) -> None:
    """A container's first process ended; ``container`` has the exit code."""


@hookspec
def sampan_container_removed(container: Container) -> None:
    """A container is gone, writable layer and log included."""
