"""Tell of failures as runc does, for those who read its log: to standard error, or to a file, as text or as JSON."""

from __future__ import annotations

import os
import sys
import time

import msgspec

from sampan.errors import InvalidInput

FORMATS = ("text", "json")


class Log:
    """Where messages go. ``path`` is a file to add to; without one it is standard error."""

    def __init__(self, path: str = "", form: str = "text", *, debug: bool = False) -> None:
        if form not in FORMATS:
            raise InvalidInput(f'invalid log-format "{form}"', "it is text or json")
        self._path, self._form, self._debug = path, form, debug

    def debug(self, message: str) -> None:
        """Tell what is being done, if that is wanted."""
        if self._debug:
            self._write("debug", message)

    def warn(self, message: str) -> None:
        """Tell of a failure that stops nothing."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """Tell why the command failed: in the log and, where that is a file, to whoever looks at the terminal too."""
        try:
            self._write("error", message)
        except OSError as error:
            print(f"cannot write the log {self._path}: {error.strerror}", file=sys.stderr)
        if self._path:
            print(message, file=sys.stderr)

    def _write(self, level: str, message: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._form == "json":
            line = msgspec.json.encode({"level": level, "msg": message, "time": now}) + b"\n"
        else:
            line = f'time="{now}" level={level} msg={_quoted(message)}\n'.encode()
        if not self._path:
            os.write(2, line)
            return
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
