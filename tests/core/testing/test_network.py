"""The suite for network drivers notices each of these mistakes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from tests.core.testing.noticing import noticed

from sampan.contracts.network import NetworkCapabilities
from sampan.errors import Conflict
from sampan.kernel import namespaces
from sampan.model.network import Endpoint
from sampan_plugins.network.bridge.driver import BridgeDriver
from sampan_plugins.network.none.driver import NoneDriver


class Bridge(BridgeDriver):
    def __init__(self, root, run_root):
        super().__init__(root, run_root, {})


class Alone(NoneDriver):
    def __init__(self, root, run_root):
        super().__init__()


class GivesOneAddressTwice(Alone):
    capabilities = NetworkCapabilities(sandboxed=True, addressed=True)

    def connect(self, network, sandbox, request):
        return Endpoint(network=network.id, driver=network.driver, address="10.9.9.2", prefix=24)


class ReusesAddresses(Bridge):
    def connect(self, network, sandbox, request):
        return msgspec.structs.replace(super().connect(network, sandbox, request), address="10.9.9.2")


class LeaksLinks(Bridge):
    def remove(self, network):
        pass


class ForgetsEndpoints(Bridge):
    def endpoints(self, network):
        return iter(())


class LeavesTheInterface(Bridge):
    def disconnect(self, network, container):
        pass


class ConnectsAgain(Bridge):
    def connect(self, network, sandbox, request):
        try:
            return super().connect(network, sandbox, request)
        except Conflict:
            return Endpoint(network=network.id, driver=network.driver)


class LeaksDescriptors(Alone):
    def connect(self, network, sandbox, request):
        os.open(sandbox, os.O_RDONLY)
        return super().connect(network, sandbox, request)


class MovesTheThread(Alone):
    def connect(self, network, sandbox, request):
        namespaces.enter(os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC), namespaces.flag("network"))
        return super().connect(network, sandbox, request)


class TakesAnyAddress(Alone):
    def connect(self, network, sandbox, request):
        return super().connect(network, sandbox, msgspec.structs.replace(request, address=""))


class TakesNoSandbox(Alone):
    def connect(self, network, sandbox, request):
        return Endpoint(network=network.id, driver=network.driver)


class ReturnsWords(Alone):
    def connect(self, network, sandbox, request):
        return {"network": network.id, "driver": network.driver}


class Overlaps(Bridge):
    def create(self, network):
        try:
            return super().create(network)
        except Conflict:
            return network


@pytest.mark.parametrize(("driver", "test"), [
    (GivesOneAddressTwice, "test_no_address_is_given_twice_to_a_crowd_at_once"),
    (ReusesAddresses, "test_an_address_is_not_reused_at_once"), (LeaksLinks, "test_removing_leaves_the_host_as_it_was"),
    (LeaksLinks, "test_a_kill_while_removing_can_be_made_good"),
    (ForgetsEndpoints, "test_endpoints_are_those_connected"),
    (LeavesTheInterface, "test_disconnecting_takes_the_interface_out_of_a_living_sandbox"),
    (ConnectsAgain, "test_a_connected_container_is_not_connected_again"),
    (LeaksDescriptors, "test_no_descriptor_stays_open"), (MovesTheThread, "test_the_thread_stays_where_it_was"),
    (TakesAnyAddress, "test_a_malformed_address_is_refused"),
    (TakesNoSandbox, "test_the_wrong_kind_of_sandbox_is_refused"),
    (ReturnsWords, "test_an_endpoint_says_where_it_belongs"),
    (Overlaps, "test_a_created_network_has_its_settings_filled_in"),
])  # fmt: skip
def test_mistakes_are_noticed(
    driver: type, test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sampan.testing.network.setting.PATIENCE", 0.5)
    assert noticed("Network", driver, test, tmp_path) == {test}
