"""Open the store: every kind of record and the journal, over one connection."""

from __future__ import annotations

from functools import cached_property

from sampan.model.image import Image, ImageConfig, decode
from sampan.store import reserve
from sampan.store.blobs import Blobs
from sampan.store.containers import Containers
from sampan.store.database import Database
from sampan.store.images import Images
from sampan.store.journal import Journal
from sampan.store.layers import Layers
from sampan.store.layout import Layout
from sampan.store.networks import Networks
from sampan.store.volumes import Volumes


class Store:
    """All state of one root. Not to be carried across a fork."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        layout.prepare()
        reserve.ensure(layout)
        self.database = Database(layout.database)
        self.blobs = Blobs(layout)
        self.journal = Journal(self.database, lambda: reserve.release(layout))

    @cached_property
    def images(self) -> Images:
        """The image records."""
        return Images(self.database)

    @cached_property
    def layers(self) -> Layers:
        """The layer records."""
        return Layers(self.database)

    @cached_property
    def containers(self) -> Containers:
        """The container records."""
        return Containers(self.database)

    @cached_property
    def networks(self) -> Networks:
        """The network records."""
        return Networks(self.database)

    def configuration(self, image: Image) -> ImageConfig:
        """Return an image's configuration. Raises NotFound and Corrupt when its blob is gone or damaged."""
        return decode(self.blobs.read(image.id), ImageConfig, f"the configuration of image {image.short_id}")

    @cached_property
    def volumes(self) -> Volumes:
        """The volume records."""
        return Volumes(self.database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
