"""Open the doors to the images that are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from sampan.engine.history import Step
    from sampan.engine.prune import Pruned
    from sampan.model.disk_usage import ImageUsage
    from sampan.model.image import Image


class Images(Doors):
    """The images that are here: find them, name them, take them away."""

    def images(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, all: bool = False  # noqa: A002  # as for containers
    ) -> list[Image]:
        """Return the images that pass every filter (see ``sampan.engine.images``), the newest first.

        Without ``all`` those that others were committed from and that have no name are left out.
        """
        from sampan.engine import images

        return images.images(self._engine, filters, everything=all)

    def image(self, text: str) -> Image:
        """Return the image with this name, digest or (shortened) id. Raises NotFound."""
        return self._engine.store.images.find(text)

    def inspect_image(self, text: str, *, platform: str = "") -> dict[str, Any]:
        """Return what Docker's ``inspect`` shows of an image."""
        from sampan.engine.inspect import image as inspect_image

        return inspect_image.inspect_image(self._engine, text, platform=platform)

    def history(self, text: str, *, platform: str = "") -> list[Step]:
        """Return the steps that an image came to be by, the last first."""
        from sampan.engine import history

        return history.history(self._engine, text, platform=platform)

    def image_usage(self, images: Iterable[Image]) -> list[ImageUsage]:
        """Return what images take of the disk."""
        from sampan.engine import disk_usage

        return disk_usage.of_images(self._engine, images)

    def tag(self, source: str, target: str) -> None:
        """Give an image another name; one that another image had passes to it."""
        from sampan.engine import tag

        tag.tag(self._engine, source, target)

    def remove_image(
        self, text: str, *, force: bool = False, prune: bool = True, platforms: Sequence[str] = ()
    ) -> list[str]:
        """Remove a name, or the image itself with its last name; return Docker's Untagged and Deleted lines.

        With ``prune`` the parents that this leaves without a use go too; the image must be of one of ``platforms``.
        """
        from sampan.engine import remove_image

        return remove_image.remove_image(self._engine, text, force=force, prune=prune, wanted=platforms).lines

    def prune_images(
        self, *, all: bool = False, until: float | None = None, labels: Sequence[str] = (), without: Sequence[str] = (),  # noqa: A002
    ) -> Pruned:
        """Remove the images without a tag that nothing needs, or ``all`` that no container needs.

        Only those made ``until`` then, in seconds since the epoch, with all of ``labels`` and none of ``without``.
        """
        from sampan.engine import prune

        return prune.prune_images(self._engine, prune.Choice(until, labels, without), everything=all)
