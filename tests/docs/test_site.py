"""The documents make one site: each is in its navigation, links lead somewhere, what is generated is current."""

import importlib.util
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]


def _anchors(document):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^):]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        other = (document.parent / path) if path else document
        assert other.exists(), target
        assert document.name == "README.md" or other.resolve().is_relative_to(_ROOT / "docs"), f"{target}: off the site"
        assert not anchor or anchor in _anchors(other), target


def test_every_document_is_in_the_navigation_once():
    _, _, navigation = (_ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    found = sorted(re.findall(r"[\w./-]+\.md", navigation))
    assert found == sorted(str(path.relative_to(_ROOT / "docs")) for path in _DOCUMENTS[1:])


def test_the_command_reference_is_current():
    spec = importlib.util.spec_from_file_location("reference", _ROOT / "contrib/docs/reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    committed = {path.name: path.read_text() for path in (_ROOT / "docs/reference").glob("*.md")}
    assert committed == module.pages(), "make reference"
