"""What images take: twice, and shared content once."""

from __future__ import annotations

from pathlib import Path

from tests.core.engine.workbench import engine_at, stack
from tests.services.registry import RegistryServer


def test_shared_and_unshared(tmp_path: Path, registry: RegistryServer) -> None:
    with engine_at(tmp_path) as engine:
        lower, middle, upper = stack(engine, registry, "usage/stack")
        usage = engine.disk_usage()
        of = {one.image.id: one for one in usage.images}
        assert (of[upper.id].unpacked, of[middle.id].unpacked, of[lower.id].unpacked) == (6, 3, 1)
        # The lowest shares its layer, not its documents; the highest has a layer of its own.
        documents = sum(engine.store.blobs.size(blob) for blob in (lower.id, lower.manifest))
        assert of[lower.id].size - of[lower.id].shared == documents
        assert of[upper.id].size - of[upper.id].shared > 3
        files = [entry.stat().st_size for entry in Path(engine.layout.blob(upper.id)).parent.iterdir()]
        assert usage.image_bytes == sum(files) + 6
        assert str(of[upper.id].platform) == "linux/amd64"
        assert of[upper.id].containers == 0
