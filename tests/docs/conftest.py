"""Stores for what documents show, as for the tests of the command line."""

from tests.integration.conftest import empty, rootfs_tar  # noqa: F401  # fixtures
