from __future__ import annotations

import msgspec
import pytest

from sampan.model import runtime_spec as oci


def test_what_the_specification_requires_is_written() -> None:
    spec = oci.Spec(process=oci.Process(args=["true"]), root=oci.Root(path="rootfs"))
    assert msgspec.to_builtins(spec) == {
        "ociVersion": oci.VERSION, "root": {"path": "rootfs"},
        "process": {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    }


def test_what_it_does_not_require_is_left_out() -> None:
    assert msgspec.to_builtins(oci.Linux()) == {}
    device = msgspec.to_builtins(oci.Device(type="c", path="/dev/x"))
    assert device == {"type": "c", "path": "/dev/x", "major": 0, "minor": 0}


@pytest.mark.parametrize("changed", [{"cwd": "/tmp"}, {"user": oci.User(uid=5, gid=6)}, {}])
def test_documents_come_back_as_they_were(changed: dict[str, object]) -> None:
    spec = oci.Spec(process=msgspec.structs.replace(oci.Process(args=["x"]), **changed))
    assert msgspec.json.decode(msgspec.json.encode(spec), type=oci.Spec) == spec
