"""Check that every blob an image needs is here, of its size, and what its digest says; fetch again what is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from sampan.engine import undo
from sampan.engine.check.finding import Suspicion, bring_again, listed
from sampan.errors import Corrupt, NotFound, SampanError
from sampan.model import digest as digests
from sampan.model import reference as references
from sampan.model.descriptor import Descriptor
from sampan.model.digest import Digest
from sampan.model.image import Manifest, decode
from sampan.store import locks
from sampan.store.survey import Survey, survey

if TYPE_CHECKING:
    from sampan.contracts.registry import Registry
    from sampan.engine.engine import Engine
    from sampan.store.blobs import Blobs

_CHUNK = 1 << 20


def look(engine: Engine, *, quick: bool) -> Iterator[Suspicion]:
    """Hash every blob, several at once; ``quick`` only the documents, of layers the size."""
    from concurrent.futures import ThreadPoolExecutor

    known, blobs = survey(engine.store), engine.store.blobs
    layers = dict(_sizes(known, blobs))
    needed = list(known.needed())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = pool.map(
            lambda digest: fault(blobs, digest, layers.get(digest), hashed=not quick or digest not in layers), needed
        )
        for digest, problem in zip(needed, problems, strict=True):
            if problem:
                yield _suspicion(engine, known, digest, problem)


def fault(blobs: Blobs, digest: Digest, size: int | None, *, hashed: bool = True) -> str:
    """Return what is wrong with a blob; empty when nothing is. ``size`` None: not known."""
    try:
        with blobs.open(digest) as file:
            found = os.fstat(file.fileno()).st_size
            if size is not None and found != size:
                return f"has {found} bytes instead of {size}"
            hasher = digests.hasher(digest)
            while hashed and (chunk := file.read(_CHUNK)):
                hasher.update(chunk)
    except NotFound:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "does not match its digest" if hashed and hasher.hexdigest() != digests.encoded(digest) else ""


def _sizes(known: Survey, blobs: Blobs) -> Iterator[tuple[Digest, int]]:
    """Yield the layers that the manifests name, with their sizes."""
    for manifests in known.manifests.values():
        for digest in manifests:
            for layer in _descriptors(blobs, digest)[1:]:
                yield layer.digest, layer.size


def _descriptors(blobs: Blobs, manifest: Digest) -> tuple[Descriptor, ...]:
    """Return the configuration and the layers of a manifest; nothing of one that cannot be read."""
    try:
        found = decode(blobs.read(manifest), Manifest, "")
    except (NotFound, Corrupt, OSError):
        return ()
    return found.config, *found.layers


def _suspicion(engine: Engine, known: Survey, digest: Digest, problem: str) -> Suspicion:
    users = known.users(digest)
    names = sorted({name for image in users for name in image.digests})
    return Suspicion(
        kind="blob", name=digest, problem=f"{problem}, and is part of {listed(users)}", remedy=bring_again(users),
        mend=partial(_fetch_again, engine, digest, names) if names else None,
    )


def _fetch_again(engine: Engine, digest: Digest, names: list[str]) -> None:
    """Put a good copy in a blob's place. Raises what the last of the registries raises."""
    with engine.store.journal.operation("check", lambda action: undo.undo(engine, action)) as operation:
        operation.lease([digest])
        for name in names:
            try:
                _fetch(engine, references.parse(name).repository, digest)
                break
            except SampanError:
                if name == names[-1]:
                    raise


def _fetch(engine: Engine, repository: str, digest: Digest) -> None:
    blobs = engine.store.blobs
    with engine.registry(repository) as registry, locks.exclusive(engine.layout, digest):
        if not fault(blobs, digest, None):
            return  # another command was faster
        descriptor = _described(engine, digest)
        if descriptor is None:
            _take_document(blobs, registry, digest)
            return
        with registry.blob(descriptor) as chunks:
            for _ in blobs.ingest(descriptor, chunks):
                pass


def _described(engine: Engine, digest: Digest) -> Descriptor | None:
    """Return a blob's descriptor from a manifest that names it; None for what no manifest names: a document."""
    known = survey(engine.store)
    for manifests in known.manifests.values():
        for manifest in manifests:
            for descriptor in _descriptors(engine.store.blobs, manifest):
                if descriptor.digest == digest:
                    return descriptor
    return None


def _take_document(blobs: Blobs, registry: Registry, digest: Digest) -> None:
    content = registry.manifest(digest).content
    for _ in blobs.ingest(Descriptor("", digest, len(content)), [content]):
        pass
