"""Hold the guides to the files they show."""

from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["sampan_example_storage.py", "test_conformance.py"])
def test_the_storage_guide_shows_the_example_as_it_is(name):
    shown = (_ROOT / "docs/storage-driver.md").read_text()
    assert f"```python\n{(_ROOT / 'contrib/example-storage' / name).read_text()}```" in shown
