"""Remove names of images, and images with their last name, by Docker's rules (``docker rmi``)."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sampan.engine import collect, undo
from sampan.errors import Conflict, InvalidInput
from sampan.model import reference as references
from sampan.model.container import Container
from sampan.model.digest import Digest
from sampan.model.image import Image
from sampan.model.reference import Reference

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation


def remove_image(engine: Engine, text: str, *, force: bool) -> list[str]:
    """Remove a name, or the image itself with its last name; return Docker's lines.

    Given an id, every name goes if they are all of one repository and one tag, or with ``force``. Raises NotFound, and
    Conflict when a container uses the image (a running one cannot be forced) or several repositories name it.
    """
    image = engine.image(text)
    with engine.store.journal.operation("remove-image", lambda action: undo.undo(engine, action)) as operation:
        removal = _Removal(engine, operation, image.id)
        with engine.store.database.transaction() as cursor:
            removal.decide(cursor, text, force=force)
        # From here on there is no way back, and the journal sees to it that there is a way forward.
        removal.sweep()
    if removal.gone:
        engine.plugins.image_removed(image.id)
    return removal.lines


class _Removal:
    """One removal: records first, all in one transaction, content after."""

    def __init__(self, engine: Engine, operation: Operation, image: Digest) -> None:
        self._engine = engine
        self._store = engine.store
        self._operation = operation
        self._id = image
        self._blobs: list[Digest] = []
        self._chains: list[Digest] = []
        self._drivers: list[str] = []
        self.lines: list[str] = []
        self.gone = False

    def decide(self, cursor: sqlite3.Cursor, text: str, *, force: bool) -> None:
        """Remove the records that go, and note what goes with them."""
        image = self._store.images.get(self._id)  # again: another command may have changed its names since
        users = self._store.containers.using(image.id)
        if _is_id(image, text):
            self._remove_by_id(cursor, image, users, force=force)
        else:
            self._remove_by_name(cursor, image, users, references.parse(text).with_default_tag(), text, force=force)

    def _remove_by_name(
        self, cursor: sqlite3.Cursor, image: Image, users: list[Container], name: Reference, text: str, *, force: bool
    ) -> None:
        if not force and users and _is_single(image):
            raise Conflict(
                f'conflict: unable to remove repository reference "{text}" (must force) - '
                f"container {users[0].short_id} is using its referenced image {image.short_id}"
            )
        left = {*image.tags, *image.digests}
        self._untag(cursor, image, left, [_exactly(image, name)])
        if not name.digest and not any(_repository(tag) == name.repository for tag in image.tags if tag in left):
            # A repository without a tag of the image keeps no digest of it either.
            own = [digest for digest in image.digests if _repository(digest) == name.repository]
            self._untag(cursor, image, left, own)
        if left:
            return
        if any(user.alive for user in users) or (users and not force):
            return  # it stays, without a name
        self._delete(cursor, image)

    def _remove_by_id(
        self, cursor: sqlite3.Cursor, image: Image, users: list[Container], *, force: bool
    ) -> None:
        running = next((user for user in users if user.alive), None)
        if running:
            raise _conflict(image, "cannot be forced", f"image is being used by running container {running.short_id}")
        names = (*image.tags, *image.digests)
        if names and not _is_single(image) and not force:
            raise _conflict(image, "must be forced", "image is referenced in multiple repositories")
        if users and not force:
            raise _conflict(
                image, "must be forced", f"image is being used by stopped container {users[0].short_id}"
            )
        self._untag(cursor, image, set(names), list(names))
        self._delete(cursor, image)

    def _untag(self, cursor: sqlite3.Cursor, image: Image, left: set[str], names: list[str]) -> None:
        for name in names:
            reference = references.parse(name)
            if reference.digest:
                self._store.images.forget_digest(cursor, reference.repository, reference.digest, image.id)
            else:
                self._store.images.untag(cursor, reference)
            left.discard(name)
            self.lines.append(f"Untagged: {reference.familiar}")

    def _delete(self, cursor: sqlite3.Cursor, image: Image) -> None:
        self._blobs, self._chains = self._store.images.remove(cursor, image.id)
        self._drivers = sorted({name for chain in self._chains for name in self._store.layers.drivers(cursor, chain)})
        self._operation.plan("blobs", *self._blobs, cursor=cursor)
        for driver in self._drivers:
            self._operation.plan("chains", driver, *self._chains, cursor=cursor)
        self.lines.append(f"Deleted: {image.id}")
        self.gone = True

    def sweep(self) -> None:
        """Remove the content that went out of use."""
        for driver in self._drivers:
            collect.chains(self._engine, driver, self._chains)
        collect.blobs(self._engine, self._blobs)
        # A layer that a container stands on has outlived its image.
        self.lines += [
            f"Deleted: {chain}" for chain in reversed(self._chains) if self._store.layers.size(chain) is None
        ]


def _is_id(image: Image, text: str) -> bool:
    """Tell whether the text means the image by (the beginning of) its id, not by a name that looks like one."""
    return bool(text) and (image.id.startswith(text) or image.id.partition(":")[2].startswith(text))


def _is_single(image: Image) -> bool:
    """Tell whether all names are of one repository, with at most one tag. False when there are none."""
    if len(image.tags) + len(image.digests) <= 1:
        return bool(image.tags or image.digests)
    repositories = {_repository(name) for name in (*image.tags, *image.digests)}
    return len(image.tags) <= 1 and len(repositories) == 1


def _exactly(image: Image, name: Reference) -> str:
    wanted = f"{name.repository}@{name.digest}" if name.digest else f"{name.repository}:{name.tag}"
    if wanted not in (*image.tags, *image.digests):
        raise InvalidInput(f"{name.familiar} does not name image {image.short_id} any more")
    return wanted


def _repository(name: str) -> str:
    return references.parse(name).repository


def _conflict(image: Image, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {image.short_id} ({how}) - {why}")
