"""Conformance kits for plugin authors, one per slot. They need pytest: ``pip install sampan[testing]``."""

import pytest

# Their assertions tell as much as those of the tests that derive from them.
pytest.register_assert_rewrite(*(
    f"{__name__}.{kit}"
    for kit in ("command", "format", "log", "network", "plugin", "registry", "runtime", "sandbox", "storage", "volume")
))
