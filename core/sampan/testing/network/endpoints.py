"""Check connections: what an endpoint tells, who reaches whom, what is refused."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import pytest

from sampan.errors import Conflict, InvalidInput, SampanError
from sampan.model.network import EndpointRequest
from sampan.testing.network.setting import Setting, host_links
from sampan.testing.sandbox import Sandbox, listener, reaches


class EndpointTests:
    """What a container gets."""

    def test_an_endpoint_says_where_it_belongs(self, setting: Setting) -> None:
        endpoint = setting.connect("c1")
        assert (endpoint.network, endpoint.driver) == (setting.network.id, setting.network.driver)
        if setting.capabilities.sandboxed:
            assert setting.sandbox("c1").interfaces() == {"lo", endpoint.interface} - {""}

    def test_an_addressed_endpoint_is_complete_and_true(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            assert not setting.connect("c1").address
            return
        endpoint = setting.connect("c1")
        assert endpoint.address and endpoint.mac and 0 < endpoint.prefix <= 128
        with setting.sandbox("c1").entered(), listener(endpoint.address):
            pass

    def test_without_a_sandbox_nothing_changes_on_the_host(self, setting: Setting) -> None:
        if not setting.capabilities.sandboxed:
            before = host_links()
            setting.connect("c1")
            assert host_links() == before

    def test_the_wrong_kind_of_sandbox_is_refused(self, setting: Setting) -> None:
        sandbox = Sandbox()
        wrong = None if setting.capabilities.sandboxed else sandbox.path
        try:
            with pytest.raises(SampanError):
                setting.driver.connect(setting.network, wrong, EndpointRequest(container="c1"))
        finally:
            sandbox.close()
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_containers_and_the_host_reach_each_other(self, setting: Setting) -> None:
        one, two = setting.connect("c1"), setting.connect("c2")
        if setting.capabilities.addressed:
            assert reaches(setting.sandbox("c1"), setting.sandbox("c2"), two.address)
            assert reaches(setting.sandbox("c2"), setting.sandbox("c1"), one.address)
            assert setting.reachable("c1", one.address)

    def test_an_address_is_not_reused_at_once(self, setting: Setting) -> None:
        if setting.capabilities.addressed:
            first = setting.connect("c1").address
            setting.disconnect("c1")
            assert setting.connect("c2").address != first

    def test_an_address_asked_for_is_given_once(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            return
        wanted = setting.connect("c1").address
        with pytest.raises(Conflict, match=wanted):
            setting.connect("c2", address=wanted)
        assert list(setting.driver.endpoints(setting.network)) == ["c1"]
        setting.disconnect("c1")
        assert setting.connect("c2", address=wanted).address == wanted

    def test_a_malformed_address_is_refused(self, setting: Setting) -> None:
        with pytest.raises(InvalidInput):
            setting.connect("c1", address="no address")
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_disconnecting_twice_or_what_never_was_is_fine(self, setting: Setting) -> None:
        setting.driver.disconnect(setting.network, "never")
        setting.connect("c1")
        setting.disconnect("c1")
        setting.driver.disconnect(setting.network, "c1")
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_disconnecting_takes_the_interface_out_of_a_living_sandbox(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.driver.disconnect(setting.network, "c1")
        if setting.capabilities.sandboxed:
            assert setting.sandbox("c1").interfaces() == {"lo"}

    def test_a_container_connects_again(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.disconnect("c1")
        endpoint = setting.connect("c1")
        if endpoint.address:
            assert setting.reachable("c1", endpoint.address)

    def test_a_connected_container_is_not_connected_again(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            return
        endpoint, other = setting.connect("c1"), Sandbox()
        with pytest.raises(Conflict):
            setting.driver.connect(setting.network, other.path, EndpointRequest(container="c1"))
        assert other.interfaces() == {"lo"}
        other.close()
        assert setting.reachable("c1", endpoint.address)

    def test_endpoints_are_those_connected(self, setting: Setting) -> None:
        assert list(setting.driver.endpoints(setting.network)) == []
        setting.connect("c1")
        setting.connect("c2")
        other, network = setting.open()
        assert set(other.endpoints(network)) <= {"c1", "c2"}
        if setting.capabilities.addressed:
            assert set(other.endpoints(network)) == {"c1", "c2"}
        setting.disconnect("c1")
        assert "c1" not in set(other.endpoints(network))
