"""The examples of docs/python-api.md run, one after the other, and print what is shown."""

import re
import sys
from pathlib import Path

from tests.docs.transcripts import Console, assert_shown

_PAGE = (Path(__file__).parents[2] / "docs/python-api.md").read_text()


def test_the_examples_print_what_is_shown(console: Console) -> None:
    code = "".join(re.findall(r"^```python\n(.*?)^```", _PAGE, re.M | re.S))
    shown = "".join(re.findall(r"^```text\n(.*?)^```", _PAGE, re.M | re.S))
    (console.directory / "examples.py").write_text(code)
    assert_shown("the examples", console.output(f"{sys.executable} -W error examples.py"), shown.splitlines())
