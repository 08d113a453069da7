"""Check a registry client against the contract: derive from the suites that concern it, and give each a ``subject``.

RegistrySuite is for every client, LoginSuite for those that keep credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
import pytest

from sampan.contracts.registry import Account, Authenticates, Registry
from sampan.errors import Denied, NotFound, SampanError
from sampan.model import digest as digests
from sampan.model.descriptor import INDEXES, MANIFESTS, Descriptor
from sampan.model.digest import Digest
from sampan.model.image import Manifest, decode


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

    def test_close_twice(self, subject: Subject) -> None:
        """Closing is idempotent, also when nothing was asked."""
        registry = subject.open()
        registry.close()
        registry.close()


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
