"""Check what happens when commands are killed, machines rebooted, and many connected at once."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import gc
import os
import shutil
from functools import partial
from typing import ClassVar

import pytest

from sampan.errors import SampanError
from sampan.model.network import EndpointRequest
from sampan.testing.forking import codes, forked, killed
from sampan.testing.network.setting import Setting, host_links, host_rules, links_settle_to
from sampan.testing.sandbox import Sandbox, fresh_host, reaches

_PROCESSES = 20
_DELAYS = (0.0, 0.0003, 0.001, 0.003, 0.01)


class KilledTests:
    """What is left can be undone, and nothing is left that is not seen."""

    crowd: ClassVar[int] = 200
    """How many containers are connected at once, by several processes."""

    def test_no_address_is_given_twice_to_a_crowd_at_once(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            return
        sandboxes = {f"c{n}": setting.sandbox(f"c{n}") for n in range(self.crowd)}
        report, told = os.pipe()

        def connect(containers: list[str]) -> None:
            driver, network = setting.open()
            for container in containers:
                request = EndpointRequest(container=container)
                endpoint = driver.connect(network, sandboxes[container].path, request)
                os.write(told, f"{endpoint.address}\n".encode())

        pids = [forked(partial(connect, list(sandboxes)[n::_PROCESSES])) for n in range(_PROCESSES)]
        os.close(told)
        with os.fdopen(report) as file:
            addresses = file.read().split()
        assert codes(pids) == [0] * _PROCESSES
        assert len(set(addresses)) == len(addresses) == len(sandboxes)
        assert sorted(setting.driver.endpoints(setting.network)) == sorted(sandboxes)
        for container in sandboxes:
            setting.disconnect(container)
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_a_failed_connection_leaves_nothing(self, setting: Setting) -> None:
        if not setting.capabilities.sandboxed:
            return
        setting.connect("c1")
        links = host_links()
        sandbox = Sandbox()
        sandbox.close()
        if setting.capabilities.addressed:
            with pytest.raises(SampanError):
                setting.driver.connect(setting.network, sandbox.path, EndpointRequest(container="c2"))
        assert "c2" not in set(setting.driver.endpoints(setting.network))
        assert host_links() == links

    def test_a_sandbox_that_vanished_takes_everything_along(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.driver.disconnect(setting.network, "never")
        links = host_links()
        setting.connect("c2")
        setting.sandbox("c2").close()
        assert links_settle_to(links)
        setting.driver.disconnect(setting.network, "c2")
        assert "c2" not in set(setting.driver.endpoints(setting.network))

    @pytest.mark.parametrize("microseconds", [0, 300, 1000, 2000, 3000, 5000, 10000, 20000, 40000, 80000])
    def test_a_kill_while_connecting_can_be_undone(self, setting: Setting, microseconds: int) -> None:
        if not setting.capabilities.sandboxed:
            return
        links = host_links()
        sandbox = setting.sandbox("c1")
        request = EndpointRequest(container="c1")
        killed(lambda: setting.driver.connect(setting.network, sandbox.path, request), microseconds / 1e6)
        sandbox.close()
        for container in list(setting.driver.endpoints(setting.network)):
            setting.driver.disconnect(setting.network, container)
        endpoint = setting.connect("c2")
        if endpoint.address:
            assert setting.reachable("c2", endpoint.address)
        setting.disconnect("c2")
        setting.driver.remove(setting.network)
        assert links_settle_to(links)

    def test_a_kill_while_disconnecting_can_be_made_good(self, setting: Setting) -> None:
        links, rules = host_links(), host_rules()
        for delay in _DELAYS:
            setting.connect("c1")
            killed(lambda: setting.driver.disconnect(setting.network, "c1"), delay)
            setting.disconnect("c1")
            assert list(setting.driver.endpoints(setting.network)) == []
        setting.driver.remove(setting.network)
        assert links_settle_to(links)
        assert host_rules() == rules

    def test_a_kill_while_removing_can_be_made_good(self, setting: Setting) -> None:
        links, rules = host_links(), host_rules()
        for delay in _DELAYS:
            setting.connect("c1")
            setting.disconnect("c1")
            killed(lambda: setting.driver.remove(setting.network), delay)
            setting.driver.remove(setting.network)
            assert links_settle_to(links)
            assert host_rules() == rules

    def test_a_reboot_is_made_good_by_the_next_connection(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.sandbox("c1").close()
        with fresh_host():
            shutil.rmtree(setting.run_root, ignore_errors=True)
            driver, network = setting.reopen()
            for container in list(driver.endpoints(network)):
                driver.disconnect(network, container)
            one, two = setting.connect("c2"), setting.connect("c3")
            if setting.capabilities.addressed:
                assert setting.reachable("c2", one.address)
                assert reaches(setting.sandbox("c2"), setting.sandbox("c3"), two.address)
            setting.disconnect("c2")
            setting.disconnect("c3")

    def test_no_descriptor_stays_open(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.disconnect("c1")
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        setting.connect("c1")
        setting.disconnect("c1")
        assert len(os.listdir("/proc/self/fd")) <= before

    def test_the_thread_stays_where_it_was(self, setting: Setting) -> None:
        before = os.readlink("/proc/thread-self/ns/net")
        setting.connect("c1")
        setting.driver.disconnect(setting.network, "c1")
        assert os.readlink("/proc/thread-self/ns/net") == before
