"""Check networks: made, filled in, apart from each other, and gone without a trace."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest

from sampan.errors import Conflict, InvalidInput
from sampan.model.network import Pool
from sampan.testing.network.setting import Setting, host_links, host_rules, links_settle_to
from sampan.testing.sandbox import reaches


class NetworkTests:
    """What a network is."""

    def test_a_network_in_use_is_not_removed(self, setting: Setting) -> None:
        setting.connect("c1")
        if list(setting.driver.endpoints(setting.network)):
            with pytest.raises(Conflict):
                setting.driver.remove(setting.network)

    def test_removing_leaves_the_host_as_it_was(self, setting: Setting) -> None:
        links, rules = host_links(), host_rules()
        setting.connect("c1")
        setting.connect("c2")
        setting.disconnect("c1")
        setting.disconnect("c2")
        setting.driver.remove(setting.network)
        setting.driver.remove(setting.network)
        assert links_settle_to(links)
        assert host_rules() == rules

    def test_a_created_network_has_its_settings_filled_in(self, setting: Setting) -> None:
        created = setting.driver.create(setting.named("second"))
        assert (created.id, created.name, created.driver) == ("second", "second", setting.network.driver)
        if setting.subnets:
            (pool,) = created.pools
            assert pool.subnet and pool.gateway
            with pytest.raises(Conflict):
                wanted = (Pool(subnet=pool.subnet),)
                setting.driver.create(msgspec.structs.replace(created, id="third", name="third", pools=wanted))
        setting.driver.remove(created)

    def test_an_unknown_network_option_is_refused_or_means_nothing(self, setting: Setting) -> None:
        named = setting.named("second")
        odd = msgspec.structs.replace(named, options={**named.options, "no-such-option": "1"})
        links, rules = host_links(), host_rules()
        with suppress(InvalidInput):
            setting.driver.remove(setting.driver.create(odd))
        assert links_settle_to(links)
        assert host_rules() == rules

    def test_networks_share_no_address(self, setting: Setting) -> None:
        if not (setting.capabilities.configurable and setting.capabilities.addressed):
            return
        first = setting.connect("c1")
        network = setting.driver.create(setting.named("second"))
        second = setting.connect("c2", network=network)
        assert first.address != second.address
        assert setting.reachable("c2", second.address, network)

    def test_one_container_is_on_two_networks(self, setting: Setting) -> None:
        if not (setting.capabilities.configurable and setting.capabilities.addressed):
            return
        second = setting.driver.create(setting.named("second"))
        first, other = setting.connect("c1"), setting.connect("c1", network=second)
        assert setting.sandbox("c1").interfaces() == {"lo", first.interface, other.interface}
        assert setting.reachable("c1", first.address)
        assert setting.reachable("c1", other.address, second)
        setting.driver.disconnect(second, "c1")
        assert setting.sandbox("c1").interfaces() == {"lo", first.interface}
        assert list(setting.driver.endpoints(setting.network)) == ["c1"]

    def test_a_network_of_both_families(self, setting: Setting) -> None:
        if not (setting.subnets and setting.capabilities.ipv6):
            return
        wanted = msgspec.structs.replace(setting.named("second"), ipv6=True)
        network = setting.driver.create(wanted)
        assert setting.driver.describe(wanted).pools == network.pools
        assert [pool.ipv6 for pool in network.pools] == [False, True]
        one, two = setting.connect("c1", network=network), setting.connect("c2", network=network)
        assert one.gateway6 == network.pools[1].gateway and 0 < one.prefix6 <= 128
        assert len({one.address, one.address6, two.address, two.address6}) == 4
        for address in (two.address, two.address6):
            assert reaches(setting.sandbox("c1"), setting.sandbox("c2"), address)
            assert setting.reachable("c2", address, network)

    def test_a_network_of_ipv6_alone(self, setting: Setting) -> None:
        if not (setting.subnets and setting.capabilities.ipv6):
            return
        pool = Pool(subnet="2001:db8:55::/64", gateway="2001:db8:55::99", range="2001:db8:55::aa00/120")
        wanted = msgspec.structs.replace(setting.named("second"), ipv4=False, ipv6=True, pools=(pool,))
        network = setting.driver.create(wanted)
        endpoint = setting.connect("c1", network=network)
        assert (endpoint.address, endpoint.gateway, endpoint.gateway6) == ("", "", "2001:db8:55::99")
        assert endpoint.address6.startswith("2001:db8:55::aa")
        assert setting.reachable("c1", endpoint.address6, network)

    def test_an_internal_network_has_no_way_out(self, setting: Setting) -> None:
        if not (setting.capabilities.configurable and setting.capabilities.addressed):
            return
        network = setting.driver.create(msgspec.structs.replace(setting.named("second"), internal=True))
        endpoint = setting.connect("c1", network=network)
        assert not endpoint.gateway
        assert not endpoint.gateway6
