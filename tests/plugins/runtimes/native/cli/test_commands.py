"""What sampan-oci does when spoken to as runc is."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_life_in_steps(tool: Any) -> None:
    pid = tool.create("sh", "-c", "exec sleep 1000")
    assert (tool.state()["status"], tool.state()["pid"]) == ("created", pid)
    assert tool.result("delete", tool.id).returncode == 1
    tool.run("start", tool.id)
    assert tool.state()["status"] == "running"
    assert "already running" in tool.result("start", tool.id).stderr
    tool.run("pause", tool.id)
    assert tool.state()["status"] == "paused"
    tool.run("resume", tool.id)
    refused = tool.result("delete", tool.id)
    assert (refused.returncode, "that is not stopped: running" in refused.stderr) == (1, True)
    tool.run("kill", tool.id, "SIGKILL")
    _until(lambda: tool.state()["status"] == "stopped")
    assert tool.state()["pid"] == 0
    assert "container not running" in tool.result("kill", tool.id).stderr
    tool.run("delete", tool.id)
    assert "container does not exist" in tool.result("state", tool.id).stderr
    assert "container does not exist" in tool.result("delete", tool.id).stderr
    assert tool.result("delete", "--force", tool.id).returncode == 0


def test_the_state_is_the_specifications_and_runcs(tool: Any) -> None:
    tool.box.spec.annotations = {"org.example": "x"}
    tool.begin("sleep", "1000")
    state = tool.state()
    assert state.pop("pid") > 1 and state.pop("created").endswith("Z")
    assert state == {
        "ociVersion": "1.2.0", "id": tool.id, "status": "running", "bundle": str(tool.box.bundle),
        "annotations": {"org.example": "x"}, "rootfs": str(tool.box.rootfs), "owner": "root"}


def test_run_ends_as_its_command_does(tool: Any) -> None:
    tool.prepare("sh", "-c", "cat; echo err >&2; exit 7")
    done = tool.result("run", "-b", tool.box.bundle, tool.id, input="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "err\n")
    assert tool.run("list", "-q") == ""


def test_run_passes_signals_on_and_can_keep(tool: Any) -> None:
    tool.prepare("sh", "-c", "trap 'exit 9' USR1; touch /ready; while true; do sleep 0.02; done")
    with subprocess.Popen(tool.line("run", "--keep", "-b", tool.box.bundle, tool.id)) as running:
        _until(lambda: (tool.box.rootfs / "ready").exists())
        running.send_signal(signal.SIGUSR1)
        assert running.wait(10) == 9
    assert tool.state()["status"] == "stopped"


def test_run_that_is_killed_by_a_signal(tool: Any) -> None:
    tool.prepare("sh", "-c", "kill -KILL $$; sleep 1000")
    # Its own signals do not reach process 1, so another must kill it.
    with subprocess.Popen(tool.line("run", "-b", tool.box.bundle, tool.id)) as running:
        _until(lambda: tool.result("state", tool.id).returncode == 0 and tool.state()["status"] == "running")
        tool.run("kill", tool.id, "9")
        assert running.wait(10) == 128 + 9


def test_list_in_every_form(tool: Any) -> None:
    assert tool.run("list", "--format", "json") == "null"
    tool.begin("sleep", "1000")
    heading, line = tool.run("list").splitlines()
    assert heading.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert line.split()[0] == tool.id
    assert [item["id"] for item in json.loads(tool.run("list", "-f", "json"))] == [tool.id]
    assert tool.run("list", "-q") == f"{tool.id}\n"
    assert tool.result("list", "-f", "xml").returncode == 1


def test_exec_in_the_foreground(tool: Any) -> None:
    tool.begin("sleep", "1000")
    done = tool.result("exec", "-e", "A=b", "--cwd", "/tmp", "-u", "1000:1001", "-g", "7", tool.id,
                       "sh", "-c", "id; pwd; echo $A; cat; exit 4", input="given\n")
    assert (done.returncode, done.stdout) == (4, "uid=1000 gid=1001 groups=7\n/tmp\nb\ngiven\n")


def test_exec_of_a_described_process_in_the_background(tool: Any, tmp_path: Path) -> None:
    tool.begin("sleep", "1000")
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"args": ["sleep", "1001"], "cwd": "/", "env": ["PATH=/bin"]}))
    line = tool.line("exec", "--process", process, "-d", "--pid-file", tmp_path / "pid", tool.id)
    subprocess.run(line, stdout=subprocess.DEVNULL, check=True, timeout=30)
    pid = int((tmp_path / "pid").read_text())
    assert sorted(json.loads(tool.run("ps", "-f", "json", tool.id))) == sorted([tool.state()["pid"], pid])
    table = tool.run("ps", tool.id).splitlines()
    assert "PID" in table[0] and len(table) == 3
    os.kill(pid, signal.SIGKILL)


def test_exec_that_cannot_be(tool: Any) -> None:
    tool.begin("sleep", "1000")
    done = tool.result("exec", tool.id, "nope")
    assert done.returncode == 255
    assert "executable file not found in $PATH" in done.stderr
    # Docker and Podman tell by this that the command cannot be executed.
    assert "permission denied" in tool.result("exec", tool.id, "/etc").stderr
    for words in (["--cgroup", "x"], ["-t", "-d"], ["--console-socket", "/none"]):
        assert tool.result("exec", *words, tool.id, "true").returncode == 255


@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_terminals_master_is_sent(tool: Any, command: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(10)
        if command == "exec":
            tool.begin("sleep", "1000")
            tool.run("exec", "-t", "-d", "--console-socket", tmp_path / "s", tool.id, "sh", "-c", "read x; echo got $x")
        else:
            tool.box.spec.process.terminal = True
            tool.prepare("sh", "-c", "read x; echo got $x")
            tool.run("create", "-b", tool.box.bundle, "--console-socket", tmp_path / "s", tool.id)
            tool.run("start", tool.id)
        connection, _ = listener.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 100, 1)
    os.write(fds[0], b"hello\n")
    assert "got hello" in _drain(fds[0])


def test_a_terminal_in_the_foreground(tool: Any) -> None:
    tool.box.spec.process.terminal = True
    tool.prepare("sh", "-c", "tty; read x; echo got $x; exit 3")
    pid, master = pty.fork()
    if pid == 0:
        os.execv(tool.line()[0], tool.line("run", "-b", tool.box.bundle, tool.id))
    os.write(master, b"typed\n")
    told = _drain(master)
    assert "/dev/" in told and "got typed" in told
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def test_terminals_that_nobody_takes(tool: Any, tmp_path: Path) -> None:
    tool.box.spec.process.terminal = True
    tool.prepare("true")
    done = tool.result("create", "-b", tool.box.bundle, tool.id)
    assert done.returncode == 1 and "console socket" in done.stderr
    assert tool.result("create", "-b", tool.box.bundle, "--console-socket", tmp_path / "none", tool.id).returncode == 1
    assert tool.run("list", "-q") == ""


def test_descriptors_are_passed_to_the_command(tool: Any, tmp_path: Path) -> None:
    tool.prepare("sh", "-c", "cat <&3; cat <&4; ls /proc/1/fd; true")
    (tmp_path / "one").write_text("one\n")
    (tmp_path / "two").write_text("two\n")
    script = 'exec 3<"$0/one" 4<"$0/two" 5<"$0/one"; exec "$@"'
    line = tool.line("run", "--preserve-fds", 2, "-b", tool.box.bundle, tool.id)
    done = subprocess.run(["bash", "-c", script, tmp_path, *line], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["one", "two", "0", "1", "2", "3", "4"], done.stderr
    refused = tool.result("run", "--preserve-fds", 3, "-b", tool.box.bundle, tool.id)
    assert refused.returncode == 1 and "cannot preserve descriptor" in refused.stderr


def test_a_command_that_fails_with_descriptors_kept(tool: Any, tmp_path: Path) -> None:
    (tool.box.rootfs / "bin/script").write_text("#!/no/such/interpreter\n")
    (tool.box.rootfs / "bin/script").chmod(0o755)
    tool.prepare("script")
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(70)]
    try:
        first = next(fd for fd in kept if fd > 30)
        done = subprocess.run(
            ["bash", "-c", f'for fd in {{3..30}}; do eval "exec $fd<&{first}"; done; exec "$0" "$@"',
             *tool.line("run", "--preserve-fds", 28, "-b", tool.box.bundle, tool.id)],
            pass_fds=[first], capture_output=True, text=True, timeout=30)
    finally:
        for fd in kept:
            os.close(fd)
    assert done.returncode == 1 and "exec /bin/script: no such file or directory" in done.stderr


def test_what_fails_leaves_no_zombie_to_hold_the_container(tool: Any) -> None:
    pid = tool.begin("sleep", "1000")
    assert tool.result("exec", "-d", tool.id, "nope").returncode == 255
    tool.run("delete", "--force", tool.id)
    # Process 1 ends only when every process of its namespace has been reaped.
    _until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)


def test_an_exec_that_nobody_would_know_of_is_ended(tool: Any) -> None:
    tool.begin("sleep", "1000")
    done = tool.result("exec", "-d", "--pid-file", "/no/such/directory/pid", tool.id, "sleep", "1001")
    assert done.returncode == 255 and "cannot write the pid file" in done.stderr
    _until(lambda: json.loads(tool.run("ps", "-f", "json", tool.id)) == [tool.state()["pid"]])


def test_limits_are_changed(tool: Any, tmp_path: Path) -> None:
    tool.begin("sleep", "1000")
    tool.run("update", "--memory", "64m", "--pids-limit", 44, tool.id)
    tool.run("update", "-r", "-", tool.id, input='{"cpu":{"shares":512},"devices":[{"allow":true}]}')
    told = json.loads(tool.run("events", "--stats", tool.id))["data"]
    assert (told["memory"]["usage"]["limit"], told["pids"]["limit"]) == (64 << 20, 44)
    assert tool.result("update", "-r", tmp_path / "none", tool.id).returncode == 1
    # What devices may be used is settled when the container is made.
    assert "ermitted" in tool.result("exec", tool.id, "sh", "-c", "mknod /tmp/kmsg c 1 11; cat /tmp/kmsg").stderr


def test_all_processes_are_signalled(tool: Any) -> None:
    tool.begin("sh", "-c", "sleep 1000 & sleep 1001; true")
    _until(lambda: len(json.loads(tool.run("ps", "-f", "json", tool.id))) == 3)
    tool.run("kill", "--all", tool.id, "KILL")
    _until(lambda: json.loads(tool.run("ps", "-f", "json", tool.id)) == [])


def test_messages_go_to_the_log_as_engines_read_them(tool: Any, tmp_path: Path) -> None:
    done = tool.result("--log", tmp_path / "log", "--log-format", "json", "start", "nothing")
    assert (done.returncode, done.stderr) == (1, "container does not exist\n")
    entry = json.loads((tmp_path / "log").read_text())
    assert (entry["level"], entry["msg"]) == ("error", "container does not exist")
    assert time.strptime(entry["time"], "%Y-%m-%dT%H:%M:%SZ")
    done = tool.result("start", "nothing")
    assert done.stderr.startswith('time="') and done.stderr.endswith(' level=error msg="container does not exist"\n')


@pytest.mark.parametrize(("words", "code", "said"), [
    (["bogus"], 3, "No help topic for 'bogus'"), (["--bogus"], 1, "flag provided but not defined"),
    (["--systemd-cgroup", "list"], 1, "cgroupfs"), (["create", "--no-pivot", "x"], 1, "pivot_root"),
    (["kill"], 1, "requires a container id"), (["kill", "x", "BOGUS"], 1, "unknown signal"),
    (["state", "a", "b"], 1, "at most 1"), (["create", "../x"], 1, "invalid container id"),
    (["create", "-b", "/nowhere", "x"], 1, "no such bundle"), (["events", "x"], 1, "no stream of events"),
    (["spec", "--rootless"], 1, "without root"), (["--log-format", "xml", "list"], 1, "invalid log-format"),
])
def test_what_is_refused(tool: Any, words: list[str], code: int, said: str) -> None:
    done = tool.result(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_specification_to_begin_with_runs(tool: Any) -> None:
    tool.run("spec", "-b", tool.box.bundle)
    assert "exists" in tool.result("spec", "-b", tool.box.bundle).stderr
    spec = json.loads((tool.box.bundle / "config.json").read_text())
    spec["process"] |= {"terminal": False, "args": ["/bin/hostname"]}
    (tool.box.bundle / "config.json").write_text(json.dumps(spec))
    assert tool.run("run", "-b", tool.box.bundle, tool.id) == "sampan-oci\n"


def test_versions_help_and_features(tool: Any) -> None:
    name, spec, *_ = tool.run("--version").splitlines()
    assert name.startswith("sampan-oci version ") and spec == "spec: 1.2.0"
    assert "COMMANDS:" in tool.run("--help") and "--pid-file" in tool.run("create", "--help")
    told = json.loads(tool.run("features"))
    assert told["hooks"] == ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    assert {"rro", "idmap", "rprivate"} <= set(told["mountOptions"])
    assert told["linux"]["seccomp"]["enabled"]


def test_a_container_outlives_the_program_that_made_it(tool: Any) -> None:
    pid = tool.begin("sleep", "1000")
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    assert int(Path(f"/proc/{pid}/stat").read_text().split()[3]) == os.getpid()  # adopted by the nearest subreaper


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _drain(fd: int) -> str:
    content = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:  # the last user of the slave is gone
            piece = b""
        if not piece:
            os.close(fd)
            return content.decode()
        content += piece
