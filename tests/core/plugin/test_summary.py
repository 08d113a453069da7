"""A module's first line is read without importing it or what is above it."""

import sys

import pytest

from sampan.plugin.summary import summary_of


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ('"""Do this.\n\nMore."""', "Do this"),
        ('"""\n    Do that\n"""', "Do that"),
        ("import os", ""),
        ("def (:", ""),
        ("", ""),
    ],
)
def test_first_line_without_its_full_stop(site, source, summary):
    (site.path / "acme_summary.py").write_text(source)
    assert summary_of("acme_summary") == summary


def test_packages_above_are_not_imported(site):
    inner = site.path / "acme_heavy" / "inner"
    inner.mkdir(parents=True)
    (site.path / "acme_heavy/__init__.py").write_text("raise RuntimeError")
    (inner / "__init__.py").write_text('"""Be a package."""')
    (inner / "module.py").write_text('"""Be a module."""')
    assert summary_of("acme_heavy.inner.module") == "Be a module"
    assert summary_of("acme_heavy.inner") == "Be a package"
    assert not any(name.startswith("acme_heavy") for name in sys.modules)


@pytest.mark.parametrize("module", ["acme_nowhere", "acme_nowhere.x", "sys", "sys.x", "os.path", "", "math"])
def test_what_cannot_be_read_has_none(module):
    assert summary_of(module) == ""
