"""A command that a standby's fork carries out is the command that the process itself would have carried out."""

import json
import os
import pty
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SOURCE = '''
"""Do as told."""
import os, sys, time
import click
from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import pass_context

@hookimpl
def sampan_open_command(name):
    return do

@command("do", interspersed=False)
@click.argument("what")
@click.argument("words", nargs=-1)
@pass_context
def do(context, what, words):
    """Do as told."""
    return DEEDS[what](*words)

def parent():
    with open(f"/proc/{os.getppid()}/comm") as file:
        return file.read().strip()

def tell():
    import json, resource, signal, locale
    def fields(path, names):
        with open(path) as file:
            return {k: v for k, _, v in (line.partition(":") for line in file) if k in names}
    streams = {}
    for name in ("stdin", "stdout", "stderr"):
        s = getattr(sys, name)
        streams[name] = s and [s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines,
            s.isatty(), s.fileno(), repr(s.buffer), s is getattr(sys, f"__{name}__")]
    told = {
        "argv": [os.fsencode(w).hex() for w in sys.argv],
        "environ": sorted([k.hex(), v.hex()] for k, v in os.environb.items()),
        "status": fields("/proc/self/status", (
            "Threads", "Umask", "Groups", "CapEff", "CapBnd", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs")),
        "limits": [resource.getrlimit(n) for n in range(16)], "nice": os.nice(0),
        "oom": open("/proc/self/oom_score_adj").read(), "comm": open("/proc/self/comm").read(),
        "cmdline": open("/proc/self/cmdline", "rb").read().hex(), "open": [],
        "cgroup": open("/proc/self/cgroup").read(), "streams": streams, "executable": sys.executable,
        "path": sys.path, "locale": locale.setlocale(locale.LC_ALL), "zone": time.tzname,
        "threshold": __import__("gc").get_threshold()[0],
    }
    first = open("/proc/self/environ", "rb").read()
    told["first"] = first.hex()
    try:
        told["cwd"] = os.getcwd()
    except FileNotFoundError as error:
        told["cwd"] = str(error)
    for number in range(64):
        try:
            told["open"].append([number, os.readlink(f"/proc/self/fd/{number}"), os.get_inheritable(number)])
        except OSError:
            pass
    told["open"] = [o for o in told["open"] if o[2]]
    with open(os.environ["TELL"], "w") as file:
        json.dump([parent() == "sampan-standby", told], file)

def wait(seconds="30"):
    print(os.getpid(), parent(), flush=True)
    time.sleep(float(seconds))

def catch():
    import signal
    def caught(number, frame):
        os.write(1, f"caught {int(number)}\\n".encode())
        if number == signal.SIGUSR2:
            os._exit(5)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGINT):
        signal.signal(number, caught)
    print("ready", parent(), flush=True)
    while True:
        time.sleep(30)

def echo():
    sys.stdout.buffer.write(sys.stdin.buffer.read())

def load():
    import sched

DEEDS = {
    "who": lambda: print(parent()), "tell": tell, "wait": wait, "catch": catch, "echo": echo, "load": load,
    "code": int, "exit": lambda code: sys.exit(int(code)), "shout": lambda: sys.exit("so long"),
    "known": lambda: print("sched" in sys.modules), "die": lambda n: os.kill(os.getpid(), int(n)),
    "input": lambda: print("got", input("? ")), "line": lambda: print(VERSION),
}
VERSION = "one"
'''
SERVED = "sampan-standby"
PATIENCE = 10.0


class Installation:
    """A copy of Sampan with a plugin of ours, its standby in a directory of its own."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.site = top / "site"
        info = self.site / "acme-1.0.dist-info"
        info.mkdir(parents=True)
        (self.site / "acme_do.py").write_text(SOURCE)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[sampan.commands]\ndo = acme_do\n")
        self.program = top / "bin" / "sampan"
        self.program.parent.mkdir()
        self.program.write_text(f"#!{sys.executable}\nfrom sampan.cli.main import main\nmain()\n")
        self.program.chmod(0o755)
        self.config = top / "sampan.toml"
        self.config.write_text("standby = 20\n")
        for file in self.site.rglob("*"):
            os.utime(file, (1, 1))
        clean = {key: value for key, value in os.environ.items() if key[:6] not in ("SAMPAN", "PYTHON")}
        self.environ = {
            **clean, "PYTHONPATH": str(self.site), "SAMPAN_CACHE_DIR": str(top / "cache"),
            "SAMPAN_CONFIG": str(self.config), "SAMPAN_STANDBY_DIR": str(top / "s"), "TELL": str(top / "tell"),
            "SAMPAN_ROOT": str(top / "root"), "SAMPAN_RUN_ROOT": str(top / "run"),
        }  # fmt: skip

    def run(self, *words, env=None, **more):
        return subprocess.run(
            [self.program, "do", *words], env={**self.environ, **(env or {})}, timeout=30,
            **{"capture_output": True, "stdin": subprocess.DEVNULL, **more},
        )  # fmt: skip

    def popen(self, *words, **more):
        return subprocess.Popen(
            [self.program, "do", *words],
            **{"env": self.environ, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )

    def who(self, **more):
        done = self.run("who", **more)
        assert done.returncode == 0, done
        return done.stdout.decode().strip()

    def sockets(self):
        found = (self.top / "s").glob("*") if (self.top / "s").exists() else ()
        return [path for path in found if path.is_socket() and "." not in path.name]

    def standbys(self):
        """The pids of those that hold the locks in our directory."""
        found = []
        inodes = {path.stat().st_ino for path in (self.top / "s").glob("*.lock")} if (self.top / "s").exists() else ()
        for line in Path("/proc/locks").read_text().splitlines():
            _, _, _, _, pid, place, *_ = line.split()[:8] if "->" not in line else line.replace("->", "").split()[:8]
            if int(place.split(":")[2]) in inodes:
                found.append(int(pid))
        return found

    def warm(self, **more):
        """Have a standby there that knows the plugin."""
        time.sleep(0.06)  # files must have been left alone for a moment
        self.run("who", **more)
        until(self.sockets)
        until(lambda: self.who(**more) == SERVED)

    def end(self):
        """End all, those that are only just starting as well; they leave nothing."""
        quiet = 0
        deadline = time.monotonic() + PATIENCE
        while quiet < 10:
            assert time.monotonic() < deadline, list((self.top / "s").glob("*"))
            for pid in self.standbys():
                os.kill(pid, signal.SIGTERM)
            quiet = 0 if list((self.top / "s").glob("*")) else quiet + 1
            time.sleep(0.02)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def shared():
    top = Path(tempfile.mkdtemp(prefix="sb", dir="/tmp"))
    made = Installation(top)
    made.warm()
    yield made
    made.end()
    shutil.rmtree(top)


@pytest.fixture
def served(shared):
    shared.warm()
    return shared


@pytest.fixture
def alone():
    top = Path(tempfile.mkdtemp(prefix="sb", dir="/tmp"))
    made = Installation(top)
    yield made
    made.end()
    shutil.rmtree(top)


def told(installation, *words, env=None, prefix="", **more):
    """What the process tells of itself, when served and when not."""
    answers = []
    for switch in ("1", "0"):
        environ = {**installation.environ, **(env or {}), "SAMPAN_STANDBY": switch}
        command = ["sh", "-c", f'{prefix} exec "$@"', "sh", installation.program, "do", "tell", *words]
        subprocess.run(command, env=environ, timeout=30, **{"stdin": subprocess.DEVNULL, **more})
        by_standby, answer = json.loads(Path(environ["TELL"]).read_text())
        assert by_standby == (switch == "1")
        for key in ("environ", "first"):
            answer.pop(key) if key == "first" else answer[key].remove([b"SAMPAN_STANDBY".hex(), switch.encode().hex()])
        answers.append(answer)
    return answers


@pytest.mark.parametrize(
    "prefix",
    ["", "umask 027;", "exec <&-;", "exec >&- 2>&-;", "exec <&- >&- 2>&-;", "exec 7</dev/zero 3>&1;", "ulimit -n 200;",
     "trap '' HUP INT USR1;", "cd /proc/self;", "renice -n 5 $$ >/dev/null;",
     "echo 300 >/proc/self/oom_score_adj;", "exec 2>&1;"],
)  # fmt: skip
def test_the_process_is_the_same(served, prefix):
    one, other = told(served, prefix=prefix)
    if prefix == "cd /proc/self;":
        one.pop("cwd"), other.pop("cwd")
    assert one == other


@pytest.mark.parametrize("env", [{"X": "\udcff\udc80 ü", "TZ": "Asia/Tokyo"}, {"COLUMNS": "9"}, {"TZ": ""}])
def test_the_environment_is_the_same(served, env):
    one, other = told(served, env=env)
    assert one == other


def test_words_that_are_no_text(served):
    words = [b"do", b"code", b"\xff\xfe"]
    one, other = (
        subprocess.run([served.program, *words], env={**served.environ, "SAMPAN_STANDBY": s}, capture_output=True)
        for s in "10"
    )
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_a_directory_that_was_removed(served, tmp_path):
    gone = tmp_path / "gone"
    one, other = told(served, prefix=f"mkdir -p {gone}; cd {gone}; rmdir {gone};")
    assert one == other


def test_locales_have_standbys_of_their_own(alone):
    alone.warm()
    latin = {"PYTHONIOENCODING": "latin-1:replace", "PYTHONUNBUFFERED": "1"}
    alone.warm(env=latin)
    assert len(alone.sockets()) == 2
    one, other = told(alone, env=latin)
    assert one == other
    assert one["streams"]["stdin"][2:4] == ["iso8859-1", "replace"]


@pytest.mark.parametrize(
    ("words", "code", "stderr"),
    [(("code", "0"), 0, b""), (("code", "7"), 7, b""), (("exit", "3"), 3, b""), (("exit", "300"), 44, b""),
     (("shout",), 1, b"so long\n"), (("die", "15"), 143, b""), (("die", "10"), -10, b""), (("die", "9"), -9, b"")],
)  # fmt: skip
def test_exit_codes(served, words, code, stderr):
    for switch in ("1", "0"):
        done = served.run(*words, env={"SAMPAN_STANDBY": switch})
        assert (done.returncode, done.stderr) == (code, stderr)


def test_streams(served):
    content = os.urandom(3_000_000)
    done = subprocess.run(
        [served.program, "do", "echo"], env=served.environ, input=content, capture_output=True, timeout=30
    )
    assert done.stdout == content
    full = subprocess.run(f"{served.program} do who >/dev/full", shell=True, env=served.environ, capture_output=True)
    usual = subprocess.run(
        f"{served.program} do who >/dev/full", shell=True, env={**served.environ, "SAMPAN_STANDBY": "0"},
        capture_output=True,
    )  # fmt: skip
    assert (full.returncode, full.stderr) == (usual.returncode, usual.stderr)


def begin(installation, *words, **more):
    process = installation.popen(*words, **more)
    first = process.stdout.readline().split()
    assert first[1].decode() == SERVED
    return process, first[0]


def finish(process):
    process.stdout.close()
    process.stderr.close()
    return process.wait(timeout=PATIENCE)


def test_signals_are_the_workers(served):
    process, _ = begin(served, "catch")
    for number in (signal.SIGUSR1, signal.SIGWINCH, signal.SIGINT):
        process.send_signal(number)
        assert process.stdout.readline() == f"caught {int(number)}\n".encode()
    process.send_signal(signal.SIGUSR2)
    assert process.stdout.readline() == b"caught 12\n"
    assert finish(process) == 5


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129), (3, -3), (10, -10), (14, -14)])
def test_ended_by_a_signal(served, number, code):
    process, worker = begin(served, "wait")
    process.send_signal(number)
    assert finish(process) == code
    until(lambda: state(int(worker)) in ("", "Z"))


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_killing_the_command_kills_the_worker(served):
    process, worker = begin(served, "wait")
    process.kill()
    assert finish(process) == -9
    until(lambda: state(int(worker)) in ("", "Z"))


def test_a_killed_worker_kills_the_command(served):
    process, worker = begin(served, "wait")
    os.kill(int(worker), signal.SIGKILL)
    assert finish(process) == -9


def test_stopping_and_going_on(served):
    process, worker = begin(served, "wait", "1", start_new_session=False, process_group=0)
    process.send_signal(signal.SIGTSTP)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    assert state(int(worker)) == "T"
    process.send_signal(signal.SIGCONT)
    assert finish(process) == 0


def test_a_terminal(served):
    pid, master = pty.fork()
    if pid == 0:
        os.execve(served.program, [served.program, "do", "input"], served.environ)
    seen = b""
    while b"? " not in seen:
        assert select.select([master], [], [], PATIENCE)[0]
        seen += os.read(master, 1000)
    os.write(master, b"hello\n")
    while b"got hello" not in seen:
        assert select.select([master], [], [], PATIENCE)[0]
        seen += os.read(master, 1000)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(master)


def test_what_a_command_loads_the_next_has(served):
    served.run("load")
    until(lambda: served.run("known").stdout == b"True\n")


def test_twenty_at_once(served):
    with ThreadPoolExecutor(20) as pool:
        # On a machine too busy to answer in time a command goes the usual way.
        assert list(pool.map(lambda _: served.who(), range(40))).count(SERVED) > 20
    assert len(served.standbys()) == 1


def test_twenty_at_once_leave_one(alone):
    time.sleep(0.06)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: alone.who(), range(20)))
    until(alone.sockets)
    until(lambda: len(alone.standbys()) == 1)
    assert len(alone.sockets()) == 1


def test_a_change_is_seen_at_once(alone):
    alone.warm()
    assert alone.run("line").stdout == b"one\n"
    first = alone.standbys()
    (alone.site / "acme_do.py").write_text(SOURCE.replace('"one"', '"two"'))
    assert alone.run("line").stdout == b"two\n"
    alone.warm()
    assert alone.standbys() != first
    (alone.site / "new.py").write_text("")
    assert alone.who() != SERVED


def test_who_is_unlike_goes_the_usual_way(served):
    everywhere = [
        ["unshare", "-m"], ["unshare", "-u"], ["unshare", "--net"], ["taskset", "-c", "0"],
        ["setpriv", "--no-new-privs"], ["setpriv", "--bounding-set=-chown"], ["setarch", "-R"],
    ]  # fmt: skip
    for prefix in everywhere:
        command = [*prefix, served.program, "do", "who"]
        done = subprocess.run(command, env=served.environ, capture_output=True, text=True)
        assert done.returncode == 0, (prefix, done)
        assert done.stdout.strip() != SERVED, prefix
    assert served.who() == SERVED


def test_another_user_gets_no_worker(served):
    (served.top / "s").chmod(0o755)
    try:
        assert served.who() != SERVED
    finally:
        (served.top / "s").chmod(0o700)
    assert served.who() == SERVED


def test_turned_off(alone):
    time.sleep(0.06)
    assert alone.who(env={"SAMPAN_STANDBY": "0"}) != SERVED
    alone.config.write_text("standby = 0\n")
    assert alone.who() != SERVED
    assert not (alone.top / "s").exists()


def test_it_does_not_linger(alone):
    alone.config.write_text("standby = 1\n")
    alone.warm()
    until(lambda: not alone.standbys())
    assert list((alone.top / "s").iterdir()) == []


def test_turning_it_off_ends_it(alone):
    alone.warm()
    alone.config.write_text("standby = 0\n")
    assert alone.who() == SERVED
    until(lambda: not alone.standbys())


def test_dismissed_it_waits_for_its_workers(alone):
    alone.warm()
    process, _ = begin(alone, "wait", "0.5")
    (pid,) = alone.standbys()
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alone.sockets())
    assert finish(process) == 0
    until(lambda: state(pid) in ("", "Z"))


def test_a_killed_standby_is_replaced(alone):
    alone.warm()
    (pid,) = alone.standbys()
    process, _ = begin(alone, "wait", "0.5")
    os.kill(pid, signal.SIGKILL)
    assert finish(process) == 0
    assert alone.who() != SERVED
    alone.warm()


def test_it_holds_nothing_of_who_left_it(alone):
    time.sleep(0.06)
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    done = alone.run("who", pass_fds=[writer], env={"SECRET": "x"}, cwd=alone.site)
    os.close(writer)
    assert done.returncode == 0
    assert select.select([reader], [], [], 0.5)[0]
    assert os.read(reader, 1) == b""
    os.close(reader)
    (pid,) = until(alone.standbys)
    until(alone.sockets)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/sampan-standby")
    assert os.getsid(pid) == pid
    links = {os.readlink(f"/proc/{pid}/fd/{name}").partition(":")[0] for name in os.listdir(f"/proc/{pid}/fd")}
    assert links <= {"/dev/null", "socket", "pipe", str(next((alone.top / "s").glob("*.lock")))}


def test_limits_cannot_be_exceeded(served):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    one, other = told(served, prefix="ulimit -Sn 100; ulimit -Hn 150;")
    assert one == other
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
