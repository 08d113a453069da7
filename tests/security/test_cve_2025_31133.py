"""CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: what masks, /dev/console and /proc are made of was replaced.

Masks were bound from a /dev/null that an image or a volume had changed for something else, the terminal onto a
/dev/console that led elsewhere, and labels and sysctls were written to files that only looked like those of /proc.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench, collect
from tests.security.ways import at

from sampan.errors import SampanError
from sampan.model.container import ContainerSpec

MASKED = "/proc/keys"


def _own_dev(tmp_path: Path) -> Path:
    """Return a /dev for a container in which things are not what they should be."""
    made = tmp_path / "dev"
    made.mkdir()
    for name in ("pts", "shm", "mqueue"):
        (made / name).mkdir()
    (made / "null").symlink_to("/etc/passwd")
    (made / "console").symlink_to("/proc/sys/kernel/core_pattern")
    return made


def test_a_mask_is_the_null_device_or_nothing_starts(bench: Bench, tmp_path: Path) -> None:
    script = f"stat -c %t:%T {MASKED}"
    assert bench.run("sh", "-c", script)[1] == "1:3\n"
    with bench.attached("sh", "-c", script, open_stdin=True, volumes=(at(_own_dev(tmp_path), "/dev"),)) as attachment:
        assert collect(attachment)[0] == b"1:3\n"


def test_a_terminal_lands_nowhere_else(bench: Bench, tmp_path: Path) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    script = "echo '|/evil' > /proc/sys/kernel/core_pattern; echo x > /proc/sys/kernel/panic || echo kept"
    try:
        with bench.attached("sh", "-c", script, terminal=True, volumes=(at(_own_dev(tmp_path), "/dev"),)) as attachment:
            assert b"kept" in collect(attachment)[0]
    except SampanError:
        pass  # refused is as well
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_a_proc_that_is_a_link_is_refused(bench: Bench) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, target in (("tmp", tarfile.DIRTYPE, ""), ("proc", tarfile.SYMTYPE, "tmp")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = kind, target, 0o755
            tar.addfile(entry)
        tar.add("/bin/busybox", "bin/busybox")
    bench.engine.import_image(io.BytesIO(out.getvalue()), "odd:1")
    container = bench.engine.create(ContainerSpec(
        image="odd:1", command=("/bin/busybox", "true"), network="none", sysctls={"net.ipv4.ip_forward": "1"}))
    bench.made.append(container.id)
    with pytest.raises(SampanError, match="must not be reached through a symbolic link"):
        bench.engine.start(container.id)


def test_a_volume_over_proc_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "proc/sys/net/ipv4").mkdir(parents=True)
    for target in ("/proc", "/proc/sys", "/proc/self/attr"):
        container = bench.create("true", volumes=(at(tmp_path / "proc", target, read_only=False),),
                                 sysctls={"net.ipv4.ip_forward": "1"})
        with pytest.raises(SampanError):
            bench.engine.start(container.id)
    assert os.listdir(tmp_path / "proc/sys/net/ipv4") == []


def test_a_sysctl_is_the_containers_alone(bench: Bench) -> None:
    where = "/proc/sys/net/ipv4/ip_default_ttl"
    before = Path(where).read_text()
    assert bench.shell(f"cat {where}", sysctls={"net.ipv4.ip_default_ttl": "7"}) == "7\n"
    assert Path(where).read_text() == before
