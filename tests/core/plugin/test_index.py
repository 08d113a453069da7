"""The index is what discovery would say, until something changes; then it is made anew."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from sampan.plugin import discovery, index

SOURCE = {"acme_x": '"""Do x.\n\nAnd more."""\nraise RuntimeError("imported")\n'}
AGO = 10**9 * 3600


@pytest.fixture
def scans(monkeypatch):
    """The number of scans made, as a list that grows."""
    made = []
    scan = discovery.discover

    def counted():
        made.append(1)
        return scan()

    monkeypatch.setattr(discovery, "discover", counted)
    return made


def settle(*paths):
    """Make files look unchanged for an hour, as they are in ordinary life."""
    for path in paths:
        status = os.stat(path)
        os.utime(path, ns=(status.st_atime_ns - AGO, status.st_mtime_ns - AGO))


def mine(claims):
    return [claim for claim in claims if claim.distribution == "acme"]


@pytest.fixture
def installed(site):
    info = site.install("acme", {"commands": {"x": "acme_x"}}, SOURCE)
    settle(info / "entry_points.txt", site.path, *(p for p in sys.path if p and os.path.isdir(p) and recent(p)))
    return info


def recent(path):
    return time.time() - os.stat(path).st_mtime < 60 and os.access(path, os.W_OK) and "/tmp" in path


def test_discovery_names_distribution_version_and_summary_without_importing(installed):
    (claim,) = mine(index.load())
    assert claim == index.Claim("commands", "x", "acme_x", "acme", "1.0", "Do x")
    assert claim.label == "commands/x (acme 1.0)"
    assert "acme_x" not in sys.modules


def test_a_second_look_does_not_scan(installed, scans):
    first = index.load()
    assert index.load() == first
    assert len(scans) == 1


def test_installing_and_removing_are_noticed(site, installed, scans):
    index.load()
    info = site.install("acme-more", {"storage": {"y": "acme_y"}}, {})
    assert [c.name for c in index.load() if c.distribution == "acme-more"] == ["y"]
    (info / "entry_points.txt").unlink()
    (info / "METADATA").unlink()
    info.rmdir()
    assert [c.name for c in index.load() if c.distribution == "acme-more"] == []


def test_entry_points_rewritten_in_place_are_noticed(installed, scans):
    index.load()
    (installed / "entry_points.txt").write_text("[sampan.commands]\nz = acme_x\n")
    assert [claim.name for claim in mine(index.load())] == ["z"]


def test_what_changed_just_now_is_not_trusted_yet(site, scans):
    site.install("acme", {"commands": {"x": "acme_x"}}, SOURCE)
    index.load()
    index.load()
    assert len(scans) == 2


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'["cpython-311 /usr",[],[],[]]', b"\xff" * 100])
def test_a_corrupt_index_is_made_anew(installed, scans, content):
    found = index.load()
    (file,) = Path(os.environ["SAMPAN_CACHE_DIR"]).iterdir()
    file.write_bytes(content)
    assert index.load() == found
    assert index.load() == found
    assert len(scans) == 2


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_an_index_others_may_write_is_not_trusted(installed, scans, mode):
    index.load()
    (file,) = Path(os.environ["SAMPAN_CACHE_DIR"]).iterdir()
    file.write_text(file.read_text().replace("acme_x", "evil_x"))
    file.chmod(mode)
    assert [claim.target for claim in mine(index.load())] == ["acme_x"]


def test_an_index_of_another_user_is_not_trusted(installed, scans):
    index.load()
    (file,) = Path(os.environ["SAMPAN_CACHE_DIR"]).iterdir()
    os.chown(file, 65534, 65534)
    index.load()
    assert len(scans) == 2


def test_a_directory_others_may_write_is_not_used(installed, scans):
    cache = Path(os.environ["SAMPAN_CACHE_DIR"])
    cache.mkdir()
    cache.chmod(0o777)
    index.load()
    assert list(cache.iterdir()) == []


def test_no_place_to_write_is_no_failure(installed, monkeypatch):
    monkeypatch.setenv("SAMPAN_CACHE_DIR", "/proc/nowhere")
    assert mine(index.load())


def test_the_index_is_private_and_indexes_do_not_pile_up(installed, monkeypatch, tmp_path):
    for number in range(20):
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / str(number))])
        index.load()
    files = list(Path(os.environ["SAMPAN_CACHE_DIR"]).iterdir())
    assert len(files) == 16
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_directories_by_user(monkeypatch):
    assert index.directory({"SAMPAN_CACHE_DIR": "/x"}) == "/x"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert index.directory({}) == "/var/cache/sampan"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert index.directory({"XDG_CACHE_HOME": "/c"}) == "/c/sampan"
    monkeypatch.setenv("HOME", "/home/me")
    assert index.directory({}) == "/home/me/.cache/sampan"


def test_a_distribution_on_the_path_twice_counts_once(site, installed, tmp_path):
    other = tmp_path / "behind" / "acme-0.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 0.9\n")
    (other / "entry_points.txt").write_text("[sampan.commands]\nx = acme_x\n")
    site.monkeypatch.setattr(sys, "path", [*sys.path, str(other.parent)])
    assert [claim.version for claim in mine(index.load())] == ["1.0"]


def test_pip_installs_and_an_editable_path_file_are_found(tmp_path):
    """A wheel through pip, found by a new process; and the bundled plugins, which are installed editable here."""
    wheel = tmp_path / "acme_wheel-2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("acme_wheel.py", '"""Say hello."""\n')
        info = "acme_wheel-2.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: acme-wheel\nVersion: 2.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[sampan.commands]\nhello = acme_wheel\n")
        archive.writestr(f"{info}/RECORD", "")
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(pip, check=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
    code = "import json, sampan.plugin.index as i; print(json.dumps([[c.name, c.label] for c in i.load()]))"
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(target), "SAMPAN_CACHE_DIR": str(tmp_path / "cache")},
    )
    labels = dict(json.loads(found.stdout))
    assert labels["hello"] == "commands/hello (acme-wheel 2.0)"
    assert labels["plugin.ls"].startswith("commands/plugin.ls (sampan ")


def test_fifty_more_plugins_cost_next_to_nothing(site, scans):
    points = {f"command{n}": f"acme_{n}" for n in range(50)}
    info = site.install("acme", {"commands": points}, {f"acme_{n}": '"""Do."""' for n in range(50)})
    settle(info / "entry_points.txt", site.path)
    index.load()
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert len(mine(index.load())) == 50
        took.append(time.perf_counter() - began)
    assert len(scans) == 1
    assert min(took) < 0.0015
