"""Read command lines as runc's users write them: ``--name value``, ``--name=value``, ``-n value``, one dash or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sampan.errors import InvalidInput


class Option(msgspec.Struct, frozen=True):
    """An option: its name, its one letter, the word for its value (a switch has none), and what it is for."""

    name: str
    help: str
    value: str = ""
    letter: str = ""
    default: str = ""
    repeated: bool = False


class Given(msgspec.Struct):
    """What a command line gave."""

    values: dict[str, list[str]]
    arguments: list[str]
    defaults: Mapping[str, str]

    def on(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.text(name) == "true"

    def text(self, name: str) -> str:
        """Return an option's value, the last that was given, or its default."""
        return self.values[name][-1] if name in self.values else self.defaults.get(name, "")

    def texts(self, name: str) -> list[str]:
        """Return every value of a repeated option."""
        return self.values.get(name, [])

    def number(self, name: str) -> int | None:
        """Return an option's value as a number, None when it was not given. Raises InvalidInput."""
        if name not in self.values:
            return None
        try:
            return int(self.text(name))
        except ValueError:
            raise InvalidInput(f'invalid value "{self.text(name)}" for flag -{name}: it is not a number') from None


def parse(options: Sequence[Option], words: Sequence[str]) -> Given:
    """Take options from the front of ``words``; the first that is none begins the arguments. Raises InvalidInput."""
    known = {name: option for option in options for name in (option.name, option.letter) if name}
    given = Given({}, [], {option.name: option.default for option in options})
    rest = iter(words)
    for word in rest:
        if word == "--":
            given.arguments = list(rest)
        elif not word.startswith("-") or word == "-":
            given.arguments = [word, *rest]
        else:
            _take(known, given, word, rest)
    return given


def _take(known: Mapping[str, Option], given: Given, word: str, rest: Iterator[str]) -> None:
    name, assigned, value = word.removeprefix("-").removeprefix("-").partition("=")
    option = known.get(name)
    if option is None:
        raise InvalidInput(f"flag provided but not defined: -{name}")
    if not assigned and option.value:
        try:
            value = next(rest)
        except StopIteration:
            raise InvalidInput(f"flag needs an argument: -{name}") from None
    elif not assigned:
        value = "true"
    given.values.setdefault(option.name, []).append(value)


def described(options: Sequence[Option]) -> str:
    """Return the options as a table for ``--help``."""
    rows = [(", ".join(filter(None, (f"--{item.name}{_word(item)}", item.letter and f"-{item.letter}{_word(item)}"))),
             item.help + (f' (default: "{item.default}")' if item.default else "")) for item in options]
    width = max((len(left) for left, _ in rows), default=0)
    return "".join(f"   {left:{width}}  {right}\n" for left, right in rows)


def _word(option: Option) -> str:
    return f" {option.value}" if option.value else ""
