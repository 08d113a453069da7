"""The suites for registry clients: a right one passes, and each of these mistakes is noticed."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.core.testing.noticing import noticed

from sampan.contracts.registry import Account, Content, Fetched, Registry
from sampan.errors import Corrupt, Denied, NotFound
from sampan.model import digest as digests
from sampan.model.descriptor import OCI_MANIFEST, Descriptor
from sampan.model.digest import Digest
from sampan.testing.registry import LoginSubject, PushSubject, Subject


class Memory(Registry):
    """A registry in memory, as a plugin's author might write one; all repositories are in ``shelf``."""

    def __init__(self, path: str, shelf: dict[str, dict[str, dict[str, bytes]]]) -> None:
        self.shelf = shelf
        self.own = shelf.setdefault(path, {"blobs": {}, "documents": {}, "types": {}, "tags": {}})

    def manifest(self, version: str) -> Fetched:
        digest = self.own["tags"].get(version, version.encode()).decode()
        if digest not in self.own["documents"]:
            raise NotFound(f"no {version}")
        content = self.own["documents"][digest]
        return Fetched(Descriptor(self.own["types"][digest].decode(), Digest(digest), len(content)), content)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        if descriptor.digest not in self.own["blobs"]:
            raise NotFound(f"no {descriptor.digest}")
        content = self.own["blobs"][descriptor.digest]
        if len(content) != descriptor.size:
            raise Corrupt(f"{descriptor.digest} is not as long as it should be")
        yield iter([content])

    def tags(self) -> Iterator[str]:
        return iter(self.own["tags"])

    def has_blob(self, digest: Digest) -> bool:
        return digest in self.own["blobs"]

    def mount_blob(self, digest: Digest, source: str) -> bool:
        content = self.shelf.get(source, self.own)["blobs"].get(digest)
        if content is not None:
            self.own["blobs"][digest] = content
        return content is not None

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        taken, left = b"", descriptor.size
        while left and (chunk := content.read(min(left, 1 << 20))):
            taken, left = taken + chunk, left - len(chunk)
        if digests.of(taken) != descriptor.digest:
            raise Corrupt(f"not {descriptor.digest}")
        self.own["blobs"][descriptor.digest] = taken

    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        digest = digests.of(content)
        self.own["documents"][digest] = content
        self.own["types"][digest] = media_type.encode()
        if not digests.is_digest(version):
            self.own["tags"][version] = digest.encode()

    # Logging in: ``shelf`` holds what is kept.

    def account(self) -> Account:
        kept = self.shelf.get("kept", {})
        return Account("memory", kept=bool(kept), user=next(iter(kept), ""))

    def login(self, user: str, password: str) -> str:
        if password != "right":
            raise Denied("no")
        self.shelf["kept"] = {user: {}}
        return ""

    def verify(self) -> None:
        if not self.shelf.get("kept"):
            raise Denied("nobody")

    def logout(self) -> bool:
        return bool(self.shelf.pop("kept", None))


class Forgetful(Memory):
    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        return None


class Credulous(Memory):
    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        self.own["blobs"][descriptor.digest] = content.read(descriptor.size if descriptor.size < 8 << 20 else 1 << 20)


class Greedy(Memory):
    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        taken = content.read(1 << 40)
        if digests.of(taken) != descriptor.digest:
            raise Corrupt(f"not {descriptor.digest}")
        self.own["blobs"][descriptor.digest] = taken


class Rewinding(Memory):
    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        content.seek(0)
        super().put_blob(descriptor, content)


class Boastful(Memory):
    def mount_blob(self, digest: Digest, source: str) -> bool:
        return True


class Rewriting(Memory):
    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        super().put_manifest(version, b"".join(content.split()), media_type)


class Untyped(Memory):
    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        super().put_manifest(version, content, "application/json")


class Sticky(Memory):
    def put_manifest(self, version: str, content: bytes, media_type: str) -> None:
        before = dict(self.own["tags"])
        super().put_manifest(version, content, media_type)
        self.own["tags"].update(before)


class ReadOnly(Memory):
    put_blob = None  # type: ignore[assignment]  # the mistake


class CutsShort(Memory):
    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        with super().blob(descriptor) as chunks:
            yield (chunk[:-1] for chunk in chunks)


class GivesOtherBytes(Memory):
    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        with super().blob(descriptor) as chunks:
            yield (chunk[::-1] for chunk in chunks)


class Misdescribes(Memory):
    def manifest(self, version: str) -> Fetched:
        found = super().manifest(version)
        return Fetched(found.descriptor, found.content + b" ")


class AnswersAnything(Memory):
    def manifest(self, version: str) -> Fetched:
        own = self.own if self.own["documents"] else self.shelf["one"]
        digest = next(iter(own["documents"]))
        content = own["documents"][digest]
        return Fetched(Descriptor(OCI_MANIFEST, Digest(digest), len(content)), content)


class ReadsOnlyOnce(Memory):
    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        self.shelf["busy"] = {} if "busy" not in self.shelf else self.shelf.pop("never")
        time.sleep(0.01)
        with super().blob(descriptor) as chunks:
            yield chunks
        del self.shelf["busy"]


class LeavesFilesOpen(Memory):
    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        os.open(os.devnull, os.O_RDONLY)
        with super().blob(descriptor) as chunks:
            yield chunks


class TellsTooLate(Memory):
    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        yield (self.own["blobs"][descriptor.digest] for _ in range(1))


class ListsTwice(Memory):
    def tags(self) -> Iterator[str]:
        return iter([*super().tags()] * 2)


class BelievesSizes(Memory):
    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        yield iter([self.own["blobs"][descriptor.digest]])


class Unbelieving(Memory):
    def login(self, user: str, password: str) -> str:
        self.shelf["kept"] = {user: {}}
        if password != "right":
            raise Denied("no")
        return ""


class Trusting(Memory):
    def login(self, user: str, password: str) -> str:
        self.shelf["kept"] = {user: {}}
        return ""


class Undone(Memory):
    def logout(self) -> bool:
        return True


class Careless(Memory):
    def verify(self) -> None:
        return None


def pushing(kind: type[Memory], where: Path) -> PushSubject:
    shelf: dict[str, dict[str, dict[str, bytes]]] = {}
    return PushSubject(lambda word: kind(word, shelf), str)


def pulling(kind: type[Memory], where: Path) -> Subject:
    shelf: dict[str, dict[str, dict[str, bytes]]] = {}
    one = Memory("one", shelf)
    blobs = [b"{}", b"lower", b"upper"]
    described = [Descriptor("application/octet-stream", digests.of(blob), len(blob)) for blob in blobs]
    for descriptor, blob in zip(described, blobs, strict=True):
        one.put_blob(descriptor, io.BytesIO(blob))
    config, *layers = described
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    one.put_manifest("1", msgspec.json.encode(manifest), OCI_MANIFEST)
    return Subject(lambda: kind("one", shelf), "1", lambda: kind("missing", shelf))


def asking(kind: type[Memory], where: Path) -> LoginSubject:
    shelf: dict[str, dict[str, dict[str, bytes]]] = {}
    return LoginSubject(lambda: kind("host", shelf), "me", "right")


SUITES = {"Push": pushing, "Pull": pulling, "Login": asking}


@pytest.mark.parametrize("suite", SUITES)
def test_a_right_one_passes(suite: str, tmp_path: Path) -> None:
    assert noticed(suite, partial(SUITES[suite], Memory), "test", tmp_path) == set()


def check(suite: str, kind: type[Memory], test: str, where: Path) -> None:
    assert noticed(suite, partial(SUITES[suite], kind), f"test_{test}", where) == {f"test_{test}"}


@pytest.mark.parametrize(("kind", "test"), [
    (CutsShort, "blobs_are_whole"), (GivesOtherBytes, "blobs_are_whole"),
    (Misdescribes, "manifest_describes_its_own_bytes"),
    (AnswersAnything, "unknown_tag"), (AnswersAnything, "unknown_repository"), (ReadsOnlyOnce, "blobs_side_by_side"),
    (LeavesFilesOpen, "no_descriptor_stays_open"), (TellsTooLate, "unknown_blob"), (ListsTwice, "tags_hold_the_tag"),
    (BelievesSizes, "wrong_size_is_noticed"),
])
def test_mistakes_in_pulling_are_noticed(kind: type[Memory], test: str, tmp_path: Path) -> None:
    check("Pull", kind, test, tmp_path)


@pytest.mark.parametrize(("kind", "test"), [
    (Forgetful, "what_was_put_is_there"), (Credulous, "other_bytes_than_the_digest_says"),
    (Credulous, "fewer_bytes_than_the_size_says"), (Greedy, "a_blob_that_is_read_in_pieces"),
    (Greedy, "from_where_the_content_stands"), (Rewinding, "from_where_the_content_stands"), (Boastful, "mount"),
    (Rewriting, "manifest"), (Untyped, "manifest"), (Sticky, "a_tag_moves"), (ReadOnly, "empty_blob"),
])
def test_mistakes_in_pushing_are_noticed(kind: type[Memory], test: str, tmp_path: Path) -> None:
    check("Push", kind, test, tmp_path)


@pytest.mark.parametrize(("kind", "test"), [
    (Unbelieving, "what_is_refused_is_not_kept"), (Trusting, "what_is_refused_is_not_kept"),
    (Undone, "nothing_is_kept_at_first"), (Undone, "login_twice"), (Careless, "nothing_is_kept_at_first"),
])
def test_mistakes_in_logging_in_are_noticed(kind: type[Memory], test: str, tmp_path: Path) -> None:
    check("Login", kind, test, tmp_path)
