"""Read and write a root file system as a tar archive, plain or compressed when read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from sampan.contracts.format import RootfsFormat


class RootfsTar(RootfsFormat):
    """What ``export`` and ``import`` exchange: a tar of the tree, its names relative to the root."""

    def recognizes(self, head: bytes) -> bool:
        """Tell whether this is a tar archive, or compressed, which nothing else here is."""
        from sampan.layers import compression, reader

        empty = len(head) >= 512 and not any(head[:512])
        return compression.detect(head) is not None or empty or reader.is_header(head[:512])

    def write(self, rootfs: str, out: BinaryIO) -> None:
        """Write a plain archive."""
        import errno

        from sampan.errors import OutOfSpace
        from sampan.layers import writer

        try:
            writer.write_tree(rootfs, out)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace("no space left to write the archive") from error
            raise

    def read(self, source: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Open the archive, uncompressed if need be."""
        return _opened(source)


@contextmanager
def _opened(source: BinaryIO) -> Iterator[BinaryIO]:
    from sampan.layers import compression

    with compression.open_stream(source) as stream:
        yield stream
