"""Parse a template's tokens."""

from __future__ import annotations

import re

from sampan.cli.gotemplate import nodes
from sampan.cli.gotemplate.failure import TemplateError
from sampan.cli.gotemplate.functions import FUNCTIONS
from sampan.cli.gotemplate.lexer import CLOSE, TEXT, Token, tokens

_KEYWORDS = ("if", "with", "range", "end", "else", "define", "block", "template", "break", "continue")
_ESCAPE = re.compile(
    r"""\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\"'])|(.))""", re.DOTALL
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Parser:
    """Parses one template. All methods raise TemplateError with Go's wording."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = list(tokens(source))
        self._at = 0
        self._variables = ["$"]
        self._loops = 0
        self._named: dict[str, nodes.Body] = {}

    def parse(self) -> tuple[nodes.Body, dict[str, nodes.Body]]:
        """Return the template and those it defines."""
        body, end = self._body(None)
        if end is not None:
            raise TemplateError(f"unexpected {{{{{end.text}}}}}", end.position)
        return body, self._named

    def _body(self, inside: str | None) -> tuple[nodes.Body, Token | None]:
        """Parse up to ``end`` or ``else``, which is returned, or to the template's end when ``inside`` nothing."""
        parts: list[object] = []
        while self._at < len(self._tokens):
            token = self._take()
            if token.kind == TEXT:
                parts.append(nodes.Text(token.text))
                continue
            self._spaces()
            word = self._peek()
            if word.kind == "name" and word.text in _KEYWORDS:
                self._take()
                if word.text in ("end", "else"):
                    if word.text == "end":
                        self._close("end")
                    return nodes.Body(parts), word
                statement = self._statement(word, token)
                if statement is not None:
                    parts.append(statement)
            else:
                parts.append(nodes.Action(self._pipe("command", CLOSE)))
        if inside is not None:
            raise TemplateError("unexpected EOF", len(self._source))
        return nodes.Body(parts), None

    def _statement(self, word: Token, start: Token) -> object:
        if word.text in ("break", "continue"):
            self._close(word.text)
            if not self._loops:
                raise TemplateError(f"{{{{{word.text}}}}} outside {{{{range}}}}", word.position)
            return nodes.Jump(nodes.Break if word.text == "break" else nodes.Continue)
        if word.text in ("define", "block", "template"):
            return self._template(word, start)
        return self._control(word.text)

    def _control(self, word: str) -> object:
        mark = len(self._variables)
        pipe = self._pipe(word, CLOSE)
        self._loops += word == "range"
        body, end = self._body(word)
        self._loops -= word == "range"
        other = nodes.Body([])
        if end is not None and end.text == "else":
            self._spaces()
            follow = self._peek()
            if word != "range" and follow.kind == "name" and follow.text == word:
                self._take()
                other = nodes.Body([self._control(word)])
            elif word == "with" and follow.kind == "name" and follow.text == "if":
                raise TemplateError("unexpected <if> in else clause", follow.position)
            else:
                self._close("else")
                other, end = self._body(word)
                if end is not None and end.text == "else":
                    raise TemplateError("expected end; found {{else}}", end.position)
        del self._variables[mark:]
        if word == "range":
            return nodes.Range(pipe, body, other)
        return nodes.Branch(word == "with", pipe, body, other)

    def _template(self, word: Token, start: Token) -> object:
        self._spaces()
        name = self._take()
        if name.kind not in ("string", "raw"):
            raise TemplateError(f'unexpected "{name.text}" in {word.text} clause', name.position)
        label = self._string(name)
        pipe = None
        if word.text == "define":
            self._close("define")
        else:
            self._spaces()
            if word.text == "block" or self._peek().kind != CLOSE:
                pipe = self._pipe(f"{word.text} clause", CLOSE)
            else:
                self._take()
        finish = self._tokens[self._at - 1]
        source = self._source[start.position : finish.position + len(finish.text)]
        if word.text != "template":
            outer, self._variables = self._variables, ["$"]
            self._named[label], end = self._body(word.text)
            self._variables = outer
            if end is not None and end.text == "else":
                raise TemplateError(f"unexpected {{{{else}}}} in {word.text} clause", end.position)
        if word.text == "define":
            return None
        return nodes.Inclusion(name.position, source, label, pipe)

    def _pipe(self, context: str, end: str) -> nodes.Pipe:
        self._spaces()
        names, assigns = self._declaration(context)
        commands: list[nodes.Command] = []
        while True:
            self._spaces()
            token = self._peek()
            if commands and self._ends(token, end):
                self._take()  # Go lets a pipe end in nothing
                break
            if token.text == "|":
                raise TemplateError(f'unexpected "|" in {context}', token.position)
            if self._ends(token, end):
                raise TemplateError(f"missing value for {context}", token.position)
            command = self._command(end)
            first = command.words[0]
            if commands and isinstance(first, nodes.Constant):
                raise TemplateError(f"non executable command in pipeline stage {len(commands) + 1}", first.position)
            commands.append(command)
            if self._ends(self._take(), end):
                break
        position = commands[0].position
        last = commands[-1]
        source = self._source[position : last.position + len(last.source)]
        if not assigns:
            self._variables += names
        if len(commands) == 1 and len(last.words) == 1:
            position = last.words[0].position  # where Go says a lone path is
        return nodes.Pipe(position, source, commands, names, assigns)

    def _declaration(self, context: str) -> tuple[list[str], bool]:
        """Parse ``$x :=``, ``$x =`` and, in range, ``$i, $x :=``; nothing when the pipe begins otherwise."""
        mark = self._at
        names: list[str] = []
        while self._peek().kind == "variable":
            names.append(self._take().text)
            self._spaces()
            token = self._take()
            if token.text in (":=", "="):
                if len(names) > (2 if context == "range" else 1):
                    raise TemplateError(f"too many declarations in {context}", token.position)
                for name in names if token.text == "=" else ():
                    self._known(name, token.position)
                return names, token.text == "="
            if token.text != "," or context != "range":
                break
            if len(names) == 2:
                raise TemplateError("too many declarations in range", token.position)
            self._spaces()
        self._at = mark
        return [], False

    def _command(self, end: str) -> nodes.Command:
        begin = self._peek().position
        words: list[nodes.Expression] = []
        while True:
            words.append(self._operand())
            finish = self._tokens[self._at - 1]
            spaced = self._spaces()
            token = self._peek()
            if token.text == "|" or self._ends(token, end):
                break
            if not spaced:
                raise TemplateError(f"unexpected {self._named_token(token)} in operand", token.position)
        source = self._source[begin : finish.position + len(finish.text)]
        return nodes.Command(begin, source, words)

    def _operand(self) -> nodes.Expression:
        token = self._take()
        base: nodes.Expression | str | None = None
        fields: list[str] = []
        if token.kind == "variable":
            self._known(token.text, token.position)
            base = token.text
        elif token.kind == "field":
            base, fields = "", [token.text[1:]]
        elif token.text == "(":
            base = self._pipe("parenthesized pipeline", ")")
        elif token.kind == "dot":
            if self._peek().kind == "dot":
                raise TemplateError("unexpected . after term \".\"", token.position)
            base = ""
        if base is None:
            return self._term(token)
        place = token.position
        if self._peek().kind == "field":
            place = self._peek().position
        while self._peek().kind == "field":
            fields.append(self._take().text[1:])
        last = self._tokens[self._at - 1]
        source = self._source[token.position : last.position + len(last.text)]
        return nodes.Path(place, source, base, fields)

    def _term(self, token: Token) -> nodes.Expression:
        after = self._peek()
        literal = token.kind in ("string", "raw", "char", "number") or token.text in ("true", "false", "nil")
        if literal and after.kind in ("field", "dot"):
            raise TemplateError(f'unexpected . after term "{token.text}"', after.position)
        if token.kind == "name":
            constants = {"true": True, "false": False, "nil": None}
            if token.text in constants:
                return nodes.Constant(token.position, token.text, constants[token.text])
            if token.text not in FUNCTIONS:
                raise TemplateError(f'function "{token.text}" not defined', token.position)
            return nodes.Name(token.position, token.text)
        value: object
        if token.kind in ("string", "raw"):
            value = self._string(token)
        elif token.kind == "char":
            value = self._char(token)
        elif token.kind == "number":
            value = self._number(token)
        else:
            raise TemplateError(f"unexpected {self._named_token(token)} in operand", token.position)
        return nodes.Constant(token.position, token.text, value)

    def _string(self, token: Token) -> str:
        if token.kind == "raw":
            return token.text[1:-1].replace("\r", "")

        def replace(match: re.Match[str]) -> str:
            two, four, eight, octal, simple, other = match.groups()
            if other is not None or simple == "'":
                raise TemplateError("invalid syntax", token.position)
            if simple:
                return _SIMPLE.get(simple, simple)
            try:
                return chr(int(octal, 8) if octal else int(two or four or eight, 16))
            except (ValueError, OverflowError):
                raise TemplateError("invalid syntax", token.position) from None

        return _ESCAPE.sub(replace, token.text[1:-1])

    def _char(self, token: Token) -> int:
        content = self._string(Token("string", token.text.replace("\\'", "'"), token.position))
        if len(content) != 1:
            raise TemplateError(f"malformed character constant: {token.text}", token.position)
        return ord(content)

    def _number(self, token: Token) -> int | float:
        try:
            digits = token.text.lower().lstrip("+-")
            if re.fullmatch("0[0-7_]+", digits):
                digits = "0o" + digits[1:]
            value: int | float
            try:
                value = int(digits, 0)
            except ValueError:
                value = float.fromhex(digits) if digits.startswith("0x") else float(digits)
            return -value if token.text.startswith("-") else value
        except (ValueError, OverflowError):
            raise TemplateError(f'bad number syntax: "{token.text}"', token.position) from None

    def _known(self, name: str, position: int) -> None:
        if name not in self._variables:
            raise TemplateError(f'undefined variable "{name}"', position)

    def _close(self, context: str) -> None:
        self._spaces()
        token = self._take()
        if token.kind != CLOSE:
            raise TemplateError(f"unexpected {self._named_token(token)} in {context}", token.position)

    def _named_token(self, token: Token) -> str:
        plain = token.kind in ("operator", "string", "number", CLOSE)
        return f'"{token.text}"' if plain and token.kind != "string" else f"<{token.text}>"

    def _ends(self, token: Token, end: str) -> bool:
        return token.kind == CLOSE if end == CLOSE else token.text == end and token.kind == "operator"

    def _spaces(self) -> bool:
        found = False
        while self._at < len(self._tokens) and self._tokens[self._at].kind == "space":
            self._at += 1
            found = True
        return found

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]
