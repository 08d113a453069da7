"""Export root file systems as tars that are compressed with xz, and import them."""

import lzma

from sampan import hookimpl
from sampan.contracts.format import RootfsFormat
from sampan.errors import InvalidInput
from sampan.layers import compression, writer


class TarXZ(RootfsFormat):
    def recognizes(self, head):
        return head.startswith(b"\xfd7zXZ\0")

    def write(self, rootfs, out):
        with lzma.open(out, "wb", preset=1) as packed:
            writer.write_tree(rootfs, packed)

    def read(self, source):
        return compression.open_stream(source)  # Corrupt where it breaks off


@hookimpl
def sampan_open_format(options):
    if options:
        raise InvalidInput("the format takes no options")
    return TarXZ()
