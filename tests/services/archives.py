"""Make tar archives byte by byte, also such as no archiver would make."""

from __future__ import annotations

from collections.abc import Mapping

REGULAR, HARDLINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO = (b"%d" % number for number in range(7))
END = bytes(1024)
MTIME = 1_000_000_000


def member(
    name: bytes, content: bytes = b"", kind: bytes = REGULAR, *, mode: int | None = None, uid: int = 0, gid: int = 0,
    mtime: int | bytes = MTIME, link: bytes = b"", device: tuple[int, int] = (0, 0), size: int | None = None,
    pax: Mapping[bytes, bytes] | None = None, magic: bytes = b"ustar\x0000", tail: bytes = b"",
) -> bytes:
    """Return one member: its header, after a PAX header with the records ``pax`` if there are any, and its content.

    A name of more than 100 bytes and an ``mtime`` in bytes are put into PAX records. ``size`` is what the header
    says where it is not the content's length; ``tail`` takes the place of the header's last bytes.
    """
    records = dict(pax or {})
    if len(name) > 100:
        records.setdefault(b"path", name)
    if len(link) > 100:
        records.setdefault(b"linkpath", link)
    if isinstance(mtime, bytes):
        records[b"mtime"] = mtime
        mtime = 0
    if mode is None:
        mode = 0o755 if kind == DIRECTORY else 0o644
    block = header(name, kind, mode, uid, gid, len(content) if size is None else size, mtime, link, device, magic, tail)
    return (extended(records) if records else b"") + block + padded(content)


def directory(name: bytes, **more: object) -> bytes:
    """Return a directory as a member."""
    return member(name, b"", DIRECTORY, **more)  # type: ignore[arg-type]  # member checks the names


def symlink(name: bytes, target: bytes, **more: object) -> bytes:
    """Return a symbolic link as a member."""
    return member(name, b"", SYMLINK, mode=0o777, link=target, **more)  # type: ignore[arg-type]


def hardlink(name: bytes, target: bytes, **more: object) -> bytes:
    """Return another name of a file as a member."""
    return member(name, b"", HARDLINK, link=target, **more)  # type: ignore[arg-type]


def archive(*members: bytes) -> bytes:
    """Return the whole archive."""
    return b"".join(members) + END


def extended(records: Mapping[bytes, bytes], kind: bytes = b"x") -> bytes:
    """Return a PAX extended header."""
    content = b"".join(record(keyword, value) for keyword, value in records.items())
    return header(b"PaxHeaders/x", kind, 0o644, size=len(content)) + padded(content)


def record(keyword: bytes, value: bytes) -> bytes:
    """Return one PAX record, its own length in front."""
    length = rest = len(keyword) + len(value) + 3
    while length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, keyword, value)


def header(
    name: bytes, kind: bytes, mode: int, uid: int = 0, gid: int = 0, size: int = 0, mtime: int = 0,
    link: bytes = b"", device: tuple[int, int] = (0, 0), magic: bytes = b"ustar\x0000", tail: bytes = b"",
) -> bytes:
    """Return a header's block; numbers too large or negative are in base 256."""
    block = bytearray(512)
    fields = (
        (0, name[:100]), (100, _number(mode, 8)), (108, _number(uid, 8)), (116, _number(gid, 8)),
        (124, _number(size, 12)), (136, _number(mtime, 12)), (156, kind), (157, link[:100]), (257, magic),
        (329, _number(device[0], 8)), (337, _number(device[1], 8)), (512 - len(tail), tail),
    )  # fmt: skip
    for offset, value in fields:
        block[offset : offset + len(value)] = value
    return sealed(block)


def sealed(block: bytes | bytearray) -> bytes:
    """Return the block with a right checksum."""
    content = bytearray(block)
    content[148:156] = b" " * 8
    content[148:155] = b"%06o\0" % sum(content)
    return bytes(content)


def padded(content: bytes) -> bytes:
    """Return the content, filled up to whole blocks."""
    return content + bytes(-len(content) % 512)


def _number(value: int, width: int) -> bytes:
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return (value % (1 << 8 * width - 1) | 1 << 8 * width - 1).to_bytes(width, "big")
