"""Commands, flags and names are completed, for the program that asks and in a real shell."""

import os
import sys
from pathlib import Path

from tests.integration.sampan import Terminal

COMPLETIONS = Path(__file__).parents[2] / "contrib/completions"


def test_completion(sampan):
    sampan.run("create", "--net=none", "--name", "crab", "bb:1")

    def completed(*words):
        told = {"_SAMPAN_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return sampan.run(env=told).split()

    assert completed("sampan", "history", "b") == ["plain,bb:1"]
    assert completed("sampan", "rm", "-f", "c") == ["plain,crab"]
    assert completed("sampan", "inspect", '""') == [
        "plain,crab", "plain,bb:1", "plain,bridge", "plain,host", "plain,none"]
    assert completed("sampan", "image", "pru") == ["plain,prune"]
    assert completed("sampan", "images", "--tr") == ["plain,--tree"]
    assert completed("sampan", "run", "--network", "ho") == ["plain,host"]
    assert completed("sampan", "--storage-driver", "v") == ["plain,vfs"]
    sampan.run("volume", "create", "crate")
    assert completed("sampan", "volume", "rm", "cr") == ["plain,crate"]
    for shell, name in (("bash", "sampan.bash"), ("zsh", "_sampan"), ("fish", "sampan.fish")):
        assert sampan.run("completion", shell).strip() == (COMPLETIONS / name).read_text().strip()
    assert sampan.fails("completion", "ksh") == 'unknown shell "ksh": must be one of "bash", "fish", "zsh"'


def test_completion_in_bash(sampan, tmp_path):
    (tmp_path / "sampan").write_text(f'#!/bin/sh\nexec {sys.executable} -m sampan.cli.main "$@"\n')
    (tmp_path / "sampan").chmod(0o755)
    environ = {**sampan.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PS1": "> ", "TERM": "dumb"}
    bash = Terminal(["bash", "--norc", "-i"], environ, (24, 80))
    try:
        bash.type('eval "$(sampan completion bash)"; echo re""ady\n')
        bash.expect("ready")
        for typed, made in (("run b", "b:1 "), ("history bb:", "1 "), ("image pru", "ne "), ("network rm ho", "st ")):
            bash.type(f"sampan {typed}\t")
            bash.expect(f"sampan {typed}{made}")
            bash.type("\x15")
    finally:
        bash.process.kill()
        bash.process.wait()
