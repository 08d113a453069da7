"""Engines on roots of their own, and images made by hand, for the tests of the engine's images half."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.images import push_blob, push_document
from tests.services.registry import RegistryServer

from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.model.image import Image

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DRIVERS = ("overlay2", "vfs")


@contextmanager
def engine_at(root: Path, driver: str = "overlay2", **settings: Any) -> Iterator[Engine]:
    """Open an engine whose two roots are below ``root``."""
    chosen = Settings(root=str(root / "data"), run_root=str(root / "run"), storage=(driver,), **settings)
    with Engine(chosen) as engine:
        yield engine


def archive(files: Mapping[str, bytes | None]) -> bytes:
    """Return a tar of files by name; None makes a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if content is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def push(
    registry: RegistryServer,
    name: str,
    layers: Sequence[bytes],
    *,
    diff_ids: Sequence[str] | None = None,
    config: Mapping[str, Any] | None = None,
    compression: str = "gzip",
) -> str:
    """Put an image of layer archives, lowest first, under ``NAME:TAG``; the manifest's digest.

    ``diff_ids`` replaces the truth; ``config`` adds to the configuration; ``compression`` may be ``zstd`` or empty.
    """
    repository, _, tag = name.partition(":")
    kept = [_compressed(layer, compression) for layer in layers]
    digests = [push_blob(registry, repository, layer) for layer in kept]
    document = {
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids) if diff_ids else [sha256(layer) for layer in layers]},
        **(config or {}),
    }
    content = json.dumps(document).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": push_blob(registry, repository, content), "size": len(content)},
        "layers": [
            {"mediaType": OCI_LAYER + (f"+{compression}" if compression else ""), "digest": digest, "size": len(layer)}
            for digest, layer in zip(digests, kept, strict=True)
        ],
    }
    return push_document(registry, repository, tag, json.dumps(manifest).encode(), OCI_MANIFEST)


def _compressed(layer: bytes, compression: str) -> bytes:
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().compress(layer)
    return gzip.compress(layer, 1, mtime=0) if compression else layer


def content(engine: Engine) -> dict[str, list[Any]]:
    """Return all that an engine's store holds, by kind: to compare, or to be empty."""
    layout, database = engine.layout, engine.store.database
    found: dict[str, list[Any]] = {
        table: database.all(f"SELECT * FROM {table}")
        for table in ("images", "tags", "digests", "image_blobs", "image_layers", "layers", "journal", "leases")
    }
    found["blobs"] = sorted(os.listdir(os.path.dirname(layout.blob(sha256(b"")))))  # type: ignore[arg-type]  # a digest
    found["temporary"] = os.listdir(layout.temporary)
    found["locks"] = os.listdir(layout.locks)
    found["snapshots"] = sorted(snapshot.key for snapshot in engine.storage().walk())
    return found


def tree(engine: Engine, image: str) -> dict[str, bytes]:
    """Return every regular file of an image, by path, as a container would see it."""
    from sampan import naive
    from sampan.engine import unpack

    driver = engine.storage()
    chain = unpack.ensure_unpacked(engine, engine.image(image), engine.storage_name())
    assert chain is not None
    found = {}
    with naive.mounted(driver.mounts(chain)) as top:
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.islink(path):
                    found[os.path.relpath(path, top)] = Path(path).read_bytes()
    return found


def descend(engine: Engine, child: Image, parent: Image) -> None:
    """Have it on record that one image was committed from another."""
    with engine.store.database.transaction() as cursor:
        cursor.execute("UPDATE images SET parent = ? WHERE id = ?", (parent.id, child.id))


def stack(engine: Engine, registry: RegistryServer, name: str, count: int = 3) -> list[Image]:
    """Pull images of one layer, two, three …, each recorded as committed from the one before, under ``NAME:1`` …"""
    layers = [archive({f"file{number}": b"x" * (number + 1)}) for number in range(count)]
    found: list[Image] = []
    for number in range(1, count + 1):
        config = {"history": [{"created_by": f"step {one}"} for one in range(number)]}
        push(registry, f"{name}:{number}", layers[:number], config=config)
        found.append(engine.pull(f"{registry.address}/{name}:{number}").image)
        if number > 1:
            descend(engine, found[-1], found[-2])
    return found
