"""Run one command line: what it raises becomes one line on standard error and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from sampan.cli.context import Context
from sampan.cli.lazy import root
from sampan.errors import SampanError

if TYPE_CHECKING:
    from sampan.cli.main import Learned


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; unwinds every context manager on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(args: list[str], learned: Learned | None = None) -> int:
    """Run ``args``, which do not include the program's name, and return the exit code.

    What it shows of use for later commands is added to ``learned``.

    A SampanError is 126, 127 or what else it demands, 125 for commands that run containers, else 1; a wrong flag
    is 125; SIGINT is 130 and SIGTERM 143. Without ``--debug`` there is no traceback.
    """
    top = root()
    if "_SAMPAN_COMPLETE" in os.environ:
        top.main(args, prog_name="sampan")
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    context: Context | None = None
    try:
        try:
            with top.make_context("sampan", list(args)) as ctx:
                context = ctx.obj
                _note(context, learned)
                result: Any = top.invoke(ctx)
        except click.exceptions.Exit as leave:
            result = leave.exit_code
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        _silence()
        return 141
    except click.ClickException as error:
        _settle()
        error.show()
        return error.exit_code
    except SampanError as error:
        _trace(context, args)
        _complain(f"Error: {_line(str(error))}")
        return error.exit_code or (context.failure if context else 1)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Terminated as leave:
        return 128 + leave.number
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and (context is None or context.plugins.fault(error) is None):
            raise  # how a command of somebody's chose to end
        _trace(context, args)
        _complain(f"Error: {_line(_told(error, context))}")
        return context.failure if context else 1


def _told(error: BaseException, context: Context | None) -> str:
    """Return what to say of an error that is none of Sampan's: which plugin is to blame, if one is."""
    fault = context.plugins.fault(error) if context else None
    if fault:
        return f"{fault.message} (this is a bug; run with --debug for more)"
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return f"{where}{error.strerror or error}"
    return f"{type(error).__name__}: {error} (this is a bug; run with --debug for more)"


def _note(context: Context, learned: Learned | None) -> None:
    if learned is not None:
        learned.linger = context.settings.standby
        learned.loaded = context.loaded


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: unwinding must not be interrupted
    raise Terminated(number)


def _trace(context: Context | None, args: list[str]) -> None:
    # The settings may have failed before there was a context.
    if context.debug if context else {"-D", "--debug"} & set(args):
        from traceback import print_exc

        print_exc()


def _complain(text: str) -> None:
    _settle()
    sys.stderr.write(text + "\n")


def _settle() -> None:
    # What was printed before the complaint comes before it.
    try:
        sys.stdout.flush()
    except OSError:
        _silence()


def _silence() -> None:
    # Python flushes standard output once more when it exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _line(text: str) -> str:
    """Make one line of it, without what a terminal would obey: an image may have put that into its names."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(
        # A surrogate stands for a byte that is no text, and is written as that byte.
        one if one.isprintable() or "\ud800" <= one <= "\udfff" else one.encode("unicode_escape").decode()
        for one in line
    )
