"""Tests of what a container finds inside: its identity, its environment and its mounts."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import InvalidInput, SampanError
from sampan.kernel import mount
from sampan.model.container import ContainerSpec, Ulimit, Volume


def _bind(source: Path | str, target: str, **rest: object) -> Volume:
    return Volume(kind="bind", source=str(source), target=target, **rest)  # type: ignore[arg-type]


def test_environment(bench: Bench) -> None:
    output = bench.shell("env", env=("A=b", "PATH=/bin"), hostname="named")
    assert {"A=b", "PATH=/bin", "HOSTNAME=named", "HOME=/root"} <= set(output.split("\n"))


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [("", (), "uid=0(root) gid=0(root) groups=0(root)\n/root\n"),
     ("alice", (), "uid=1000(alice) gid=100(users) groups=10(wheel),100(users)\n/home/alice\n"),
     ("1000", ("77",), "uid=1000(alice) gid=100(users) groups=10(wheel),77,100(users)\n/home/alice\n"),
     ("33:44", (), "uid=33 gid=44 groups=44\n/\n")],
)
def test_user(bench: Bench, user: str, groups: tuple[str, ...], expected: str) -> None:
    assert bench.shell("id; echo $HOME", user=user, group_add=groups) == expected


def test_an_unknown_user(bench: Bench) -> None:
    container = bench.create("true", user="bob")
    with pytest.raises(SampanError, match="bob"):
        bench.engine.start(container.id)


def test_names(bench: Bench) -> None:
    output = bench.shell("hostname; cat /etc/hostname; tail -n 1 /etc/hosts", hostname="ship", network="bridge")
    assert output.split()[:2] == ["ship", "ship"] and output.split()[-1] == "ship"
    assert bench.shell("hostname", network="host").strip() == os.uname().nodename


def test_read_only(bench: Bench, tmp_path: Path) -> None:
    bench.shell("! touch /x 2>/dev/null; touch /data/x", read_only=True, volumes=(_bind(tmp_path, "/data"),))
    assert (tmp_path / "x").exists()
    bench.shell("! touch /data/y 2>/dev/null", volumes=(_bind(tmp_path, "/data", read_only=True),))


def test_limits_of_a_process(bench: Bench) -> None:
    assert bench.shell("ulimit -n; ulimit -Hn", ulimits=(Ulimit("nofile", 100, 200),)).split() == ["100", "200"]


def test_privileges(bench: Bench) -> None:
    status = "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\n'"
    assert bench.shell(status).split()[1::2][0].startswith("00000000a80425fb")
    assert "NoNewPrivs:\t1" in bench.shell(status, security_options=("no-new-privileges",))
    assert "Seccomp:\t0" in bench.shell(status, privileged=True)
    assert "CapEff:\t0000000000000000" in bench.shell(status, user="alice")
    assert "CapEff:\t0000000000000000" in bench.shell(status, cap_drop=("ALL",))


def test_mounts_inside_mounts_are_seen(bench: Bench, tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    (tmp_path / "outer/in").mkdir()
    volumes = (_bind(tmp_path / "inner", "/a/in"), _bind(tmp_path / "outer", "/a"))
    assert bench.shell("ls /a /a/in", volumes=volumes).split() == ["/a:", "in", "outer", "/a/in:", "inner"]


def test_the_engines_own_files_lie_on_top_of_a_users_etc(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "own").touch()
    output = bench.shell("ls /etc; cat /etc/hostname", volumes=(_bind(tmp_path, "/etc"),), hostname="ship")
    assert "own" in output and output.endswith("ship\n")


def test_a_users_own_hosts(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("1.2.3.4 mine\n")
    assert bench.shell("cat /etc/hosts", volumes=(_bind(tmp_path / "hosts", "/etc/hosts"),)) == "1.2.3.4 mine\n"


def test_tmpfs(bench: Bench) -> None:
    output = bench.shell("mount", volumes=(Volume(kind="tmpfs", target="/s", options=("size=64k",)),))
    line = next(line for line in output.split("\n") if " /s " in line)
    assert "noexec" in line and "nosuid" in line and "size=64k" in line


@pytest.mark.parametrize(
    ("volume", "message"),
    [(_bind("/nowhere/at/all", "/x"), "bind source path does not exist: /nowhere/at/all"),
     (_bind("/tmp", "x"), "mount path must be absolute"), (_bind("/tmp", "/a/.."), "destination can't be '/'"),
     (_bind("relative", "/x"), "must be absolute"),
     (Volume(kind="volume", source="a/b", target="/v"), "includes invalid characters for a local volume name")],
)
def test_what_cannot_be_mounted(bench: Bench, volume: Volume, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        bench.create("true", volumes=(volume,))


def test_a_source_that_is_to_be_made(bench: Bench, tmp_path: Path) -> None:
    bench.shell("echo x > /x/y", volumes=(_bind(tmp_path / "made/deep", "/x", create_source=True),))
    assert (tmp_path / "made/deep/y").read_text() == "x\n"


def test_twice_at_one_place(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="Duplicate mount point: /x/"):
        bench.create("true", volumes=(_bind("/tmp", "/x"), _bind("/tmp", "/x/")))


def test_namespaces_of_the_host(bench: Bench) -> None:
    def own(kind: str) -> str:
        return os.readlink(f"/proc/self/ns/{kind}")

    script = "for kind in pid ipc uts; do stat -c %N /proc/self/ns/$kind; done"
    private = bench.shell(script)
    shared = bench.shell(script, pid_mode="host", ipc_mode="host", uts_mode="host")
    for kind in ("pid", "ipc", "uts"):
        assert own(kind) not in private and own(kind) in shared
    container = bench.create("true", uts_mode="container:other")
    with pytest.raises(InvalidInput, match="invalid uts mode"):
        bench.engine.start(container.id)


def test_seccomp_profiles(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="opening seccomp profile"):
        bench.create("true", security_options=("seccomp=/nowhere.json",))
    profile = tmp_path / "profile.json"
    rule = '{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}'
    profile.write_text(f'{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}')
    container = bench.create("sh", "-c", "mkdir /x", security_options=(f"seccomp={profile}",))
    profile.unlink()  # its content is on record
    bench.engine.start(container.id)
    assert bench.engine.wait(container.id) == 1


def _own(bench: Bench, read_only: bool) -> list[str]:
    output = bench.shell("cat /proc/self/mountinfo", read_only=read_only)
    return [line.split()[5].split(",")[0] for line in output.splitlines() if line.split()[4].startswith("/etc/")]


def test_the_engines_files_are_read_only_in_a_read_only_container(bench: Bench) -> None:
    assert _own(bench, True) == ["ro"] * 3
    assert _own(bench, False) == ["rw"] * 3


def test_ones_own_group_cannot_be_shed(bench: Bench) -> None:
    # CVE-2022-36109: without it among the additional groups, a setgid program would lose it.
    assert "Groups:\t44 \n" in bench.shell("cat /proc/self/status", user="33:44")


@pytest.mark.parametrize("make", [
    lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/proc/self/environ"),
    lambda path: path.symlink_to("../../../../../../../../../../etc/passwd-of-the-host"),
    lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
])
def test_what_is_not_a_file_is_not_read_for_users(bench: Bench, tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "etc").mkdir()
    make(tmp_path / "etc/passwd")
    content = subprocess.run(["tar", "-C", tmp_path, "-c", "etc"], check=True, capture_output=True).stdout
    bench.engine.import_image(io.BytesIO(content), "odd:1")
    container = bench.engine.create(ContainerSpec(image="odd:1", command=("x",), user="root", network="none"))
    bench.made.append(container.id)
    with pytest.raises(InvalidInput, match="unable to find user root"):
        bench.engine.start(container.id)


def test_what_a_name_may_not_bring_into_files(bench: Bench) -> None:
    for spec in ({"hostname": "a\n6.6.6.6 b"}, {"domainname": "a\nb"}, {"dns_search": ("a\nnameserver 6.6.6.6",)},
                 {"dns_options": ("a\nb",)}):
        container = bench.create("true", **spec)
        with pytest.raises(InvalidInput):
            bench.engine.start(container.id)


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file system mounted below it."""
    (tmp_path / "bound/inner").mkdir(parents=True)
    mount.mount("tmpfs", "tmpfs", str(tmp_path / "bound/inner"), ())
    (tmp_path / "bound/inner/there").touch()
    yield tmp_path / "bound"
    mount.unmount(str(tmp_path / "bound/inner"))


@pytest.mark.parametrize(
    ("recursive", "read_only", "told"),
    [
        ("", True, "outer ro, inner ro, there"), ("", False, "outer rw, inner rw, there"),
        ("readonly", True, "outer ro, inner ro, there"), ("writable", True, "outer ro, inner rw, there"),
        ("disabled", True, "outer ro, inner ro, not there"), ("disabled", False, "outer rw, inner rw, not there"),
    ],
)
def test_what_is_mounted_below_a_bind(
    any_runtime: Bench, nested: Path, recursive: str, read_only: bool, told: str
) -> None:
    script = (
        "cd /b; t() { touch $1 2>/dev/null && echo rw || echo ro; };"
        'echo "outer $(t x), inner $(t inner/x), $([ -e inner/there ] || echo "not ")there"'
    )
    volume = _bind(nested, "/b", recursive=recursive, read_only=read_only)
    assert any_runtime.shell(script, volumes=(volume,)) == f"{told}\n"
