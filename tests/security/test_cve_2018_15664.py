"""CVE-2018-15664: cp looked a path up, and a container changed it for a link to the host before the copy.

CVE-2019-14271 besides: a helper of cp, in the container's root, loaded libraries that the container had written. Ours
loads nothing there: the image of this test has no library, and cp works.
"""

from __future__ import annotations

from pathlib import Path

from tests.core.engine.containers import Bench, eventually

from sampan.errors import SampanError

FLIP = """
mkdir -p /real; echo own > /real/secret; busybox ln -s {0} /out; busybox ln -s real /in; touch /ready
while :; do busybox cp -d /out /next; busybox mv /next /way; busybox cp -d /in /next; busybox mv /next /way; done
"""


def test_a_path_that_is_swapped_meanwhile(bench: Bench, tmp_path: Path) -> None:
    outside, stolen = tmp_path / "outside", tmp_path / "stolen"
    outside.mkdir()
    (outside / "secret").write_text("host\n")
    (tmp_path / "new").write_text("new\n")
    container = bench.start("sh", "-c", FLIP.format(outside))
    eventually(Path(f"/proc/{container.pid}/root/ready").exists)
    for number in range(40):
        try:
            bench.engine.copy_out(container.id, "/way/secret", str(stolen), follow=number % 2 == 0)
            assert stolen.read_text() == "own\n"
        except SampanError:
            pass  # the link led nowhere in the container just then
        try:
            bench.engine.copy_in(container.id, f"/way/new{number}", str(tmp_path / "new"))
        except SampanError:
            pass
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "host\n"
