"""The parts of a parsed template: statements that run, and expressions that have a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampan.cli.gotemplate.failure import TemplateError
from sampan.cli.gotemplate.functions import FUNCTIONS, HEADING_FUNCTIONS
from sampan.cli.gotemplate.printing import show, text
from sampan.cli.gotemplate.values import MISSING, lookup, pairs, truth

_DEEPEST = 200  # templates that call themselves; Python's stack ends long before Go's


class State:
    """One rendering: the output so far, and the variables, innermost last."""

    def __init__(
        self, named: dict[str, Body], strict: bool, root: Any, heading: bool = False,
        omitted: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.named = named
        self.strict = strict
        self.omitted = omitted or {}
        self.out: list[str] = []
        self.variables: list[tuple[str, Any]] = [("$", root)]
        self.depth = 0
        self.functions = {**FUNCTIONS, **HEADING_FUNCTIONS} if heading else FUNCTIONS

    def get(self, name: str) -> Any:
        """Return the innermost variable of a name."""
        return next(value for known, value in reversed(self.variables) if known == name)

    def set(self, name: str, value: Any) -> None:
        """Assign to the innermost variable of a name."""
        for position in range(len(self.variables) - 1, -1, -1):
            if self.variables[position][0] == name:
                self.variables[position] = (name, value)
                return


class Break(Exception):
    """Leaves a range."""


class Continue(Exception):
    """Goes on with a range's next element."""


class Expression:
    """A piece with a value. ``source`` is its text, for error messages."""

    def __init__(self, position: int, source: str) -> None:
        self.position = position
        self.source = source

    def value(self, state: State, dot: Any) -> Any:
        """Return its value."""
        raise NotImplementedError

    def call(self, state: State, dot: Any, arguments: list[Expression], final: list[Any]) -> Any:
        """Return the value as a command's first word, given arguments."""
        if arguments or final:
            raise self.failed(TemplateError(f"can't give argument to non-function {self.source}"))
        return self.value(state, dot)

    def failed(self, failure: TemplateError) -> TemplateError:
        """Return the failure, placed here."""
        return TemplateError(failure.message, self.position, self.source)


class Constant(Expression):
    """A literal."""

    def __init__(self, position: int, source: str, constant: Any) -> None:
        super().__init__(position, source)
        self.constant = constant

    def value(self, state: State, dot: Any) -> Any:
        """Return its value."""
        return self.constant

    def call(self, state: State, dot: Any, arguments: list[Expression], final: list[Any]) -> Any:
        """Return the value as a command's first word, given arguments."""
        if self.constant is None:
            raise self.failed(TemplateError("nil is not a command"))
        return super().call(state, dot, arguments, final)


class Path(Expression):
    """``.A.B``, ``$x.A``, ``(…).A`` or one of these without fields."""

    def __init__(self, position: int, source: str, base: Expression | str, fields: list[str]) -> None:
        super().__init__(position, source)
        self.base = base
        self.fields = fields

    def value(self, state: State, dot: Any) -> Any:
        """Return its value."""
        return self.call(state, dot, [], [])

    def call(self, state: State, dot: Any, arguments: list[Expression], final: list[Any]) -> Any:
        """Return the value as a command's first word, given arguments."""
        if not self.fields and (arguments or final):
            raise self.failed(TemplateError(f"can't give argument to non-function {self.source}"))
        if isinstance(self.base, Expression):
            found = self.base.value(state, dot)
        else:
            found = state.get(self.base) if self.base else dot
        for field in self.fields[:-1]:
            found = self._field(state, found, field, [])
        if not self.fields:
            return found
        if (arguments or final) and isinstance(found, Mapping) and not callable(found.get(self.fields[-1])):
            raise self.failed(TemplateError(f"{self.fields[-1]} is not a method but has arguments"))
        values = [argument.value(state, dot) for argument in arguments] + final
        return self._field(state, found, self.fields[-1], values)

    def _field(self, state: State, value: Any, name: str, arguments: list[Any]) -> Any:
        try:
            return lookup(value, name, arguments, state.strict, state.omitted)
        except TemplateError as failure:
            raise self.failed(failure) from None


class Name(Expression):
    """A function's name."""

    def value(self, state: State, dot: Any) -> Any:
        """Return its value."""
        return self.call(state, dot, [], [])

    def call(self, state: State, dot: Any, arguments: list[Expression], final: list[Any]) -> Any:
        """Return the value as a command's first word, given arguments."""
        function = state.functions[self.source]
        try:
            function.check_count(self.source, len(arguments) + len(final))
        except TemplateError as failure:
            raise self.failed(failure) from None
        if self.source in ("and", "or"):
            return self._until(state, dot, arguments, final)
        values = []
        for position, argument in enumerate(arguments):
            found = argument.value(state, dot)
            values.append(None if found is MISSING else found)
            try:
                function.check(position, values[-1])
            except TemplateError as failure:
                raise argument.failed(failure) from None
        values += [None if one is MISSING else one for one in final]
        try:
            if final:
                function.check(len(values) - 1, values[-1])
        except TemplateError as failure:
            raise self.failed(failure) from None
        try:
            return function.call(*values)
        except TemplateError as failure:
            raise TemplateError(f"error calling {self.source}: {failure.message}") from None

    def _until(self, state: State, dot: Any, arguments: list[Expression], final: list[Any]) -> Any:
        found: Any = None
        for argument in arguments:
            found = argument.value(state, dot)
            if truth(found) == (self.source == "or"):
                return found
        return final[0] if final else found


class Command(Expression):
    """A word and its arguments."""

    def __init__(self, position: int, source: str, words: list[Expression]) -> None:
        super().__init__(position, source)
        self.words = words

    def value(self, state: State, dot: Any) -> Any:
        """Return its value."""
        return self.piped(state, dot, [])

    def piped(self, state: State, dot: Any, final: list[Any]) -> Any:
        """Return the value, given that of the command before."""
        try:
            return self.words[0].call(state, dot, self.words[1:], final)
        except TemplateError as failure:
            raise failure if failure.context else self.failed(failure) from None


class Pipe(Expression):
    """Commands, each given the value of the one before, and variables that keep the last."""

    def __init__(
        self, position: int, source: str, commands: list[Command], names: list[str], assigns: bool
    ) -> None:
        super().__init__(position, source)
        self.commands = commands
        self.names = names
        self.assigns = assigns

    def value(self, state: State, dot: Any) -> Any:
        """Return its value."""
        final: list[Any] = []
        for command in self.commands:
            final = [command.piped(state, dot, final)]
        return final[0]

    def keep(self, state: State, name: str, value: Any) -> None:
        """Declare a variable, or assign to it."""
        if self.assigns:
            state.set(name, value)
        else:
            state.variables.append((name, value))

    def valued(self, state: State, dot: Any) -> Any:
        """Return the value, having kept it in the pipe's variable if it has one."""
        found = self.value(state, dot)
        for name in self.names:
            self.keep(state, name, found)
        return found


class Body:
    """Statements, one after the other; variables declared inside end with it."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        mark = len(state.variables)
        try:
            for part in self.parts:
                part.run(state, dot)
        finally:
            del state.variables[mark:]


class Text:
    """What stands outside actions."""

    def __init__(self, content: str) -> None:
        self.content = content

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        state.out.append(self.content)


class Action:
    """A pipe whose value is printed, unless it goes to a variable."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        found = self.pipe.valued(state, dot)
        if not self.pipe.names:
            state.out.append(show(found))


class Branch:
    """``if`` and ``with``, the latter setting the dot."""

    def __init__(self, sets_dot: bool, pipe: Pipe, body: Body, other: Body) -> None:
        self.sets_dot = sets_dot
        self.pipe = pipe
        self.body = body
        self.other = other

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        mark = len(state.variables)
        found = self.pipe.valued(state, dot)
        if truth(found):
            self.body.run(state, found if self.sets_dot else dot)
        else:
            self.other.run(state, dot)
        del state.variables[mark:]


class Range:
    """``range``, over lists, maps in order of their keys, and numbers."""

    def __init__(self, pipe: Pipe, body: Body, other: Body) -> None:
        self.pipe = pipe
        self.body = body
        self.other = other

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        value = self.pipe.value(state, dot)
        elements = pairs(value)
        if elements is None:
            raise TemplateError(f"range can't iterate over {text(value)}", self.pipe.position, self.pipe.source)
        names = self.pipe.names
        mark = len(state.variables)
        ran = False
        for key, element in elements:
            ran = True
            for name, one in zip(names, (key, element) if len(names) == 2 else (element,), strict=False):
                self.pipe.keep(state, name, one)
            try:
                self.body.run(state, element)
            except Continue:
                pass
            except Break:
                break
            finally:
                del state.variables[mark:]
        if not ran:
            self.other.run(state, dot)


class Jump:
    """``break`` and ``continue``."""

    def __init__(self, how: type[Exception]) -> None:
        self.how = how

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        raise self.how


class Inclusion:
    """``{{template "name" pipe}}``."""

    def __init__(self, position: int, source: str, name: str, pipe: Pipe | None) -> None:
        self.position = position
        self.source = source
        self.name = name
        self.pipe = pipe

    def run(self, state: State, dot: Any) -> None:
        """Write what it stands for."""
        body = state.named.get(self.name)
        if body is None:
            raise TemplateError(f'template "{self.name}" not defined', self.position, self.source)
        if state.depth >= _DEEPEST:
            raise TemplateError(f"exceeded maximum template depth ({_DEEPEST})", self.position, self.source)
        inner = self.pipe.value(state, dot) if self.pipe else None
        outer, state.variables = state.variables, [("$", inner)]
        state.depth += 1
        body.run(state, inner)
        state.depth -= 1
        state.variables = outer
