"""Archives from before Docker 1.10, which list no images, are loaded as the images that Docker makes of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.containers import image_tar
from tests.core.engine.workbench import engine_at
from tests.interop.trees import below, docker_root, sampan_root
from tests.services.docker import Docker

_IMAGE = "example.org/legacy:1"
_FILE = """FROM legacy:base
ENV A="<b>&c \u2028"
RUN ["/bin/sh", "-c", "echo hi > /hi && rm /etc/plain; ln /hi /there"]
LABEL x=y
RUN ["/bin/sh", "-c", "echo 2 > /two"]
CMD ["cat", "/hi"]
"""
_OLD_CONFIG = {
    "Hostname": "h", "Memory": 0, "PortSpecs": None, "ExposedPorts": {}, "Cmd": "cat /hi", "Env": ["B=1", "A=<"],
    "Volumes": {"/z": {}, "/a": {}}, "NetworkDisabled": False, "Entrypoint": None,
}  # fmt: skip
_CHANGES: dict[str, dict[str, Any]] = {
    "of now": {},
    "of 1.8.3": {"docker_version": "1.8.3", "Size": 7, "throwaway": True, "unknown": [1.50, None], "parent_id": "x"},
    "of 1.7": {"docker_version": "1.7.1", "Size": 7, "unknown": 1, "config": _OLD_CONFIG, "author": "Jo <jo@b>",
               "comment": "é", "created": "2015-10-31T22:22:50.120000000Z"},
    "of an unknown one": {"docker_version": None, "config": None, "container_config": None},
}  # fmt: skip
"""What to change in the document of the top layer."""


@pytest.fixture(scope="module")
def saved(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with what Docker saves of an image, which has everything that was there before 1.10 as well."""
    directory = tmp_path_factory.mktemp("saved")
    docker.run("import", "-", "legacy:base", stdin=image_tar())
    docker.run("build", "-t", _IMAGE, "-", stdin=_FILE.encode())
    docker.run("save", "-o", directory / "saved.tar", _IMAGE)
    docker.run("rmi", _IMAGE, "legacy:base")
    with tarfile.open(directory / "saved.tar") as tar:
        tar.extractall(directory, filter="data")
    yield directory


def legacy(saved: Path, archive: Path, changes: dict[str, Any]) -> Path:
    """Write what was saved in the form of old, with members changed, or removed, in the top layer's document."""
    top = next(iter(json.loads((saved / "repositories").read_text())["example.org/legacy"].values()))
    with tarfile.open(archive, "w") as tar:
        for path in saved.glob("*/*"):
            content = path.read_bytes()
            if path == saved / top / "json":
                changed = {**json.loads(content), **changes}
                content = json.dumps({key: value for key, value in changed.items() if value is not None}).encode()
            entry = tarfile.TarInfo(str(path.relative_to(saved)))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        tar.add(saved / "repositories", "repositories")
    return archive


@pytest.mark.parametrize("case", _CHANGES)
def test_the_same_image_as_dockers(docker: Docker, saved: Path, tmp_path: Path, case: str) -> None:
    archive = legacy(saved, tmp_path / "legacy.tar", _CHANGES[case])
    docker.run("load", "-i", archive)
    try:
        (seen,) = json.loads(docker.run("image", "inspect", _IMAGE))
        with engine_at(tmp_path) as engine:
            (one,) = engine.load(str(archive))
            assert [name.familiar for name in one.names] == [_IMAGE]
            ours = engine.inspect_image(_IMAGE)
            for member in ("Id", "Config", "ContainerConfig", "RootFS", "Author", "Comment", "Created"):
                assert ours[member] == seen[member]
            lines = docker.run("history", "--no-trunc", "--format", "{{json .}}", _IMAGE).splitlines()
            history = [(line["CreatedBy"], line["Comment"]) for line in map(json.loads, lines)]
            assert [(step.created_by, step.comment) for step in engine.history(_IMAGE)] == history
            with docker_root(docker, _IMAGE) as theirs, sampan_root(engine, _IMAGE) as top:
                assert below(top) == below(theirs)
            with (tmp_path / "again.tar").open("wb") as out:
                engine.save([_IMAGE], out)
    finally:
        docker.run("rmi", _IMAGE)
    docker.run("load", "-i", tmp_path / "again.tar")
    assert docker.run("image", "inspect", "-f", "{{.Id}}", _IMAGE) == seen["Id"]
    docker.run("rmi", _IMAGE)
