"""Real distributions: modules and metadata in a directory on the path."""

import importlib
import sys
from textwrap import dedent

import pytest


class Site:
    """A directory that third-party distributions are installed in, as pip --target does."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.monkeypatch = monkeypatch
        self.before = set(sys.modules)

    def install(self, name, entry_points, modules, version="1.0"):
        """Install; ``entry_points`` is {"storage": {"foo": "module"}}, ``modules`` {"module": "source"}."""
        for module, source in modules.items():
            file = self.path.joinpath(*module.split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(source))
        info = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = []
        for slot, points in entry_points.items():
            lines += [f"[sampan.{slot}]", *(f"{key} = {value}" for key, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        importlib.invalidate_caches()
        return info


@pytest.fixture
def site(tmp_path, monkeypatch):
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.setenv("SAMPAN_CACHE_DIR", str(tmp_path / "cache"))
    known = set(sys.modules)
    yield Site(path, monkeypatch)
    for module in set(sys.modules) - known:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(path)):
            del sys.modules[module]


DRIVER = """
    from sampan import hookimpl
    from sampan.contracts.storage import StorageDriver

    class Driver(StorageDriver):
        def __init__(self, origin, root, options): self.origin, self.root, self.options = origin, root, options
        def prepare(self, key, parent): ...
        def mounts(self, key): return []
        def commit(self, key, name): ...
        def remove(self, key): ...
        def walk(self): return iter(())

    @hookimpl
    def sampan_open_storage(name, root, options):
        return Driver(__name__, root, options)
"""


@pytest.fixture
def driver():
    return DRIVER
