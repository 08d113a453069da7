"""CVE-2021-30465: a mount's place was looked up, then changed for a link by a container that shared the volume.

Whatever the other container puts in the way, and when: nothing is made or mounted outside of the container's own tree.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.core.engine.containers import Bench
from tests.security.ways import at

from sampan.errors import SampanError

# Swaps a directory for a link to the host's path, as fast as it can.
FLIP = """
cd /shared
while :; do busybox ln -s {0} mnt; rm mnt; mkdir mnt; busybox rmdir mnt/x mnt; busybox mv mnt old; rm -rf old; done
"""


def test_places_that_are_swapped_meanwhile(bench: Bench, tmp_path: Path) -> None:
    outside, shared, data = (tmp_path / name for name in ("outside", "shared", "source"))
    for directory in (outside, shared, data):
        directory.mkdir()
    (data / "secret").touch()
    attacker = bench.start("sh", "-c", FLIP.format(outside), volumes=(at(shared, "/shared", read_only=False),))
    volumes = (at(shared, "/shared", read_only=False), at(data, "/shared/mnt/x", read_only=False))
    told = []
    for _ in range(12):
        try:
            told.append(bench.run("cat", "/proc/self/mountinfo", volumes=volumes)[1])
        except SampanError:
            told.append("")  # the place was gone again before it could be used: so be it
    assert os.listdir(outside) == [] and os.listdir(data) == ["secret"]
    with open("/proc/self/mountinfo") as mounts:
        assert str(outside) not in mounts.read()
    for text in told:
        own = {line.split()[4] for line in text.splitlines() if f"{data} " in line}
        assert all(place.endswith("/x") for place in own)
    bench.engine.kill(attacker.id)


def test_links_in_the_image(bench: Bench, tmp_path: Path) -> None:
    outside, shared = tmp_path / "outside", tmp_path / "shared"
    outside.mkdir()
    shared.mkdir()
    (shared / "up").symlink_to("../../../../../../../..")
    (shared / "magic").symlink_to("/proc/1/root")
    for way in ("up", "magic"):
        volumes = (at(shared, "/shared", read_only=False), at(tmp_path, f"/shared/{way}{outside}/made"))
        try:
            assert bench.run("true", volumes=volumes) == (0, "")
        except SampanError:
            assert way == "magic"
        assert os.listdir(outside) == []
