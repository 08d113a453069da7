"""Read command lines as Docker does, that is as Go's pflag does, and hand click its own spelling of them.

What click does not know: ``-e=K=V`` and ``-it=false``, ``--rm=false`` for a flag that takes no value, a value that
begins with a dash, and the wording of complaints.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class FlagError(click.UsageError):
    """A flag that does not exist, lacks its value or has a wrong one. Exit code 125."""

    exit_code = 125

    def format_message(self) -> str:
        """Return the whole complaint: what is wrong, the usage line, where to read on."""
        if self.ctx is None:
            return self.message
        path = self.ctx.command_path
        return f"{self.message}\n\n{self.ctx.get_usage()}\n\nRun '{path} --help' for more information"

    def show(self, file: object = None) -> None:
        """Print it on standard error."""
        click.echo(self.format_message(), err=True)


class ArityError(FlagError):
    """Too many or too few arguments. Exit code 1."""

    exit_code = 1

    def format_message(self) -> str:
        """Return the complaint in Docker's wording, with the usage line."""
        assert self.ctx is not None
        path = self.ctx.command_path
        word = "See" if "at least" in self.message and "at most" not in self.message else "Run"
        return (
            f"{path.split()[0]}: '{path}' {self.message}\n\n{self.ctx.get_usage()}\n\n"
            f"{word} '{path} --help' for more information"
        )


class Flags:
    """The flags of one command. ``canonical`` rewrites a command line; ``given`` then has the values, by parameter."""

    def __init__(self, params: Sequence[click.Parameter], *, interspersed: bool) -> None:
        self.interspersed = interspersed
        self.by_name: dict[str, click.Option] = {}
        self.given: dict[str, str] = {}
        self.operands: list[str] = []
        self._out: list[tuple[click.Option, str]] = []
        for param in params:
            if isinstance(param, click.Option):
                self.by_name.update((name, param) for name in param.opts)

    def canonical(self, args: Sequence[str], *, operands: bool = True, lenient: bool = False) -> list[str]:
        """Return ``args`` as ``--flag=value`` words, ``--`` and the operands. Raises FlagError.

        Without ``operands`` there is no ``--``, as the words after a group's flags are its command and that one's.
        ``lenient`` passes over what is wrong, as a line that is still being typed may be.
        """
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word == "--":
                self.operands += rest
                break
            if word.startswith("-") and word != "-":
                try:
                    (self._long if word.startswith("--") else self._shorthands)(word, rest)
                except FlagError:
                    if not lenient:
                        raise
            else:
                self.operands.append(word)
                if not self.interspersed:
                    self.operands += rest
                    break
        words = [word for _, word in self._out]
        return [*words, *(["--"] if operands else []), *self.operands]

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word.partition("=")
        option = self.by_name.get(name)
        if option is None:
            raise FlagError(f"unknown flag: {name}")
        if equals:
            self._set(option, value)
        elif _boolean(option):
            self._set(option, "true")
        elif rest:
            self._set(option, rest.pop(0))
        else:
            raise FlagError(f"flag needs an argument: {name}")

    def _shorthands(self, word: str, rest: list[str]) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            option = self.by_name.get(f"-{letter}")
            if option is None:
                raise FlagError(f"unknown shorthand flag: {letter!r} in {word}")
            if letters.startswith("="):
                return self._set(option, letters[1:])
            if _boolean(option):
                self._set(option, "true")
            elif letters:
                return self._set(option, letters)
            elif rest:
                return self._set(option, rest.pop(0))
            else:
                raise FlagError(f"flag needs an argument: {letter!r} in {word}")
        return None

    def _set(self, option: click.Option, value: str) -> None:
        name = max(option.opts, key=len)
        dashed = name.startswith("--")
        self.given[option.name or name] = value
        if not _boolean(option):
            self._out += [(option, f"{name}={value}")] if dashed else [(option, name), (option, value)]
            return
        if value not in TRUE | FALSE:
            raise FlagError(
                f'invalid argument "{value}" for "{spelling(option)}" flag: '
                f'strconv.ParseBool: parsing "{value}": invalid syntax'
            )
        # The last one said counts.
        self._out = [(other, word) for other, word in self._out if other is not option]
        if not option.is_flag:
            self._out.append((option, f"{name}={'true' if value in TRUE else 'false'}"))
        elif value in TRUE:
            self._out.append((option, name))


def spelling(option: click.Parameter) -> str:
    """Return how messages name an option: ``-m, --memory``."""
    return ", ".join(sorted(option.opts, key=len))


def check_arity(params: Sequence[click.Parameter], count: int) -> None:
    """Raise ArityError, in Docker's wording, unless ``count`` operands fit the command's arguments."""
    arguments = [param for param in params if isinstance(param, click.Argument)]
    least = sum(max(argument.nargs, 1) for argument in arguments if argument.required)
    most = None if any(a.nargs < 0 for a in arguments) else sum(a.nargs for a in arguments)
    if count >= least and (most is None or count <= most):
        return
    if most == 0:
        raise ArityError("accepts no arguments")
    if most is None:
        raise ArityError(f"requires at least {_arguments(least)}")
    if least == most:
        raise ArityError(f"requires {_arguments(least)}")
    if least == 0:
        raise ArityError(f"requires at most {_arguments(most)}")
    raise ArityError(f"requires at least {least} and at most {_arguments(most)}")


def _arguments(count: int) -> str:
    return f"{count} argument" + ("" if count == 1 else "s")


def _boolean(option: click.Option) -> bool:
    return option.is_flag or isinstance(option.type, click.types.BoolParamType)
