"""Run a runc-compatible program, and understand how it fails."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from sampan import errors
from sampan.contracts.runtime import Stdio
from sampan.kernel import processes

# What runc, crun, youki and sampan-oci say, and which error it is. The first that matches counts.
_TRANSLATIONS: tuple[tuple[re.Pattern[str], type[errors.SampanError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in (
        (r"exec: .*(executable file not found|no such file or directory)", errors.CommandNotFound),
        (r"chdir to cwd .*no such file or directory", errors.CommandNotFound),
        (r"(exec: |chdir to cwd ).*(permission denied|is a directory|not a directory|exec format error)",
         errors.CommandNotExecutable),
        (r"executable .* not found|executable file .* not found", errors.CommandNotFound),
        (r"already exists?\b", errors.AlreadyExists),
        (r"bind source path does not exist", errors.InvalidInput),
        (r"does not exist|container .* not found", errors.NotFound),
        (r"not stopped|not running|stopped container|not paused|process already finished|no such process",
         errors.Conflict),
        (r"cannot start (a|an already) |container init exited", errors.Conflict),
        (r"error setting rlimit|cannot be raised|unable to apply caps|function not implemented", errors.Unsupported),
        (r"no space left on device", errors.OutOfSpace),
        (r"operation not permitted|permission denied", errors.Denied),
        (r"invalid|must be|cannot be mounted|cannot unmarshal|not a directory|no such file|failed to write|cannot set",
         errors.InvalidInput),
    )
)
_COMMAND = re.compile(r'(exec: ".*|chdir to cwd .*)', re.DOTALL)


class Entry(msgspec.Struct):
    """A line of the program's log."""

    msg: str = ""
    level: str = ""


class Program:
    """The program at ``path``, which keeps its state below ``root``."""

    def __init__(self, path: str, root: str) -> None:
        self._path = path
        self._root = root

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run to the end, with ``given`` to read, and return what it printed. Raises our error for the program's."""
        with _log() as log:
            done = subprocess.run(self._line(log, arguments), input=given, capture_output=True, check=False)
            if done.returncode:
                raise translate(_failure(_content(log), done.stderr))
            return done.stdout

    def launch(self, arguments: list[str], stdio: Stdio) -> None:
        """Run a subcommand that leaves a process behind, with these standard streams."""
        processes.restore_reserved_signals()
        streams = [subprocess.DEVNULL if fd is None else fd for fd in (stdio.stdin, stdio.stdout, stdio.stderr)]
        with _log() as log:
            done = subprocess.run(
                self._line(log, arguments), stdin=streams[0], stdout=streams[1], stderr=streams[2], check=False,
                preexec_fn=processes.die_with_parent)  # or else it would go on making what nobody removes
            if done.returncode:
                raise translate(_failure(_content(log), b""))

    def _line(self, log: str, arguments: list[str] | tuple[str, ...]) -> list[str]:
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        return [self._path, "--root", self._root, "--log", log, "--log-format", "json", *arguments]


@contextmanager
def _log() -> Iterator[str]:
    """Give a file for the program's log by a path that leads to our descriptor: it goes when we go."""
    descriptor = os.memfd_create("sampan-oci-log")
    try:
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _content(log: str) -> bytes:
    with open(log, "rb") as file:
        return file.read()


def _failure(log: bytes, stderr: bytes) -> str:
    """Return the last error in the log, or what was printed."""
    message = ""
    for line in log.splitlines():
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except msgspec.MsgspecError:
            continue
        if entry.level in ("error", "fatal") and entry.msg:
            message = entry.msg
    return message or stderr.decode(errors="replace").strip() or "the OCI runtime failed without a word"


def translate(message: str) -> errors.SampanError:
    """Return the error that the program's message means, in Docker's words where it is about the command."""
    for pattern, kind in _TRANSLATIONS:
        if pattern.search(message):
            about_command = issubclass(kind, errors.CommandNotFound | errors.CommandNotExecutable)
            found = _COMMAND.search(message) if about_command else None
            return kind(found.group(1) if found else message)
    return errors.Unavailable(message)
