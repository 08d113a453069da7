"""Read and write snapshot formats: a container's root file system as one file.

The story
---------
``export`` mounts a container's tree and hands the directory to ``write``. ``import`` shows the first bytes of
its input to each format's ``recognizes`` until one says yes, and reads an uncompressed layer tar from the
stream that ``read`` returns; nothing is believed about its content.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import BinaryIO


class RootfsFormat(ABC):
    """A file format for one directory tree."""

    @abstractmethod
    def recognizes(self, head: bytes) -> bool:
        """Tell whether a file beginning with these bytes (up to 1024, fewer in a shorter file) is in this format."""

    @abstractmethod
    def write(self, rootfs: str, out: BinaryIO) -> None:
        """Write the tree below ``rootfs`` to ``out``: owners, modes, times, links, devices and xattrs as they are."""

    @abstractmethod
    def read(self, source: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Open the file as an uncompressed layer tar. Raises Corrupt when it breaks off or makes no sense."""
