"""Measure what fifty more plugins cost a command's start: the same command with and without them, in turn.

python contrib/bench/plugins.py [--runs 40] [--command ps] [--standby]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SLOTS = ("storage", "network", "registries", "formats", "runtimes", "logs", "volumes", "commands")
_SOURCE = '''"""One plugin of many."""

from sampan import hookimpl


@hookimpl
def sampan_plugin_info(slot, name):
    return None
'''


def install(site: Path, number: int) -> None:
    """Lay out distributions as pip does, each with a plugin of its own."""
    site.mkdir()
    for one in range(number):
        (site / f"extra_{one}.py").write_text(_SOURCE)
        info = site / f"extra_{one}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: extra-{one}\nVersion: 1.0\n")
        slot = _SLOTS[one % len(_SLOTS)]
        (info / "entry_points.txt").write_text(f"[sampan.{slot}]\nextra{one} = extra_{one}\n")


def once(command: list[str], environ: dict[str, str]) -> float:
    """Return the milliseconds that one run takes."""
    began = time.perf_counter()
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--command", default="ps")
    parser.add_argument("--standby", action="store_true", help="let a standby serve, as it usually does")
    given = parser.parse_args()
    sampan = [str(Path(sys.executable).with_name("sampan")), given.command]
    with tempfile.TemporaryDirectory() as directory:
        environments = []
        for name, number in (("none", 0), ("some", given.plugins)):
            install(Path(directory, name), number)
            environments.append({
                **os.environ, "PYTHONPATH": str(Path(directory, name)), "SAMPAN_ROOT": f"{directory}/root",
                "SAMPAN_RUN_ROOT": f"{directory}/run-{name}", "SAMPAN_CACHE_DIR": f"{directory}/cache",
                "SAMPAN_STANDBY": "20" if given.standby else "0",
            })  # fmt: skip
        time.sleep(0.2)  # what has changed just now is not kept in the index
        for environ in environments * 2:
            once(sampan, environ)
        time.sleep(1)
        taken = [[once(sampan, environ) for environ in environments] for _ in range(given.runs)]
        without, with_them = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"sampan {given.command}, standby {'on' if given.standby else 'off'}, {given.runs} runs each: "
              f"{without:.1f} ms with no plugins more, {with_them:.1f} ms with {given.plugins}: "
              f"{with_them - without:+.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
