"""The suites for registry clients: a right one passes, and each of these mistakes is noticed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sampan.contracts.registry import Account, Content, Fetched, Registry
from sampan.errors import Corrupt, Denied, NotFound
from sampan.model import digest as digests
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.testing.registry import LoginSubject, LoginSuite, PushSubject, PushSuite


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
        yield iter([self.own["blobs"][descriptor.digest]])

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


def noticed(suite: type, kind: type[Memory]) -> set[str]:
    """Return the tests of a suite that a client fails."""
    failed = set()
    for name, test in inspect.getmembers(suite(), inspect.ismethod):
        if not name.startswith("test_"):
            continue
        shelf: dict[str, dict[str, dict[str, bytes]]] = {}
        try:
            if suite is PushSuite:
                test(PushSubject(lambda word, shelf=shelf: kind(word, shelf), str))
            else:
                test(LoginSubject(lambda shelf=shelf: kind("host", shelf), "me", "right"))
        except (Exception, pytest.fail.Exception):
            failed.add(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize("suite", [PushSuite, LoginSuite])
def test_a_right_one_passes(suite: type) -> None:
    assert noticed(suite, Memory) == set()


@pytest.mark.parametrize(("kind", "test"), [
    (Forgetful, "what_was_put_is_there"), (Credulous, "other_bytes_than_the_digest_says"),
    (Credulous, "fewer_bytes_than_the_size_says"), (Greedy, "a_blob_that_is_read_in_pieces"),
    (Greedy, "from_where_the_content_stands"), (Rewinding, "from_where_the_content_stands"), (Boastful, "mount"),
    (Rewriting, "manifest"), (Untyped, "manifest"), (Sticky, "a_tag_moves"), (ReadOnly, "empty_blob"),
])
def test_mistakes_in_pushing_are_noticed(kind: type[Memory], test: str) -> None:
    assert test in noticed(PushSuite, kind)


@pytest.mark.parametrize(("kind", "test"), [
    (Unbelieving, "what_is_refused_is_not_kept"), (Trusting, "what_is_refused_is_not_kept"),
    (Undone, "nothing_is_kept_at_first"), (Undone, "login_twice"), (Careless, "nothing_is_kept_at_first"),
])
def test_mistakes_in_logging_in_are_noticed(kind: type[Memory], test: str) -> None:
    assert test in noticed(LoginSuite, kind)
