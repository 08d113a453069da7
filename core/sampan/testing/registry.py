"""Check a registry client against the contract: derive from the suites that concern it, and give each a ``subject``.

RegistrySuite is for every client, PushSuite for those that can be pushed to, LoginSuite for those that keep
credentials.
"""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
import pytest

from sampan.contracts.registry import Account, Authenticates, Fetched, Pushes, Registry
from sampan.errors import Denied, NotFound, SampanError
from sampan.model import digest as digests
from sampan.model.descriptor import INDEXES, MANIFESTS, OCI_MANIFEST, Descriptor
from sampan.model.digest import Digest
from sampan.model.image import Manifest, decode
from sampan.testing.forking import killed


class Subject(msgspec.Struct, frozen=True):
    """What the suite works on.

    ``open`` opens a repository that is there; ``tag`` names an image in it, of at least two layers, not an index;
    ``open_missing`` opens a repository that does not exist.
    """

    open: Callable[[], Registry]
    tag: str
    open_missing: Callable[[], Registry]


class RegistrySuite:
    """The contract of ``sampan.contracts.registry``, method by method."""

    @pytest.fixture
    def subject(self) -> Subject:
        """Return what to work on; derived classes provide it."""
        raise NotImplementedError("provide a fixture 'subject'")

    def test_manifest_describes_its_own_bytes(self, subject: Subject) -> None:
        """Digest, size and type are those of the content."""
        with subject.open() as registry:
            found = registry.manifest(subject.tag)
        assert found.descriptor.digest == digests.of(found.content)
        assert found.descriptor.size == len(found.content)
        assert found.descriptor.media_type in MANIFESTS | INDEXES

    def test_manifest_by_digest_is_the_same(self, subject: Subject) -> None:
        """A tag and the digest it stands for give the same bytes."""
        with subject.open() as registry:
            by_tag = registry.manifest(subject.tag)
            assert registry.manifest(by_tag.descriptor.digest) == by_tag

    def test_tags_hold_the_tag(self, subject: Subject) -> None:
        """The repository's tags are listed, each once."""
        with subject.open() as registry:
            tags = list(registry.tags())
        assert subject.tag in tags
        assert len(tags) == len(set(tags))

    def test_blobs_are_whole(self, subject: Subject) -> None:
        """Every blob of the image has the size and digest its descriptor says."""
        with subject.open() as registry:
            for descriptor in _blobs(registry, subject.tag):
                _check(registry, descriptor)

    def test_blobs_side_by_side(self, subject: Subject) -> None:
        """Blobs may be fetched from several threads at once."""
        with subject.open() as registry, ThreadPoolExecutor(8) as pool:
            wanted = _blobs(registry, subject.tag) * 4
            list(pool.map(lambda descriptor: _check(registry, descriptor), wanted))

    def test_blob_left_early(self, subject: Subject) -> None:
        """A blob may be given up after any chunk, or before the first; the registry goes on working."""
        with subject.open() as registry:
            descriptor = _blobs(registry, subject.tag)[-1]
            with registry.blob(descriptor):
                pass
            with registry.blob(descriptor) as chunks:
                next(chunks)
            _check(registry, descriptor)

    def test_unknown_tag(self, subject: Subject) -> None:
        """A tag that is not there is NotFound, named in the message."""
        with subject.open() as registry, pytest.raises(NotFound, match="no-such-tag"):
            registry.manifest("no-such-tag")

    def test_unknown_digest(self, subject: Subject) -> None:
        """A digest that is not there is NotFound."""
        with subject.open() as registry, pytest.raises(NotFound):
            registry.manifest(digests.of(b"no such manifest"))

    def test_unknown_blob(self, subject: Subject) -> None:
        """A blob that is not there is NotFound on entering, with its digest in the message."""
        digest = digests.of(b"no such blob")
        missing = Descriptor("application/octet-stream", digest, 12)
        with subject.open() as registry, pytest.raises(NotFound, match=digest), registry.blob(missing):
            pass

    def test_unknown_repository(self, subject: Subject) -> None:
        """A repository that does not exist is NotFound, or Denied where registries do not tell."""
        with subject.open_missing() as registry, pytest.raises((NotFound, Denied)):
            registry.manifest("latest")

    def test_wrong_size_is_noticed(self, subject: Subject) -> None:
        """A blob that is not as long as its descriptor says is an error, at the latest at its end."""
        with subject.open() as registry:
            right = _blobs(registry, subject.tag)[0]
            for size in (right.size - 1, right.size + 1):
                wrong = Descriptor(right.media_type, right.digest, size)
                with pytest.raises(SampanError), registry.blob(wrong) as chunks:
                    for _ in chunks:
                        pass

    def test_no_descriptor_stays_open(self, subject: Subject) -> None:
        """What was opened is closed again, also of blobs that were given up."""
        with subject.open() as registry:
            _blobs(registry, subject.tag)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with subject.open() as registry, registry.blob(_blobs(registry, subject.tag)[-1]) as chunks:
                next(chunks)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before

    def test_close_twice(self, subject: Subject) -> None:
        """Closing is idempotent, also when nothing was asked."""
        registry = subject.open()
        registry.close()
        registry.close()


class PushSubject(msgspec.Struct, frozen=True):
    """What PushSuite works on.

    ``open`` opens a repository by a word of the suite's choice, all at one registry: the same one for the same word, at
    first without content. ``path`` is what ``mount_blob`` calls it there.
    """

    open: Callable[[str], Registry]
    path: Callable[[str], str]


class PushSuite:
    """The contract of ``Pushes``, for a client that can be pushed to."""

    @pytest.fixture
    def subject(self) -> PushSubject:
        """Return what to work on; derived classes provide it."""
        raise NotImplementedError("provide a fixture 'subject'")

    def test_what_was_put_is_there(self, subject: PushSubject) -> None:
        """A blob is not there before, and there with its very bytes after; putting it again is fine."""
        blob, content = _random(100_000)
        with _pushing(subject, "one") as (registry, pushes):
            assert pushes.has_blob(blob.digest) is False
            for _ in range(2):
                pushes.put_blob(blob, io.BytesIO(content))
                assert pushes.has_blob(blob.digest) is True
            _check(registry, blob)

    def test_empty_blob(self, subject: PushSubject) -> None:
        """A blob may have no bytes at all."""
        blob, _ = _described(b"")
        with _pushing(subject, "one") as (registry, pushes):
            pushes.put_blob(blob, io.BytesIO())
            _check(registry, blob)

    def test_from_where_the_content_stands(self, subject: PushSubject) -> None:
        """A blob is what follows the place where the content stands, as many bytes as its descriptor says."""
        blob, content = _random(5000)
        file = io.BytesIO(b"before" + content + b"after")
        file.seek(len(b"before"))
        with _pushing(subject, "one") as (registry, pushes):
            pushes.put_blob(blob, file)
            _check(registry, blob)

    def test_a_blob_that_is_read_in_pieces(self, subject: PushSubject) -> None:
        """Content is not read all at once: it may be larger than memory."""
        blob, content = _random(20 << 20)
        file = _Frugal(content)
        with _pushing(subject, "one") as (registry, pushes):
            pushes.put_blob(blob, file)
            _check(registry, blob)

    def test_blobs_side_by_side(self, subject: PushSubject) -> None:
        """Blobs may be put from several threads at once."""
        made = [_random(50_000 + number) for number in range(16)]
        with _pushing(subject, "one") as (registry, pushes), ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: pushes.put_blob(one[0], io.BytesIO(one[1])), made))
            for blob, _ in made:
                _check(registry, blob)

    def test_other_bytes_than_the_digest_says(self, subject: PushSubject) -> None:
        """They are refused, and nothing is there afterwards."""
        blob, content = _random(1000)
        with _pushing(subject, "one") as (_, pushes):
            with pytest.raises(SampanError):
                pushes.put_blob(blob, io.BytesIO(content[::-1]))
            assert pushes.has_blob(blob.digest) is False

    def test_fewer_bytes_than_the_size_says(self, subject: PushSubject) -> None:
        """They are refused."""
        blob, content = _random(1000)
        with _pushing(subject, "one") as (_, pushes), pytest.raises(SampanError):
            pushes.put_blob(blob, io.BytesIO(content[:900]))

    def test_mount(self, subject: PushSubject) -> None:
        """True means that the blob is there now; it never is when the source has none."""
        blob, content = _random(1000)
        with _pushing(subject, "one") as (_, one), _pushing(subject, "two") as (registry, two):
            one.put_blob(blob, io.BytesIO(content))
            assert two.mount_blob(digests.of(b"nobody has it"), subject.path("one")) is False
            assert two.mount_blob(blob.digest, subject.path("nowhere")) in (True, False)
            if two.mount_blob(blob.digest, subject.path("one")):
                assert two.has_blob(blob.digest)
                _check(registry, blob)

    def test_manifest(self, subject: PushSubject) -> None:
        """A manifest is given back as it was put, by tag and by digest; its tag is listed."""
        config, content = _described(b"{}")
        manifest = msgspec.json.format(_manifest(config), indent=3)
        digest = digests.of(manifest)
        with _pushing(subject, "one") as (registry, pushes):
            pushes.put_blob(config, io.BytesIO(content))
            for version in ("tagged", digest):
                pushes.put_manifest(version, manifest, OCI_MANIFEST)
                found = registry.manifest(version)
                assert found == Fetched(Descriptor(OCI_MANIFEST, digest, len(manifest)), manifest)
            assert list(registry.tags()) == ["tagged"]

    @pytest.mark.parametrize("delay", [0.001, 0.005, 0.02])
    def test_a_kill_while_putting(self, subject: PushSubject, delay: float) -> None:
        """The blob is not there, or whole; putting it again works."""
        blob, content = _random(4 << 20)

        def put() -> None:
            with _pushing(subject, "one") as (_, pushes):
                pushes.put_blob(blob, io.BytesIO(content))

        killed(put, delay)
        with _pushing(subject, "one") as (registry, pushes):
            if pushes.has_blob(blob.digest):
                _check(registry, blob)
            pushes.put_blob(blob, io.BytesIO(content))
            _check(registry, blob)

    def test_a_tag_moves(self, subject: PushSubject) -> None:
        """A tag stands for what was put last."""
        with _pushing(subject, "one") as (registry, pushes):
            for number in range(2):
                config, content = _described(b"{}")
                pushes.put_blob(config, io.BytesIO(content))
                manifest = _manifest(config, annotations={"number": str(number)})
                pushes.put_manifest("moving", manifest, OCI_MANIFEST)
                assert registry.manifest("moving").content == manifest


class _Frugal(io.BytesIO):
    """Content that refuses to be read all at once."""

    _MOST = 8 << 20

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None and 0 <= size <= self._MOST, f"{size} bytes were asked for at once"
        return super().read(size)


def _random(size: int) -> tuple[Descriptor, bytes]:
    return _described(os.urandom(size))


def _described(content: bytes) -> tuple[Descriptor, bytes]:
    return Descriptor("application/octet-stream", digests.of(content), len(content)), content


def _manifest(config: Descriptor, **more: object) -> bytes:
    return msgspec.json.encode(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], **more}
    )


@contextmanager
def _pushing(subject: PushSubject, word: str) -> Iterator[tuple[Registry, Pushes]]:
    with subject.open(word) as registry:
        assert isinstance(registry, Pushes), "it has not all methods of Pushes"
        yield registry, registry


class LoginSubject(msgspec.Struct, frozen=True):
    """What LoginSuite works on.

    ``open`` opens a host for which nothing is kept, anew each time; ``user`` and ``password`` are what it accepts.
    """

    open: Callable[[], Registry]
    user: str
    password: str


class LoginSuite:
    """The contract of ``Authenticates``, for a driver that keeps credentials."""

    @pytest.fixture
    def subject(self) -> LoginSubject:
        """Return what to work on; derived classes provide it."""
        raise NotImplementedError("provide a fixture 'subject'")

    def test_nothing_is_kept_at_first(self, subject: LoginSubject) -> None:
        """There is an account with a name and nothing kept; nothing can be verified, or forgotten."""
        with _authenticating(subject) as registry:
            account = registry.account()
            assert account == Account(account.name, kept=False)
            assert account.name
            with pytest.raises(Denied):
                registry.verify()
            assert registry.logout() is False

    def test_what_is_accepted_is_kept(self, subject: LoginSubject) -> None:
        """It is found again by the next one that opens the host, until it is forgotten."""
        with _authenticating(subject) as registry:
            name = registry.account().name
            assert isinstance(registry.login(subject.user, subject.password), str)
        with _authenticating(subject) as registry:
            account = registry.account()
            assert (account.name, account.kept) == (name, True)
            assert account.user in (subject.user, "")
            registry.verify()
            assert registry.logout() is True
        with _authenticating(subject) as registry:
            assert not registry.account().kept

    def test_what_is_refused_is_not_kept(self, subject: LoginSubject) -> None:
        """Nothing is kept of it, and what was kept before stays."""
        with _authenticating(subject) as registry:
            with pytest.raises(Denied):
                registry.login(subject.user, subject.password + "!")
            assert not registry.account().kept
            registry.login(subject.user, subject.password)
            with pytest.raises(Denied):
                registry.login(subject.user, subject.password + "!")
        with _authenticating(subject) as registry:
            registry.verify()

    def test_login_twice(self, subject: LoginSubject) -> None:
        """The later one replaces the earlier."""
        with _authenticating(subject) as registry:
            registry.login(subject.user, subject.password)
            registry.login(subject.user, subject.password)
            assert registry.logout() is True
            assert registry.logout() is False


@contextmanager
def _authenticating(subject: LoginSubject) -> Iterator[Authenticates]:
    with subject.open() as registry:
        assert isinstance(registry, Authenticates), "it has not all methods of Authenticates"
        yield registry


def _blobs(registry: Registry, tag: str) -> list[Descriptor]:
    manifest = decode(registry.manifest(tag).content, Manifest, "manifest")
    return [manifest.config, *manifest.layers]


def _check(registry: Registry, descriptor: Descriptor) -> None:
    hasher, size = digests.hasher(descriptor.digest), 0
    with registry.blob(descriptor) as chunks:
        for chunk in chunks:
            hasher.update(chunk)
            size += len(chunk)
    assert size == descriptor.size
    assert Digest(f"{hasher.name}:{hasher.hexdigest()}") == descriptor.digest
