"""An image's /etc/hosts, /etc/hostname or /etc/resolv.conf was a link, and the engine wrote to what it led to."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, collect, image_tar

from sampan.model.container import ContainerSpec


@pytest.mark.parametrize("name", ["hosts", "hostname", "resolv.conf"])
def test_a_link_in_their_place(bench: Bench, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("host\n")
    out = io.BytesIO(image_tar())
    with tarfile.open(fileobj=out, mode="a") as tar:
        entry = tarfile.TarInfo(f"etc/{name}")
        entry.type, entry.linkname = tarfile.SYMTYPE, str(victim)
        tar.addfile(entry)
    bench.engine.import_image(io.BytesIO(out.getvalue()), "odd:1")
    spec = ContainerSpec(image="odd:1", command=("cat", f"/etc/{name}"), network="none", hostname="mine")
    container = bench.engine.create(spec)
    bench.made.append(container.id)
    attachment = bench.engine.start(container.id, attach=True)
    assert attachment is not None
    with attachment:
        output, errors = collect(attachment)
    assert errors == b"" and output != b"host\n"
    assert victim.read_text() == "host\n"
