"""Every bundled command keeps the conventions, under one of its names."""

import pytest

from sampan.plugin.discovery import discover
from sampan.testing.command import CommandSuite

NAMES = sorted({claim.target: claim.name for claim in discover()[0]
                if claim.slot == "commands" and claim.distribution == "sampan"}.values())


class TestCommands(CommandSuite):
    @pytest.fixture(params=NAMES)
    def name(self, request):
        return request.param
