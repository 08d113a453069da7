"""Shells on a real terminal: prompt, size, keys, detaching and coming back."""

import os
import signal

import pytest


@pytest.fixture
def shell(sampan):
    flags = ("--rm", "--name", "c1", "--net=none")
    terminal = sampan.terminal("run", "-it", *flags, "bb:1", "bash", "--norc", size=(31, 97))
    terminal.expect(r"bash-[\d.]+# ")
    return terminal


def test_shell_has_a_prompt_a_size_that_follows_and_an_exit_code(sampan, shell):
    shell.type("stty size\r")
    shell.expect("31 97\r\n")
    shell.resize(40, 120)
    shell.type("stty size\r")
    shell.expect("40 120\r\n")
    shell.type("echo $TERM $((6*7)); tty\r")
    shell.expect("xterm 42\r\n")
    shell.type("exit 3\r")
    assert shell.wait() == 3
    assert sampan.run("ps", "-aq") == ""


def test_interrupt_ends_what_runs_in_the_shell_and_not_the_shell(shell):
    shell.type("sh -c 'echo up; sleep 100'\r")
    shell.expect("\nup\r\n")
    shell.type("\x03")
    shell.expect(r"\^C\r\n")
    shell.type("echo $?\r")
    shell.expect("130\r\n.*# ")
    shell.type("(exit 5)\r")
    shell.expect("5.\r\n.*# ")
    shell.type("\x04")
    assert shell.wait() == 5


def test_suspended_job_comes_back(shell):
    shell.type("sh -c 'echo up; exec cat'\r")
    shell.expect("\nup\r\n")
    shell.type("\x1a")
    shell.expect("Stopped .*\r\n.*# ")
    shell.type("fg\r")
    shell.expect("fg\r\nsh -c .*\r\n")
    shell.type("back\r")
    shell.expect("back\r\nback\r\n")
    shell.type("\x04")
    shell.expect("# ")
    shell.type("exit 0\r")
    assert shell.wait() == 0


def test_detach_and_attach_again(sampan, shell):
    shell.type("here=yes\r")
    shell.expect("# ")
    shell.type("\x10\x11")
    shell.expect("read escape sequence")
    assert shell.wait() == 0
    assert sampan.state("c1") == "running"
    again = sampan.terminal("attach", "c1", size=(20, 60))
    again.expect("# ")
    again.type("echo $here; stty size\r")
    again.expect("yes\r\n20 60\r\n")
    again.type("exit 4\r")
    assert again.wait() == 4


def test_detach_keys_of_ones_own(sampan):
    terminal = sampan.terminal("run", "-it", "--detach-keys", "ctrl-x,q", "--name", "c1", "--net=none", "bb:1")
    terminal.expect("# ")
    terminal.type("\x10\x11")  # not the keys any more
    terminal.type("\x18")
    terminal.type("q")
    terminal.expect("read escape sequence")
    assert terminal.wait() == 0
    assert sampan.fails("run", "--detach-keys", "foo", "-it", "bb:1") == "the input device is not a TTY"
    assert sampan.fails("attach", "--detach-keys", "foo", "c1").startswith("the input device is not a TTY")


def test_terminal_is_restored_when_the_command_is_killed(sampan, shell):
    os.kill(shell.process.pid, signal.SIGTERM)
    assert shell.wait() == 143
    assert sampan.state("c1") == "running"


def test_container_that_is_stopped_from_elsewhere(sampan, shell):
    sampan.run("kill", "c1")
    assert shell.wait() == 137


def test_start_attached_again(sampan):
    sampan.run("create", "-it", "--name", "c1", "--net=none", "bb:1", "sh")
    for code in (5, 6):
        terminal = sampan.terminal("start", "-ai", "c1")
        terminal.expect("# ")
        terminal.type(f"exit {code}\r")
        assert terminal.wait() == code


def test_exec_on_a_terminal(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sleep", "100")
    terminal = sampan.terminal("exec", "-it", "c1", "bash", "--norc", size=(33, 99))
    terminal.expect(r"bash-[\d.]+# ")
    terminal.type("stty size\r")
    terminal.expect("33 99\r\n")
    terminal.resize(44, 111)
    terminal.type("stty size\r")
    terminal.expect("44 111\r\n")
    terminal.type("sh -c 'echo up; sleep 100'\r")
    terminal.expect("\nup\r\n")
    terminal.type("\x03")
    terminal.expect(r"\^C\r\n.*# ")
    terminal.type("exit 8\r")
    assert terminal.wait() == 8
    assert sampan.state("c1") == "running"


def test_exec_detached_by_keys_goes_on(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sleep", "100")
    terminal = sampan.terminal("exec", "-it", "c1", "sh")
    terminal.expect("# ")
    terminal.type("sleep 0.5; echo done > /tmp/done; sleep 50\r")
    terminal.expect("sleep 50\r\n")
    terminal.type("\x10\x11")
    terminal.expect("read escape sequence")
    assert terminal.wait() == 1
    sampan.run("exec", "c1", "sh", "-c", "until test -s /tmp/done; do sleep 0.05; done")
    assert "sleep 50" in sampan.run("exec", "c1", "ps", "-o", "args")


def test_much_output_on_a_terminal_is_whole(shell):
    shell.type("i=0; while [ $i -lt 20000 ]; do echo line$i; i=$((i+1)); done; echo all' done'\r")
    shell.expect("line0\r\n")
    shell.expect("line19999\r\nall done\r\n", 30)
    shell.type("exit\r")
    assert shell.wait() == 0
