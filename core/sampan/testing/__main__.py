"""Check the plugin that a request names: ``python -m sampan.testing REQUEST [PYTEST_ARGUMENT...]``."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from sampan.contracts.format import ImageFormat, RootfsFormat
from sampan.errors import SampanError, Unsupported
from sampan.model import reference as references
from sampan.testing.asking import Asked, Request

_SUITES = {
    "storage": ["Storage"], "network": ["Network"], "runtimes": ["Runtime"], "logs": ["Logs"], "volumes": ["Volumes"],
    "commands": ["Command"], "extensions": [],
}  # fmt: skip


def main() -> int:
    """Run the suites; return pytest's exit code, or 2 after one line of complaint."""
    request = msgspec.json.decode(sys.argv[1], type=Request)
    asked = Asked(request)
    try:
        suites = ["Plugin", *_suites(asked)]
    except SampanError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    file = Path(__file__).with_name("installed.py")
    with tempfile.TemporaryDirectory(prefix="sampan-check-") as scratch:
        quiet = ["-q", "--tb=short", "--no-header", "--noconftest", "-p", "no:cacheprovider", "-c", os.devnull]
        where = [f"--rootdir={scratch}", f"--basetemp={scratch}/tests"]
        return int(pytest.main([*quiet, *where, *sys.argv[2:], *(f"{file}::Test{s}" for s in suites)], [asked]))


def _suites(asked: Asked) -> list[str]:
    """Return the suites for what the plugin is. Raises what opening it raises, and Unsupported for what has none."""
    request = asked.request
    if request.slot == "registries":
        if request.image:
            image = references.parse(request.image)
            with asked.repository(image.repository) as registry:
                registry.manifest(image.version)  # or else all would fail, for no fault of the client's
        return [*(["Pull"] if request.image else []), *(["Push"] if request.push else [])]
    if request.slot != "formats":
        return _SUITES[request.slot]
    form = asked.plugins.open_format(request.name)
    kinds = ["RootfsFormat"] if isinstance(form, RootfsFormat) else []
    if isinstance(form, ImageFormat):
        kinds += ["ImageFormat"] if _writes(form) else []
    if not kinds:
        hint = "derive a test from sampan.testing.format.ImageReaderSuite, which makes an archive to read"
        raise Unsupported(f"formats/{request.name} only reads, and there is nothing to read", hint)
    return kinds


def _writes(form: ImageFormat) -> bool:
    try:
        form.save((), lambda digest: io.BytesIO(), io.BytesIO())
    except Unsupported:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
