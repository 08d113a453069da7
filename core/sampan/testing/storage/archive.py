"""Make layers to be extracted."""

from __future__ import annotations

import io
import struct
import tarfile

# VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective (capabilities(7)).
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


class Archive:
    """A layer in the making."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.TarFile(
            fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape")

    def add(self, name: str, content: bytes | None = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644,
            uid: int = 0, gid: int = 0, mtime: int = 1_000_000_000, link: str = "", device: tuple[int, int] = (0, 0),
            xattrs: dict[str, bytes] | None = None) -> Archive:
        """Add one member and return the archive; without content it is a directory."""
        member = tarfile.TarInfo(name)
        member.type = tarfile.DIRTYPE if content is None else kind
        member.mode = mode if content is not None or mode != 0o644 else 0o755
        member.uid, member.gid, member.mtime, member.linkname = uid, gid, mtime, link
        member.devmajor, member.devminor = device
        member.size = len(content or b"")
        member.pax_headers = {
            f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in (xattrs or {}).items()}
        self._tar.addfile(member, io.BytesIO(content or b""))
        return self

    def stream(self) -> io.BytesIO:
        """Return the finished layer."""
        self._tar.close()
        return io.BytesIO(self._bytes.getvalue())
