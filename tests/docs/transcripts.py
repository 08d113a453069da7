"""Carry out what a document shows of a console, and hold the document to what comes of it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.integration.sampan import Sampan, Terminal

_PROMPT = r"/ # |root@[0-9a-f]{12}:/# |Username: |Password: ?"
_DETACH = "read escape sequence"
# What differs each time, or on each machine, and by what it is to be taken for the same.
_VARIABLE = [
    (r"\x1b\[[0-9;?]*[a-zA-Z]|\r", ""),
    (r"(?m)^[0-9a-f]{12}: (?:Pulling fs layer|Waiting|Verifying Checksum|Download complete)\n", ""),  # overwritten
    (r"\bsha256:[0-9a-f]+…", "sha256:ID"),
    (r"\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b", "ID"),
    (r"\b(?:\d+|About an?|Less than a) (?:second|minute|hour|day|week|month|year)s?\b", "AGE"),
    (r"\b\d+(?:\.\d+)?[kMG]?B\b", "SIZE"),
    (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}\b", "DATE"),
    (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
    (r"\bI am \d+\b", "I am PID"),
    (r"[ \t]+", " "),
]


@dataclass
class Exchange:
    """A command, and what is shown after it."""

    command: str
    shown: list[str] = field(default_factory=list)

    @property
    def typed(self) -> bool:
        """Whether more is typed at prompts of its own."""
        return any(re.match(_PROMPT, line) for line in self.shown)


@dataclass(frozen=True)
class Script:
    """Commands that show nothing of what they print."""

    text: str


def blocks(text: str) -> Iterator[Script | Sequence[Exchange]]:
    """Yield a document's scripts and transcripts."""
    for kind, block in re.findall(r"^```(console|sh)\n(.*?)^```", text, re.M | re.S):
        yield Script(block) if kind == "sh" else _exchanges(block)


def _exchanges(block: str) -> list[Exchange]:
    found: list[Exchange] = []
    for line in block.splitlines():
        if line.startswith("# "):
            found.append(Exchange(line[2:]))
        else:
            found[-1].shown.append(line)
    return found


class Console:
    """Where commands are carried out: a directory, and a ``sampan`` on the PATH with a store of its own."""

    def __init__(self, sampan: Sampan, programs: Mapping[str, str], password: str) -> None:
        self._password = password
        self.directory = sampan.directory / "here"
        self._bin = sampan.directory / "bin"
        for directory in (self.directory, self._bin):
            directory.mkdir()
        own = f'exec {shlex.quote(sys.executable)} -m sampan.cli.main "$@"'
        for name, script in {"sampan": own, **programs}.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{script}\n")
            (self._bin / name).chmod(0o755)
        self.environ = {**sampan.environ, "PATH": f"{self._bin}:{os.environ['PATH']}", "HOME": str(self.directory)}

    def run(self, script: str) -> None:
        """Carry out a script, which must succeed."""
        self.output(script)

    def output(self, script: str) -> str:
        """Carry out a script, which must succeed; return what it printed."""
        done = self._done(f"set -e\n{script}")
        assert done.returncode == 0, done
        return done.stdout.decode()

    def check(self, exchange: Exchange) -> None:
        """Carry out a command, and compare with what is shown, if anything is."""
        if exchange.typed:
            self._converse(exchange)
            return
        done = self._done(exchange.command)
        output = done.stdout.decode()
        if exchange.shown:
            assert_shown(exchange.command, output, exchange.shown)
        else:
            assert done.returncode == 0, (exchange, output)

    def _hidden(self, prompt: str) -> str:
        return self._password if prompt.startswith("Password") else ""

    def _done(self, script: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["bash", "-c", script], env=self.environ, cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
        )  # fmt: skip

    def _converse(self, exchange: Exchange) -> None:
        """Type what is shown at the prompts, and compare what is between them."""
        terminal = Terminal(["bash", "-c", f"cd {self.directory}; {exchange.command}"], self.environ, (24, 80))
        try:
            if exchange.command.startswith("sampan attach"):
                terminal.type("\n")  # its prompt was printed before
            steps = _typed(exchange.shown)
            for number, (typed, shown) in enumerate(steps, 1):
                asked = terminal.expect(_PROMPT).group().decode()
                terminal.type("\x10\x11" if typed == _DETACH else f"{self._hidden(asked) or typed}\n")
                if number < len(steps):
                    terminal.expect(re.escape(typed) + r"\r?\n")
                    assert_shown(typed, terminal.expect(f"(?s)^(.*?)(?={_PROMPT})").group(1).decode(), shown)
            assert terminal.wait() == exchange.shown[-1].endswith(_DETACH)  # as with Docker
            if shown:
                assert_shown(typed, terminal.seen.decode().partition("\n")[2], shown)
        finally:
            terminal.process.kill()
            terminal.process.wait()


def _typed(shown: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Return what is typed at each prompt, and what is shown up to the next."""
    starts = [number for number, line in enumerate(shown) if re.match(_PROMPT, line)]
    return [(re.sub(f"^(?:{_PROMPT})", "", shown[start]), shown[start + 1 : end])
            for start, end in zip(starts, [*starts[1:], len(shown)], strict=True)]


def assert_shown(command: str, output: str, shown: Sequence[str]) -> None:
    """Compare what was printed with what is shown; a line of three dots stands for any lines."""
    lines = _comparable("\n".join(shown)).split("\n")
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in lines)
    assert re.fullmatch(pattern, _comparable(output) + "\n"), f"{command}\n{output}\nis not\n" + "\n".join(shown)


def _comparable(text: str) -> str:
    for pattern, word in _VARIABLE:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
