import subprocess
import sys

import pytest


def run(module, *words):
    program = [sys.executable, "-c", f"from {module} import main; main()"]
    return subprocess.run([*program, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [
    ("--version",), ("run", "--help"), ("images", "--no-such-flag"), ("no-such-command",),
])  # fmt: skip
def test_it_is_sampan(words):
    sampan, shim = run("sampan.cli.main", *words), run("sampan_docker_shim", *words)
    assert (shim.returncode, shim.stdout, shim.stderr) == (sampan.returncode, sampan.stdout, sampan.stderr)


@pytest.mark.parametrize("words", [
    ("compose", "up"), ("--log-level", "debug", "compose", "up"), ("-D", "build", "."), ("image", "build", "."),
    ("swarm", "init"),
])  # fmt: skip
def test_what_sampan_has_not_is_refused_in_one_line(words):
    done = run("sampan_docker_shim", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("docker: ") and done.stderr.count("\n") == 1
