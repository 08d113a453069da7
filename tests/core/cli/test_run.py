"""The sampan command as a process: what it prints, where, and how it exits."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = '''
"""Do as told."""
import os, sys, time
import click
from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import pass_context
from sampan.errors import CommandNotFound, NotFound

@hookimpl
def sampan_open_command(name):
    return do

@command("do", failure=125)
@click.argument("what")
@pass_context
def do(context, what):
    """Do as told."""
    try:
        return DEEDS[what](context)
    finally:
        sys.stderr.write("unwound\\n")

def fail(context): raise NotFound("no such thing: x", "look\\nelsewhere")
def fail_with(message): raise NotFound(message)
def lack(context): raise CommandNotFound("x: not found")
def bug(context): return {}["key"]
def wait(context):
    print("waiting", flush=True)
    time.sleep(30)
def flood(context):
    for _ in range(100000): print("x" * 100)
def root(context): print(context.settings.root, context.settings.run_root, context.settings.storage, context.debug)
DEEDS = {"fail": fail, "lack": lack, "bug": bug, "wait": wait, "flood": flood, "root": root,
         "paint": lambda c: fail_with("no such thing: \\x1b[31m\\x9b0mé"),
         "three": lambda c: 3, "open": lambda c: open("/nowhere"),
         "nothing": lambda c: None, "interrupt": lambda c: os.kill(os.getpid(), 2)}
'''
MAIN = "from sampan.cli.main import main; main()"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    top = tmp_path_factory.mktemp("cli")
    site = top / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_do.py").write_text(SOURCE)
    (site / "acme_broken.py").write_text("raise RuntimeError('oh')")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = "do = acme_do\ncrate.do = acme_do\nbroken = acme_broken"
    (info / "entry_points.txt").write_text(f"[sampan.commands]\n{points}\n[sampan.storage]\nbad = acme_broken\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SAMPAN_")}
    configuration = top / "sampan.toml"
    configuration.write_text('network = "none"\n')
    return {
        **clean, "PYTHONPATH": str(site), "SAMPAN_CACHE_DIR": str(top / "cache"),
        "SAMPAN_CONFIG": str(configuration), "COLUMNS": "80",
    }


@pytest.fixture
def sampan(environment):
    def run(*args, **more):
        environ = {**environment, **more}
        command = [sys.executable, "-c", MAIN, *args]
        return subprocess.run(command, env=environ, capture_output=True, text=True, cwd="/", timeout=30)

    return run


@pytest.mark.parametrize(
    ("deed", "code", "errors"),
    [
        ("nothing", 0, ""),
        ("three", 3, ""),
        ("fail", 125, "Error: no such thing: x (look elsewhere)\n"),
        ("lack", 127, "Error: x: not found\n"),
        ("paint", 125, "Error: no such thing: \\x1b[31m\\x9b0m\u00e9\n"),
        (
            "bug", 125, "Error: plugin commands/do (acme 1.0) failed: KeyError: 'key' "
            "(this is a bug; run with --debug for more)\n",
        ),
        ("interrupt", 130, ""),
    ],
)
def test_exit_codes_and_one_line(sampan, deed, code, errors):
    done = sampan("do", deed)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"unwound\n{errors}")


def test_debug_shows_the_traceback(sampan):
    for deed in ("fail", "bug"):
        done = sampan("--debug", "do", deed)
        assert done.returncode == 125
        assert "Traceback (most recent call last)" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_unwind(environment, number):
    command = [sys.executable, "-c", MAIN, "do", "wait"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"waiting\n"
        time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (128 + number, b"unwound\n")


def test_a_reader_that_leaves_is_no_error(environment):
    command = f"{sys.executable} -c '{MAIN}' do flood | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == ["x" * 100, "141"]
    assert done.stderr == "unwound\n"


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["do", "--help"], ["do", "root"]])
def test_a_full_disk_is_one_line(environment, args):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *args], env=environment, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == (125 if args == ["do", "root"] else 1)
    assert re.fullmatch(r"(unwound\n)?Error: .*No space left on device\n", done.stderr)


def test_a_file_that_cannot_be_used_is_named(sampan):
    done = sampan("do", "open")
    assert (done.returncode, done.stderr) == (125, "unwound\nError: /nowhere: No such file or directory\n")


@pytest.mark.parametrize(
    ("args", "code", "complaint"),
    [
        (["xyzzy"], 1, "sampan: unknown command: sampan xyzzy\n\nRun 'sampan --help' for more information\n"),
        (["crat"], 1,
         'sampan: unknown command: sampan crat (did you mean "crate"?)\n\n'
         "Run 'sampan --help' for more information\n"),
        (["crate", "dp"], 1,
         'sampan: unknown command: sampan crate dp (did you mean "do"?)\n\n'
         "Run 'sampan crate --help' for more information\n"),
        (["crate.do", "three"], 1, "sampan: unknown command: sampan crate.do"),
        (["--foo"], 125, "unknown flag: --foo\n\nUsage:  sampan [OPTIONS] COMMAND\n\nRun 'sampan --help' for more"),
        (["do"], 1, "sampan: 'sampan do' requires 1 argument\n\nUsage:  sampan do WHAT\n\n"),
        (["broken"], 1, "Error: plugin commands/broken (acme 1.0) cannot be imported: RuntimeError: oh\n"),
        (["--config", "/nowhere", "do", "three"], 1, "Error: no configuration file /nowhere\n"),
    ],
)
def test_what_cannot_be_run(sampan, args, code, complaint):
    done = sampan(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(complaint)


def test_a_command_in_a_group_and_global_flags(sampan):
    done = sampan("-D", "--root=/r", "--run-root", "/rr", "--storage-driver", "x", "-l", "debug", "crate", "do", "root")
    assert done.stdout == "/r /rr ('x',) True\n"
    assert sampan("do", "root", SAMPAN_ROOT="/e").stdout.startswith("/e /run/sampan ")


@pytest.mark.parametrize("args", [["--version"], ["-v"], ["-D", "--version"]])
def test_version(sampan, args):
    import sampan as package

    assert sampan(*args).stdout == f"Sampan version {package.__version__}\n"


def test_help_of_top_and_group(sampan):
    top = sampan("--help").stdout
    assert top.startswith("Usage:  sampan [OPTIONS] COMMAND\n\n")
    assert re.search(r"^  crate +Manage crates$", top, re.M)
    assert re.search(r"^  do +Do as told$", top, re.M)
    assert sampan().stdout == sampan("help").stdout == sampan("-D").stdout == top
    assert sampan("help", "crate", "do").stdout == sampan("crate", "do", "--help").stdout != ""
    group = "Usage:  sampan crate COMMAND\n\nManage crates\n\nCommands:\n  do  Do as told\n\n"
    assert sampan("crate").stdout.startswith(group)
    assert sampan("crate", "--help").stdout.startswith(group)


def test_completion_lists_commands(sampan):
    done = sampan(_SAMPAN_COMPLETE="bash_complete", COMP_WORDS="sampan crate ", COMP_CWORD="2")
    assert done.stdout.split() == ["plain,do"]


def test_plugin_ls_shows_the_broken_ones_and_goes_on(sampan):
    done = sampan("plugin", "ls", "--slot", "storage")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["SLOT", "NAME", "DISTRIBUTION", "VERSION", "STATUS"]
    assert [line.split(maxsplit=4) for line in lines if " bad " in line] == [
        ["storage", "bad", "acme", "1.0", "broken: cannot be imported: RuntimeError: oh"]
    ]


def test_what_is_not_waited_for_is_not_lost(environment, tmp_path):
    """Leaving without tearing the interpreter down runs exit functions and waits for threads."""
    witness = tmp_path / "witness"
    code = (
        "import atexit, threading, time, sys; from sampan.cli.main import leave\n"
        f"def tell(what): open({str(witness)!r}, 'a').write(what)\n"
        "atexit.register(tell, 'exit')\n"
        "if sys.argv[1:]: threading.Thread(target=lambda: (time.sleep(0.2), tell('thread'))).start()\n"
        "print('out'); leave(7)"
    )
    for args, expected in (([], "exit"), (["thread"], "threadexit")):
        Path(witness).unlink(missing_ok=True)
        done = subprocess.run([sys.executable, "-c", code, *args], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout, witness.read_text()) == (7, "out\n", expected)
