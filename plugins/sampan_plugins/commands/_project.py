"""Write the project of a new plugin from the templates of its slot."""

from __future__ import annotations

import keyword
import os
import re
import shutil
from collections.abc import Iterator, Mapping

from sampan.errors import AlreadyExists, InvalidInput
from sampan.plugin import slots

_TEMPLATES = os.path.join(os.path.dirname(__file__), "templates")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACES = {"test_driver.py": "tests/test_{module}.py", "test_plugin.py": "tests/test_plugin.py"}
_TOP = ("pyproject.toml", "README.md")
_USES = {
    "commands": "    sampan {{words}}",
    "registries": 'In `sampan.toml`, `registry = "{{point}}"` makes it the client that images are pulled with.',
    "storage": "    sampan --storage-driver {{point}} run --rm busybox true",
    "network": "    sampan run --rm --network {{point}} busybox ip link",
    "formats": "    sampan export --format-driver {{point}} CONTAINER > FILE",
    "runtimes": "    sampan run --rm --runtime {{point}} busybox true",
    "logs": "    sampan run --rm --log-driver {{point}} busybox true",
    "volumes": "    sampan volume create --driver {{point}} data",
    "extensions": "Once installed it is heard; `disabled = [\"extensions/{{point}}\"]` in `sampan.toml` silences it.",
}
"""How what was made is used: the end of its README."""


def check_name(slot: str, name: str) -> str:
    """Return the entry point's name for what the user typed. Raises InvalidInput for what cannot be one."""
    point = name.replace(" ", ".") if slot == "commands" else name
    words = point.split(".") if slot == "commands" else [point]
    if not all(_NAME.fullmatch(word) for word in words):
        raise InvalidInput(f"invalid plugin name {name!r}", "letters in lower case and digits, with dashes between")
    return point


def write(slot: str, point: str, directory: str) -> list[str]:
    """Write the project; return its files, relative to ``directory``.

    Raises AlreadyExists when there is something in the directory, which stays as it is.
    """
    if os.path.lexists(directory) and (not os.path.isdir(directory) or os.listdir(directory)):
        raise AlreadyExists(f"{directory} exists and is not empty", "name another directory")
    words = _words(slot, point)
    files = dict(_files(slot, words))
    draft = f"{directory.rstrip('/')}.{os.getpid()}"
    try:
        for path, content in files.items():
            os.makedirs(os.path.dirname(f"{draft}/{path}"), exist_ok=True)
            with open(f"{draft}/{path}", "w", encoding="utf-8") as file:
                file.write(content)
        os.rename(draft, directory)  # an empty directory gives way
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return sorted(files)


def _words(slot: str, point: str) -> dict[str, str]:
    noun = slots.get(slot).noun
    module = point.replace("-", "_").replace(".", "_")
    last = point.rpartition(".")[2]
    function = last.replace("-", "_")
    drives = f"\n`{{{{package}}}}/driver.py` is the {noun} itself, which is loaded when it is used."
    words = {
        "slot": slot, "point": point, "noun": noun, "article": "An" if noun[0] in "aeiou" else "A",
        "module": module, "distribution": f"sampan-{module.replace('_', '-')}", "package": f"sampan_{module}",
        "class": "".join(word.capitalize() for word in module.split("_")), "last": last,
        "function": f"{function}_" if keyword.iskeyword(function) else function, "words": point.replace(".", " "),
    }  # fmt: skip
    has_driver = os.path.exists(f"{_TEMPLATES}/{slot}/driver.py.in")
    return words | {"where": _filled(drives, words) if has_driver else "", "use": _filled(_USES[slot], words)}


def _files(slot: str, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for room in ("common", slot):
        for name in os.listdir(f"{_TEMPLATES}/{room}"):
            with open(f"{_TEMPLATES}/{room}/{name}", encoding="utf-8") as file:
                plain = name.removesuffix(".in")
                yield _place(plain, words), _filled(file.read(), words)
    yield f"{words['package']}/__init__.py", f'"""{words["article"]} {words["noun"]} for Sampan."""\n'


def _place(name: str, words: Mapping[str, str]) -> str:
    if name in _TOP:
        return name
    return _PLACES[name].format(module=words["module"]) if name in _PLACES else f"{words['package']}/{name}"


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: words[found[1]], text)
