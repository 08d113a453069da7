from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sampan.contracts.runtime import Stdio
from sampan.errors import InvalidInput
from sampan.model import runtime_spec as oci
from sampan_plugins.runtimes.oci.bundles import first_process, write_process
from sampan_plugins.runtimes.oci.driver import OCIRuntime


def test_a_process_is_written_whole(tmp_path: Path) -> None:
    write_process(oci.Process(args=["x"]), str(tmp_path / "process.json"))
    written = msgspec.json.decode((tmp_path / "process.json").read_bytes())
    assert written == {"args": ["x"], "cwd": "/", "user": {"uid": 0, "gid": 0}}


@pytest.mark.parametrize(("content", "message"), [
    ("{", "is not valid"), ("{}", "lacks process"), ('{"process":{"args":[]}}', "no command specified"),
    (None, "no such bundle"),
])
def test_bad_bundles(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InvalidInput, match=message):
        first_process(str(tmp_path))


def test_the_program_reads_the_bundle_itself(tmp_path: Path) -> None:
    program = tmp_path / "runtime"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/said\nwhile [ "$1" ]; do\n'
                       '[ "$1" = --pid-file ] && echo 1 >"$2"; shift; done\n')
    program.chmod(0o755)
    (tmp_path / "bundle").mkdir()
    spec = oci.Spec(process=oci.Process(args=["x"]), root=oci.Root(path="rootfs"))
    (tmp_path / "bundle/config.json").write_bytes(msgspec.json.encode(spec))
    runtime = OCIRuntime(str(tmp_path / "run"), {"binary": str(program)})
    runtime.create("c", str(tmp_path / "bundle"), Stdio())
    assert f"create --bundle {tmp_path}/bundle " in (tmp_path / "said").read_text()
    assert not list((tmp_path / "run").rglob("config.json"))
    runtime.delete("c", force=True)
    assert not (tmp_path / "run/bundles/c").exists() and (tmp_path / "bundle/config.json").exists()
