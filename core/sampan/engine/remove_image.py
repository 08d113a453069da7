"""Remove names of images, and images with their last name, by Docker's rules (``docker rmi``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from sampan.engine import collect, events, platforms, undo
from sampan.errors import Conflict
from sampan.model import reference as references
from sampan.model.digest import Digest
from sampan.model.image import Image
from sampan.model.reference import Reference

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation


class Removed(msgspec.Struct, frozen=True):
    """What a removal came to: Docker's ``Untagged:`` and ``Deleted:`` lines, and the bytes of disk it set free."""

    lines: list[str]
    freed: int


def remove_image(
    engine: Engine, text: str, *, force: bool = False, prune: bool = True, wanted: Sequence[str] = ()
) -> Removed:
    """Remove a name, or the image itself with its last name, and with ``prune`` the parents it leaves without a use.

    Given an id, every name goes if they are all of one repository and one tag, or with ``force``. Of platforms
    ``wanted`` the image must be of one. Raises NotFound, and Conflict when a container uses the image (a running one
    cannot be forced), another image was committed from it, or several repositories name it.
    """
    with engine.store.journal.operation("remove-image", lambda action: undo.undo(engine, action)) as operation:
        removal = _Removal(engine, operation, prune)
        with engine.store.database.transaction() as cursor:
            image = engine.image(text)
            if wanted:
                platforms.check_any(engine.store.configuration(image), wanted, text)
            removal.decide(cursor, image, text, force=force)
        # From here on there is no way back, and the journal sees to it that there is a way forward.
        removed = removal.sweep()
    removal.announce()
    return removed


class _Doomed(msgspec.Struct, frozen=True):
    """An image whose record is gone, and what of it nothing refers to any more, chains lowest first."""

    image: Digest
    blobs: list[Digest]
    chains: list[Digest]


class _Removal:
    """One removal: records first, all in one transaction, content after."""

    def __init__(self, engine: Engine, operation: Operation, prune: bool) -> None:
        self._engine = engine
        self._store = engine.store
        self._operation = operation
        self._prune = prune
        self._untagged: list[tuple[Reference, Digest]] = []
        self._doomed: list[_Doomed] = []
        self._blobs: list[Digest] = []
        self._chains: list[Digest] = []
        self._drivers: list[str] = []

    def decide(self, cursor: sqlite3.Cursor, image: Image, text: str, *, force: bool) -> None:
        """Remove the records that go, and note what goes with them."""
        if _is_id(image, text):
            conflict = self._conflict(image, force=force, named=not _is_single(image))
            if conflict:
                raise conflict
            self._untag(cursor, image, (*image.tags, *image.digests))
            self._delete(cursor, image)
        else:
            self._remove_name(cursor, image, references.parse(text).with_default_tag(), text, force=force)
        self._plan(cursor)

    def _remove_name(self, cursor: sqlite3.Cursor, image: Image, name: Reference, text: str, *, force: bool) -> None:
        users = self._store.containers.using(image.id)
        if not force and users and _is_single(image):
            raise Conflict(
                f'conflict: unable to remove repository reference "{text}" (must force) - '
                f"container {users[0].short_id} is using its referenced image {image.short_id}"
            )
        gone = {_canonical(name)}
        if not name.digest and not any(_repository(tag) == name.repository for tag in image.tags if tag not in gone):
            # A repository without a tag of the image keeps no digest of it either.
            gone |= {digest for digest in image.digests if _repository(digest) == name.repository}
        names = (*image.tags, *image.digests)
        self._untag(cursor, image, [one for one in names if one in gone])
        # Without a name it may stay: for a container, or for an image that was committed from it.
        if gone.issuperset(names) and not self._conflict(image, force=force, named=False):
            self._delete(cursor, image)

    def _conflict(self, image: Image, *, force: bool, named: bool) -> Conflict | None:
        """Return what forbids to delete an image; ``force`` outranks all but running containers and children."""
        if self._store.images.children(image.id):
            return _refusal(image, "cannot be forced", "image has dependent child images")
        users = self._store.containers.using(image.id)
        running = next((user for user in users if user.alive), None)
        if running:
            return _refusal(image, "cannot be forced", f"image is being used by running container {running.short_id}")
        if force:
            return None
        if named and (image.tags or image.digests):
            return _refusal(image, "must be forced", "image is referenced in multiple repositories")
        if users:
            return _refusal(image, "must be forced", f"image is being used by stopped container {users[0].short_id}")
        return None

    def _untag(self, cursor: sqlite3.Cursor, image: Image, names: Iterable[str]) -> None:
        for reference in map(references.parse, names):
            if reference.digest:
                self._store.images.forget_digest(cursor, reference.repository, reference.digest, image.id)
            else:
                self._store.images.untag(cursor, reference)
            self._untagged.append((reference, image.id))

    def _delete(self, cursor: sqlite3.Cursor, image: Image) -> None:
        self._doomed.append(_Doomed(image.id, *self._store.images.remove(cursor, image.id)))
        if self._prune and image.parent and self._store.images.known(image.parent):
            parent = self._store.images.get(image.parent)
            if not self._conflict(parent, force=False, named=True):
                self._delete(cursor, parent)

    def _plan(self, cursor: sqlite3.Cursor) -> None:
        self._blobs = [blob for doomed in self._doomed for blob in doomed.blobs]
        # The parents' are below.
        self._chains = [chain for doomed in reversed(self._doomed) for chain in doomed.chains]
        self._drivers = sorted({name for chain in self._chains for name in self._store.layers.drivers(cursor, chain)})
        if self._blobs:
            self._operation.plan("blobs", *self._blobs, cursor=cursor)
        for driver in self._drivers:
            self._operation.plan("chains", driver, *self._chains, cursor=cursor)

    def sweep(self) -> Removed:
        """Remove the content that went out of use."""
        layers, blobs = self._store.layers, self._store.blobs
        held = {chain: layers.total(chain) for chain in self._chains}
        kept = {blob: blobs.size(blob) for blob in self._blobs if blobs.has(blob)}
        for driver in self._drivers:
            collect.chains(self._engine, driver, self._chains)
        collect.blobs(self._engine, self._blobs)
        # A layer that a container stands on has outlived its image.
        gone = {chain: size for chain, size in held.items() if layers.size(chain) is None}
        freed = sum(gone.values()) + sum(size for blob, size in kept.items() if not blobs.has(blob))
        lines = [f"Untagged: {reference.familiar}" for reference, _ in self._untagged]
        for doomed in self._doomed:
            lines.append(f"Deleted: {doomed.image}")
            lines += [f"Deleted: {chain}" for chain in reversed(doomed.chains) if chain in gone]
        return Removed(lines, freed)

    def announce(self) -> None:
        """Tell extensions, and the history of events."""
        for reference, image in self._untagged:
            events.image(self._engine, "untag", image)
            self._engine.plugins.image_untagged(str(reference), image)
        for doomed in self._doomed:
            events.image(self._engine, "delete", doomed.image)
            self._engine.plugins.image_removed(doomed.image)


def _is_id(image: Image, text: str) -> bool:
    """Tell whether the text means the image by (the beginning of) its id, not by a name that looks like one."""
    return bool(text) and (image.id.startswith(text) or image.id.partition(":")[2].startswith(text))


def _is_single(image: Image) -> bool:
    """Tell whether all names are of one repository, with at most one tag. False when there are none."""
    names = (*image.tags, *image.digests)
    return len(image.tags) <= 1 and len(set(map(_repository, names))) == 1


def _canonical(name: Reference) -> str:
    return f"{name.repository}@{name.digest}" if name.digest else f"{name.repository}:{name.tag}"


def _repository(name: str) -> str:
    return references.parse(name).repository


def _refusal(image: Image, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {image.short_id} ({how}) - {why}")
