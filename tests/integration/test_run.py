"""Running containers in the foreground and in the background."""

import hashlib
import os
import re
import signal
import subprocess
import time

import pytest


def test_output_errors_and_exit_code_are_the_containers(sampan):
    result = sampan.result("run", "--rm", "--net=none", "bb:1", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert sampan.run("ps", "-aq") == ""


def test_killed_container_has_the_code_of_its_signal(sampan):
    assert sampan.result("run", "--rm", "--net=none", "bb:1", "sh", "-c", "kill -9 $$; sleep 9 & kill -9 $!; wait $!"
                         ).returncode == 137


@pytest.mark.parametrize(("command", "code", "message"), [
    (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'),
    (["/etc/nosuch"], 127, "/etc/nosuch"),
    (["/etc"], 126, "/etc"),
    (["/etc/passwd"], 126, "permission denied"),
])
def test_command_that_cannot_run(sampan, command, code, message):
    assert message in sampan.fails("run", "--rm", "--net=none", "bb:1", *command, code=code)
    assert sampan.run("ps", "-aq") == ""


def test_input_reaches_the_container_and_ends(sampan):
    assert sampan.run("run", "-i", "--rm", "--net=none", "bb:1", "sh", "-c", "cat; echo end", stdin=b"typed\n") == (
        "typed\nend")


def test_without_interactive_there_is_no_input(sampan):
    assert sampan.run("run", "--rm", "--net=none", "bb:1", "sh", "-c", "cat; echo end", stdin=b"typed\n") == "end"


def test_container_that_ends_before_its_input_does(sampan):
    process = sampan.popen("run", "-i", "--rm", "--net=none", "bb:1", "head", "-n1")
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.wait(15) == 0
    assert process.stdout.read() == b"one\n"
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_bytes_of_every_value_pass_both_ways_whole(sampan):
    content = bytes(range(256)) * 40_000 + b"no newline"
    result = sampan.result("run", "-i", "--rm", "--net=none", "bb:1", "cat", stdin=content)
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(content).digest()


def test_output_to_a_descriptor_that_does_not_wait(sampan):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = sampan.popen("run", "--rm", "--net=none", "bb:1", "sh", "-c", "head -c 3000000 /dev/zero; echo end",
                           stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    time.sleep(0.5)
    with open(reader, "rb") as file:
        content = file.read()
    assert process.wait(15) == 0
    assert content == bytes(3_000_000) + b"end\n"


def test_reader_that_leaves_does_not_end_the_container(sampan):
    process = sampan.popen("run", "--name", "c1", "--net=none", "bb:1", "yes")
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    assert process.wait(15) == 141
    process.stdin.close()
    process.stderr.close()
    assert sampan.state("c1") == "running"


def test_detached_prints_the_id(sampan):
    identity = sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sleep", "100")
    assert re.fullmatch("[0-9a-f]{64}", identity)
    assert sampan.run("ps", "-q") == identity[:12]
    assert sampan.run("ps", "-q", "--no-trunc") == identity


def test_detached_and_removed_at_its_end(sampan):
    sampan.run("run", "-d", "--rm", "--name", "c1", "--net=none", "bb:1", "true")
    deadline = time.monotonic() + 10
    while sampan.run("ps", "-aq"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(sampan, number):
    script = f"trap 'echo got; exit 9' {number.value}; echo ready; while :; do sleep 0.05; done"
    process = sampan.popen("run", "--rm", "--net=none", "bb:1", "sh", "-c", script)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=15)
    assert (process.returncode, output, errors) == (9, b"got\n", b"")


def test_signals_are_kept_without_proxy(sampan):
    process = sampan.popen("run", "--sig-proxy=false", "--name", "c1", "--net=none", "bb:1", "sh", "-c",
                           "echo ready; sleep 100")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    assert process.returncode == 143
    assert sampan.state("c1") == "running"


def test_attaching_to_some_streams_only(sampan):
    result = sampan.result("run", "-a", "stderr", "--rm", "--net=none", "bb:1", "sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == (b"", b"err\n")
    assert sampan.fails("run", "-d", "-a", "stdout", "bb:1") == (
        "conflicting options: cannot specify both --attach and --detach")


def test_terminal_without_one(sampan):
    assert sampan.fails("run", "-it", "bb:1") == "the input device is not a TTY"
    assert sampan.run("ps", "-aq") == ""
    assert sampan.run("run", "--rm", "-t", "--net=none", "bb:1", "tty").strip().startswith("/dev/")


def test_cidfile(sampan, tmp_path):
    cidfile = tmp_path / "cid"
    sampan.run("run", "--cidfile", cidfile, "--name", "c1", "--net=none", "bb:1", "true")
    assert cidfile.read_text() == sampan.run("inspect", "-f", "{{.Id}}", "c1")
    assert sampan.fails("run", "--cidfile", cidfile, "bb:1", code=125) == (
        f"container ID file found, make sure the other container isn't running or delete {cidfile}")
    other = tmp_path / "other"
    sampan.fails("run", "--cidfile", other, "--name", "c1", "bb:1", code=125)
    assert not other.exists()


def test_image_that_is_not_here(sampan):
    assert sampan.fails("run", "--pull=never", "nosuch", code=125).startswith("No such image: nosuch:latest")
    assert sampan.fails("run", "--pull=sometimes", "bb:1", code=125) == (
        "invalid pull option: 'sometimes': must be one of \"always\", \"missing\" or \"never\"")


def test_environment(sampan, tmp_path):
    file = tmp_path / "env"
    file.write_text("# comment\nA=file\n  B=file with spaces \nCALLER\nNOSUCH\nFROM=file\n")
    output = sampan.run("run", "--rm", "--net=none", "--env-file", file, "-e", "A=flag", "-e", "CALLER2", "-e", "FROM",
                        "bb:1", "env", env={"CALLER": "1", "CALLER2": "2"})
    found = dict(line.split("=", 1) for line in output.splitlines())
    assert {key: found.get(key) for key in ("A", "B", "CALLER", "CALLER2", "NOSUCH", "FROM")} == {
        "A": "flag", "B": "file with spaces ", "CALLER": "1", "CALLER2": "2", "NOSUCH": None, "FROM": None}


def test_user_workdir_entrypoint_hostname_and_labels(sampan):
    output = sampan.run("run", "--rm", "--net=none", "-u", "alice", "-w", "/tmp/new", "-h", "box", "--entrypoint",
                        "sh", "bb:1", "-c", "id; pwd; hostname")
    assert output.splitlines() == ["uid=1000(alice) gid=1000(alice) groups=2000(friends)", "/tmp/new", "box"] or (
        output.splitlines()[1:] == ["/tmp/new", "box"] and "2000(friends)" in output)


def test_volumes(sampan, tmp_path):
    (tmp_path / "file").write_text("hello\n")
    new = tmp_path / "new/dir"
    script = "cat /in/file; touch /in/x 2>&1; touch /out/y; touch /t/z; stat -f -c %T /t; stat -c %a /t"
    output = sampan.run("run", "--rm", "--net=none", "-v", f"{tmp_path}:/in:ro", "-v", "./new/dir:/out", "--mount",
                        "type=tmpfs,dst=/t,tmpfs-mode=750", "bb:1", "sh", "-c", script, cwd=tmp_path)
    assert output.splitlines() == ["hello", "touch: /in/x: Read-only file system", "tmpfs", "750"]
    assert (new / "y").exists()
    missing = f"type=bind,src={tmp_path}/missing,dst=/x"
    assert "bind source path does not exist" in sampan.fails("run", "--mount", missing, "bb:1", code=125)


def test_read_only_and_tmpfs(sampan):
    script = "touch /x 2>&1; touch /tmp/x && echo ok"
    flags = ("--read-only", "--tmpfs", "/tmp:size=1m")
    output = sampan.run("run", "--rm", "--net=none", *flags, "bb:1", "sh", "-c", script)
    assert output.splitlines() == ["touch: /x: Read-only file system", "ok"]


def test_limits_reach_the_kernel(sampan):
    script = "cat /proc/self/limits | grep 'open files'; cat /proc/1/cgroup"
    output = sampan.run("run", "--rm", "--net=none", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--ulimit",
                        "nofile=100:200", "bb:1", "sh", "-c", script)
    assert re.match(r"Max open files\s+100\s+200", output)
    sampan.run("create", "--name", "c1", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "bb:1")
    form = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"
    assert sampan.run("inspect", "-f", form, "c1") == f"{64 << 20} 50"


def test_name_in_use(sampan):
    sampan.run("create", "--name", "c1", "bb:1")
    assert "c1" in sampan.fails("create", "--name", "c1", "bb:1")
    assert sampan.fails("run", "--name", "a b", "bb:1", code=125).startswith("Invalid container name (a b)")


def test_two_containers_talk_over_the_bridge(sampan):
    sampan.run("run", "-d", "--name", "server", "bb:1", "sh", "-c", "while :; do echo hello | nc -l -p 80; done")
    address = sampan.run("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "server")
    script = f"for i in 1 2 3 4 5 6 7 8 9; do nc -w 2 {address} 80 </dev/null && exit; sleep 0.2; done; exit 1"
    assert sampan.run("run", "--rm", "bb:1", "sh", "-c", script) == "hello"


def test_streams_that_the_caller_closed(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sleep", "100")
    run = ("run", "--rm", "-i", "--net=none", "bb:1", "cat")
    for words in (run, ("exec", "-i", "c1", "cat"), ("exec", "c1", "id")):
        line = " ".join(sampan.command(*words))
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            result = subprocess.run(
                ["sh", "-c", f"exec {line} {closed}"], env=sampan.environ, timeout=30, stdin=subprocess.DEVNULL,
                capture_output=True,
            )  # fmt: skip
            assert result.returncode == 0
    assert sampan.state("c1") == "running"


def test_words_that_are_no_text(sampan):
    output = sampan.run("run", "--rm", "--net=none", "-e", "A=\udcff", "bb:1", "sh", "-c", "echo $0 $A", "a\udcfeb")
    assert output == "a\ufffdb \ufffd"
