"""Render Go templates (text/template) as ``--format`` takes them, over Python values.

Follows https://pkg.go.dev/text/template with Docker's functions. A mapping whose keys all look like Go's exported
fields is taken for a struct where the two differ: asking it for what it has not is an error under ``strict``, and
JSON keeps its order; any other mapping is a Go map: ``<no value>``, and sorted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampan.cli.gotemplate.failure import TemplateError, located
from sampan.cli.gotemplate.nodes import State
from sampan.cli.gotemplate.parser import Parser
from sampan.cli.gotemplate.values import Record
from sampan.errors import InvalidInput

__all__ = ["WRONG", "Record", "Template"]


WRONG = 64
"""The exit code of some of Docker's commands for a template that does not parse (EX_USAGE of sysexits(3))."""


class Template:
    """A template, parsed once. Raises InvalidInput with Go's wording, and the exit code, when it does not parse."""

    def __init__(self, text: str, blame: str = "template parsing error", exit_code: int | None = None) -> None:
        self._text = text
        try:
            self._body, self._named = Parser(text).parse()
        except TemplateError as failure:
            line = text.count("\n", 0, failure.position) + 1
            error = InvalidInput(f"{blame}: template: :{line}: {failure.message}")
            error.exit_code = exit_code
            raise error from failure

    def render(
        self, value: Any, *, strict: bool = False, heading: bool = False, blame: str = "template parsing error",
        omitted: Mapping[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """Return the template's text for a value. Raises InvalidInput with Go's wording when it cannot be had.

        ``value`` is made of mappings, Records, lists, strings, numbers, booleans and None. With
        ``heading`` the functions that would change a table's headings do not. ``omitted`` are fields that structs
        have also where a mapping leaves them out, as JSON does with what is empty.
        """
        state = State(self._named, strict, value, heading, omitted)
        try:
            self._body.run(state, value)
        except TemplateError as failure:
            raise InvalidInput(f"{blame}: {located(self._text, failure)}") from failure
        return "".join(state.out)
