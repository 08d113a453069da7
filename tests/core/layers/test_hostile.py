"""Archives made to do harm, or damaged at random: errors of ours come of them, and nothing outside the root changes."""

from __future__ import annotations

import gzip
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.archives import (
    BLOCK,
    CHARACTER,
    archive,
    directory,
    extended,
    hardlink,
    header,
    member,
    padded,
    record,
    sealed,
    symlink,
)  # fmt: skip

from sampan.errors import Corrupt, SampanError
from sampan.layers import compression, extract, removal, whiteouts

Described = dict[str, tuple[object, ...]]


class Prison:
    """A root, and round it a tree that must not change."""

    def __init__(self, directory: Path) -> None:
        self.around = directory
        (directory / "etc").mkdir()
        (directory / "etc/passwd").write_text("root:x:0:0")
        (directory / "secret").mkdir(mode=0o700)
        (directory / "secret/key").write_text("key")
        os.chmod(directory / "secret/key", 0o600)
        os.symlink("secret", directory / "link")
        self.root = directory / "inner/root"
        self.root.mkdir(parents=True)
        self._before = self.described()

    def described(self) -> Described:
        found: Described = {}
        for path, directories, files in os.walk(self.around):
            if path == str(self.root.parent):
                directories.remove("root")
                assert directories == []
            for name in [*directories, *files]:
                status = os.lstat(f"{path}/{name}")
                content = Path(f"{path}/{name}").read_bytes() if name in files and not os.path.islink(
                    f"{path}/{name}") else b""
                found[f"{path}/{name}"] = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, content,
                                           status.st_mtime_ns if name in files else 0)
        return found

    def extract(self, content: bytes, policy: whiteouts.Whiteouts) -> bool:
        """Extract, and tell whether it went through; nothing but errors of ours may be raised."""
        try:
            extract.extract(compression.open_stream(io.BytesIO(content)), str(self.root), policy)
        except SampanError:
            return False
        finally:
            assert self.described() == self._before
        return True

    def clear(self) -> None:
        removal.remove_tree(str(self.root))
        self.root.mkdir()


@pytest.fixture
def prison(tmp_path: Path) -> Iterator[Prison]:
    made = Prison(tmp_path)
    yield made
    removal.remove_tree(str(made.root))  # deeper than pytest's own clean-up can go


@pytest.fixture(params=[whiteouts.Remove, whiteouts.Overlay])
def policy(request: pytest.FixtureRequest) -> whiteouts.Whiteouts:
    made: whiteouts.Whiteouts = request.param()
    return made


_TARGETS = (b"..", b"../..", b"/", b"../../secret", b"../../link", b"/../../../..", b"l", b"a/../../..")


@pytest.mark.parametrize("target", _TARGETS)
def test_nothing_reaches_out_by_way_of_links(prison: Prison, policy: whiteouts.Whiteouts, target: bytes) -> None:
    for last in (
        member(b"l/secret/key", b"evil"), member(b"l/key", b"evil"), member(b"l", b"evil"), directory(b"l", mode=0o777),
        directory(b"l/secret", mode=0o777), member(b"l/.wh.secret"), member(b"l/.wh.key"), member(b"l/.wh..wh..opq"),
        hardlink(b"h", b"l/secret/key", mode=0o777, uid=9), hardlink(b"h", b"l/key", mode=0o777, uid=9),
        hardlink(b"l/secret/new", b"f"), member(b"l/null", kind=CHARACTER, device=(1, 3)), symlink(b"l/key", b"x"),
    ):  # fmt: skip
        prison.extract(archive(member(b"f", b"1"), symlink(b"l", target), last, member(b"z")), policy)
        prison.clear()


@pytest.mark.parametrize("name", [
    b"/etc/passwd", b"../secret/key", b"a/../../secret/key", b"../../etc/passwd", b"/..//../etc/passwd",
    b".wh.../secret", b"../.wh.secret", b"../.wh..wh..opq", b"x\0/../../etc/passwd", b"\n../..", b"..\n/x",
])  # fmt: skip
def test_names_that_point_out(prison: Prison, policy: whiteouts.Whiteouts, name: bytes) -> None:
    for pax in (None, {b"path": name}):
        shown = name if pax is None else b"plain"
        prison.extract(archive(member(shown, b"evil", pax=pax)), policy)
        prison.extract(archive(directory(shown, pax=pax, mode=0o777)), policy)
        prison.extract(archive(member(b"f"), hardlink(b"h", name, mode=0o777, uid=9)), policy)
        prison.clear()


def test_a_lower_layers_links_reach_nowhere(prison: Prison) -> None:
    prison.extract(archive(symlink(b"l", b"../.."), symlink(b"m", b"/"), symlink(b"n", b"n")), whiteouts.Remove())
    for name in (b"l/secret/key", b"m/secret/key", b"n/x", b"l/.wh.secret", b"l/.wh..wh..opq", b"m/.wh..wh..opq"):
        prison.extract(archive(member(name, b"evil"), hardlink(b"h", b"l/secret/key", uid=7)), whiteouts.Remove())


@pytest.mark.parametrize("content", [
    member(b".", b"file"), member(b"./", b"file"), member(b"", b"file"), symlink(b".", b"/etc"), symlink(b"./", b"/"),
    hardlink(b".", b"a"), member(b"/", kind=BLOCK, device=(7, 0)), member(b".wh.."), member(b".wh..."), member(b".wh."),
    member(b"f", pax={b"path": b"a\0b"}), member(b"f", uid=2**32 - 1), member(b"f", size=2**62), member(b"f", size=-1),
    header(b"f", b"L", 0, size=2**40), header(b"f", b"x", 0, size=2**21) + bytes(2**21),
    header(b"x", b"x", 0, size=12) + padded(b"9999999 a=b\n"), extended({b"size": b"-1"}) + member(b"f"),
    extended({b"size": b"9" * 40}) + member(b"f"), extended({b"mtime": b"1e9"}) + member(b"f"),
    member(b"f", kind=CHARACTER, device=(2**20, 2**21)), sealed(bytearray(b"\xff" * 512)), b"\1" * 512,
    member(b"d/" * 400_000 + b"f"), b"".join(directory(b"a/" * depth) for depth in (2000, 2500)),
])  # fmt: skip
def test_what_is_refused(prison: Prison, policy: whiteouts.Whiteouts, content: bytes) -> None:
    assert not prison.extract(archive(content), policy)


def test_bombs_take_no_memory(prison: Prison) -> None:
    import tracemalloc

    bombs = [
        gzip.compress(header(b"x", b"x", 0, size=2**30) + bytes(64 << 20), 1),
        gzip.compress(header(b"x", b"x", 0, size=900_000) + padded(record(b"k", b"v" * 8) * 64_000), 1),
        gzip.compress(archive() + bytes(128 << 20), 1),
        gzip.compress(b"".join(extended({b"comment": b"c" * 1000}, b"g") for _ in range(20_000)), 1),
    ]
    tracemalloc.start()
    try:
        for bomb in bombs:
            prison.extract(bomb, whiteouts.Remove())
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def _valid() -> bytes:
    return archive(
        directory(b"d", mode=0o2755), member(b"d/f", b"content" * 100, uid=3, mode=0o4755),
        symlink(b"d/l", b"../../../secret"), hardlink(b"h", b"d/f"), member(b"null", kind=CHARACTER, device=(1, 3)),
        member(b"n" * 150, b"long", mtime=b"-1.5", pax={b"SCHILY.xattr.user.x": b"y"}), member(b"d/.wh.gone"),
        directory(b"e"), member(b"e/.wh..wh..opq"), member(b"e/f", padded(b"1\n0\n3\n") + b"abc", pax={
            b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"9000"}),
        header(b"././@LongLink", b"L", 0, size=121) + padded(b"../" * 40 + b"\0") + member(b"short"),
    )  # fmt: skip


def _mutated(content: bytes, chance: random.Random) -> bytes:
    """Damage an archive as chance has it, and make most headers' checksums right again."""
    blocks = [bytearray(content[at:at + 512]) for at in range(0, len(content), 512)]
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(blocks))
        match chance.randrange(6):
            case 0:
                blocks[at][chance.randrange(512)] = chance.randrange(256)
            case 1:
                blocks.insert(at, bytearray(chance.choice(blocks)))
            case 2:
                del blocks[at]
                blocks.append(bytearray(512))
            case 3:  # a field of a header, or of what is taken for one
                field = chance.choice((0, 100, 108, 124, 136, 156, 157, 257, 345, 386, 482))
                value = chance.choice((b"../..", b"/", b"\xff" * 12, b"7" * 11, b"\0" * 8, b"1", b"2", b"S", b"."))
                blocks[at][field:field + len(value)] = value
            case 4:
                other = chance.randrange(len(blocks))
                blocks[at], blocks[other] = blocks[other], blocks[at]
            case _:
                blocks[at][:] = chance.randbytes(512)
    if chance.random() < 0.8:
        blocks = [bytearray(sealed(block)) if block[257:262] == b"ustar" else block for block in blocks]
    damaged = b"".join(blocks)
    return damaged[:chance.randrange(len(damaged))] if chance.random() < 0.2 else damaged


@pytest.mark.parametrize("seed", range(10))
def test_damaged_at_random(prison: Prison, policy: whiteouts.Whiteouts, seed: int) -> None:
    chance, whole = random.Random(seed), _valid()
    for _ in range(40):
        prison.extract(_mutated(whole, chance), policy)
        prison.clear()


def test_the_archive_they_come_of_is_valid_but_for_its_last_name(prison: Prison) -> None:
    with pytest.raises(Corrupt, match="outside the root"):
        extract.extract(io.BytesIO(_valid()), str(prison.root), whiteouts.Remove())
    assert (prison.root / "e/f").stat().st_size == 9000
