"""Stores for what documents show, as for the tests of the command line, and the registries that they show."""

from tests.contrib.conftest import site  # noqa: F401  # a fixture
from tests.docs.services import console, services  # noqa: F401  # fixtures
from tests.integration.conftest import empty, imported, rootfs_tar, sampan  # noqa: F401  # fixtures
