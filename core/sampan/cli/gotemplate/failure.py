"""Say where and why a template failed, as Go does."""

from __future__ import annotations


class TemplateError(Exception):
    """A template is wrong, or cannot be evaluated. ``context`` is the piece of its source at fault."""

    def __init__(self, message: str, position: int = 0, context: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.context = context


def located(text: str, failure: TemplateError) -> str:
    """Return ``template: :LINE:COLUMN: executing "" at <…>: …``, the column in bytes from 0."""
    before = text[: failure.position]
    line = before.count("\n") + 1
    column = len(before[before.rfind("\n") + 1 :].encode())
    return f'template: :{line}:{column}: executing "" at <{failure.context}>: {failure.message}'
