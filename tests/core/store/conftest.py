from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.model.digest import Digest, of
from sampan.model.image import Image
from sampan.store.layout import Layout
from sampan.store.store import Store


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "root"), str(tmp_path / "run"))


@pytest.fixture
def store(layout: Layout) -> Iterator[Store]:
    opened = Store(layout)
    yield opened
    opened.close()


def image(seed: str, created: float = 1.0) -> Image:
    manifest = of(f"manifest of {seed}".encode())
    return Image(id=of(seed.encode()), manifest=manifest, created=created, size=10, stored=2.0)


def digest(seed: str) -> Digest:
    return of(seed.encode())
