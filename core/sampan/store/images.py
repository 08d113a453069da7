"""Record images, what names them, and what they are made of."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator

from sampan.errors import InvalidInput, NotFound
from sampan.model import reference as references
from sampan.model.digest import Digest, is_digest
from sampan.model.image import Image
from sampan.model.reference import Reference
from sampan.store.database import Database

_HEX = frozenset("0123456789abcdef")


class Images:
    """The image records. Names are canonical repositories; a record's ``tags`` and ``digests`` are canonical too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, cursor: sqlite3.Cursor, image: Image, blobs: Iterable[Digest], chains: Iterable[Digest]
    ) -> None:
        """Record an image with the blobs and layer chains, lowest first, that it needs, or its new manifest."""
        cursor.execute(
            "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest",
            (image.id, image.manifest, image.created, image.size, image.stored, image.parent),
        )
        cursor.executemany("INSERT OR IGNORE INTO image_blobs VALUES (?, ?)", [(image.id, blob) for blob in blobs])
        cursor.executemany(
            "INSERT OR IGNORE INTO image_layers VALUES (?, ?, ?)",
            [(image.id, chain, position) for position, chain in enumerate(chains)],
        )

    def restate(
        self, cursor: sqlite3.Cursor, image: Digest, blobs: Iterable[Digest], chains: Iterable[Digest], size: int
    ) -> None:
        """Put what an image needs and its size on record anew; blobs of other manifests of it stay needed."""
        cursor.execute("UPDATE images SET size = ? WHERE id = ?", (size, image))
        cursor.execute("DELETE FROM image_layers WHERE image = ?", (image,))
        known = self.get(image)
        self.add(cursor, known, blobs, chains)

    def tag(
        self, cursor: sqlite3.Cursor, reference: Reference, image: Digest, manifest: Digest | None = None
    ) -> Digest | None:
        """Make the reference's tag name the image; return the id of the image it named before, if another.

        ``manifest`` is the one it came as under this name; None: the image's own.
        """
        row = cursor.execute(
            "SELECT image FROM tags WHERE repository = ? AND tag = ?", (reference.repository, reference.tag)
        ).fetchone()
        cursor.execute(
            "INSERT INTO tags SELECT ?, ?, id, coalesce(?, manifest), ? FROM images WHERE id = ? "
            "ON CONFLICT (repository, tag) DO UPDATE SET image = excluded.image, manifest = excluded.manifest, "
            "tagged = CASE WHEN image = excluded.image THEN tagged ELSE excluded.tagged END",
            (reference.repository, reference.tag, manifest, time.time(), image),
        )
        return Digest(row[0]) if row and row[0] != image else None

    def note_digest(self, cursor: sqlite3.Cursor, repository: str, digest: Digest, image: Digest) -> None:
        """Record that a repository knows the image by this manifest or index digest."""
        # An image that was removed meanwhile is known by nothing.
        query = "INSERT OR IGNORE INTO digests SELECT ?, ?, id FROM images WHERE id = ?"
        cursor.execute(query, (repository, digest, image))

    def untag(self, cursor: sqlite3.Cursor, reference: Reference) -> None:
        """Remove one tag."""
        cursor.execute(
            "DELETE FROM tags WHERE repository = ? AND tag = ?", (reference.repository, reference.tag)
        )

    def forget_digest(self, cursor: sqlite3.Cursor, repository: str, digest: str, image: Digest) -> None:
        """Remove one repository digest of an image."""
        cursor.execute(
            "DELETE FROM digests WHERE repository = ? AND digest = ? AND image = ?", (repository, digest, image)
        )

    def remove(self, cursor: sqlite3.Cursor, image: Digest) -> tuple[list[Digest], list[Digest]]:
        """Remove an image's record; return the blobs and the chains, lowest first, that nothing refers to any more.

        Whatever a running operation leases is not among them.
        """
        blobs = [Digest(row[0]) for row in cursor.execute("SELECT digest FROM image_blobs WHERE image = ?", (image,))]
        chains = self._chains(cursor, image)
        cursor.execute("DELETE FROM images WHERE id = ?", (image,))
        return (
            [blob for blob in blobs if not self.needs_blob(cursor, blob)],
            [chain for chain in chains if not self.needs_chain(cursor, chain)],
        )

    def needs_blob(self, cursor: sqlite3.Cursor, digest: Digest) -> bool:
        """Tell whether an image or a running operation needs a blob."""
        return _used(cursor, "image_blobs", "digest", digest)

    def needs_chain(self, cursor: sqlite3.Cursor, chain: Digest) -> bool:
        """Tell whether an image or a running operation needs a layer chain."""
        return _used(cursor, "image_layers", "chain", chain)

    def content(self, image: Digest) -> list[str]:
        """Return the digests of all blobs and layer chains that an image needs; none when there is no such image."""
        query = "SELECT digest FROM image_blobs WHERE image = ? UNION SELECT chain FROM image_layers WHERE image = ?"
        return [str(row[0]) for row in self._database.all(query, image, image)]

    def _chains(self, cursor: sqlite3.Cursor, image: Digest) -> list[Digest]:
        query = "SELECT chain FROM image_layers WHERE image = ? ORDER BY position"
        return [Digest(row[0]) for row in cursor.execute(query, (image,))]

    def known(self, image: Digest) -> bool:
        """Tell whether there is an image of this whole id."""
        return self._database.one("SELECT 1 FROM images WHERE id = ?", image) is not None

    def get(self, image: Digest) -> Image:
        """Return an image by its whole id. Raises NotFound."""
        rows = list(self._select("WHERE id = ?", image))
        if not rows:
            raise NotFound(f"No such image: {image}")
        return rows[0]

    def all(self) -> list[Image]:
        """Return every image, the newest first."""
        return list(self._select("ORDER BY created DESC, id"))

    def find(self, text: str) -> Image:
        """Return the image that a name, a digest, or a whole or shortened id means, as Docker decides it.

        A name wins over an id that looks the same. Raises NotFound; InvalidInput when a short id is
        ambiguous or the text can be neither.
        """
        by_id = self._by_id(text)
        if is_digest(text) and by_id:
            return by_id[0]
        try:
            named = self.resolve(references.parse(text))
        except InvalidInput:
            if not by_id:
                raise
            named = None
        if named is not None:
            return self.get(named)
        if len(by_id) > 1:
            raise InvalidInput(f"ambiguous image id prefix {text!r}", "give more digits")
        if by_id:
            return by_id[0]
        raise NotFound(f"No such image: {_shown(text)}")

    def resolve(self, reference: Reference) -> Digest | None:
        """Return the id of the image a parsed reference names here, or None."""
        if reference.digest:
            row = self._database.one(
                "SELECT image FROM digests WHERE repository = ? AND digest = ?", reference.repository, reference.digest
            )
        else:
            row = self._database.one(
                "SELECT image FROM tags WHERE repository = ? AND tag = ?", reference.repository, reference.version
            )
        return Digest(str(row[0])) if row else None

    def manifest_of(self, reference: Reference) -> Digest | None:
        """Return the manifest that a parsed reference's image came as under this name, or None when it names none."""
        if not reference.digest:
            row = self._database.one(
                "SELECT manifest FROM tags WHERE repository = ? AND tag = ?", reference.repository, reference.version
            )
            return Digest(str(row[0])) if row else None
        image = self.resolve(reference)
        return self.get(image).manifest if image else None

    def tags(self, repository: str) -> list[str]:
        """Return the tags that a repository has here, sorted."""
        rows = self._database.all("SELECT tag FROM tags WHERE repository = ? ORDER BY tag", repository)
        return [str(tag) for (tag,) in rows]

    def holders(self, blob: Digest, domain: str) -> list[str]:
        """Return the paths at a registry that had a blob when an image with it was pulled from or pushed to them."""
        rows = self._database.all(
            "SELECT DISTINCT repository FROM digests JOIN image_blobs USING (image) "
            "WHERE image_blobs.digest = ? AND repository GLOB ? ORDER BY repository",
            blob, f"{domain}/*",
        )
        return [str(repository).partition("/")[2] for (repository,) in rows]

    def tagged(self, image: Digest) -> float:
        """Return when the image was last given a name here, in seconds since the epoch; 0: it has none."""
        row = self._database.one("SELECT max(tagged) FROM tags WHERE image = ?", image)
        return _number(row[0]) if row and row[0] is not None else 0.0

    def children(self, image: Digest) -> list[Image]:
        """Return the images that were committed from an image."""
        return list(self._select("WHERE parent = ?", image))

    def contents(self) -> dict[Digest, tuple[list[Digest], list[Digest]]]:
        """Return the blobs and the layer chains, lowest first, of every image."""
        found: dict[Digest, tuple[list[Digest], list[Digest]]] = {}
        for (image,) in self._database.all("SELECT id FROM images"):
            found[Digest(str(image))] = ([], [])
        for column, query in enumerate((
            "SELECT image, digest FROM image_blobs", "SELECT image, chain FROM image_layers ORDER BY image, position",
        )):
            for image, digest in self._database.all(query):
                found.setdefault(Digest(str(image)), ([], []))[column].append(Digest(str(digest)))
        return found

    def _by_id(self, text: str) -> list[Image]:
        prefix = text.removeprefix("sha256:")
        if not prefix or len(prefix) > 64 or not _HEX.issuperset(prefix):
            return []
        return list(self._select("WHERE id GLOB ? LIMIT 2", f"sha256:{prefix}*"))

    def _select(self, clause: str, *values: object) -> Iterator[Image]:
        rows = self._database.all(f"SELECT id, manifest, created, size, stored, parent FROM images {clause}", *values)
        tags, digests = self._names("tags", "tag", ":"), self._names("digests", "digest", "@")
        for row in rows:
            key = str(row[0])
            yield Image(
                id=Digest(key), manifest=Digest(str(row[1])), created=_number(row[2]), size=int(_number(row[3])),
                stored=_number(row[4]), parent=Digest(str(row[5])) if row[5] else None,
                tags=tuple(tags.get(key, ())), digests=tuple(digests.get(key, ())),
            )

    def _names(self, table: str, column: str, separator: str) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for image, repository, name in self._database.all(
            f"SELECT image, repository, {column} FROM {table} ORDER BY repository, {column}"
        ):
            names.setdefault(str(image), []).append(f"{repository}{separator}{name}")
        return names


def _used(cursor: sqlite3.Cursor, table: str, column: str, value: str) -> bool:
    query = f"SELECT 1 FROM {table} WHERE {column} = ? UNION ALL SELECT 1 FROM leases WHERE digest = ? LIMIT 1"
    return cursor.execute(query, (value, value)).fetchone() is not None


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


def _shown(text: str) -> str:
    try:
        return references.parse(text).with_default_tag().familiar
    except InvalidInput:
        return text
