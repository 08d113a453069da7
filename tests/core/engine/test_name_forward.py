"""Test how questions are passed on to other servers."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from dnslib import QTYPE, RR, A, DNSRecord
from tests.services.names import serving

from sampan.engine.naming.forward import Upstream, forward
from sampan.errors import Unavailable
from sampan.kernel import netns

_QUERY = bytes(DNSRecord.question("example.test").pack())


@pytest.fixture
def sandbox() -> Iterator[str]:
    """A network namespace from which nothing can be reached."""
    descriptor = netns.new_sandbox()
    yield f"/proc/self/fd/{descriptor}"
    os.close(descriptor)


def _loopback() -> str:
    return "127.{}.{}.53".format(*(1 + byte % 250 for byte in os.urandom(2)))


@pytest.mark.parametrize("tcp", [False, True])
def test_a_server_on_the_hosts_loopback_is_asked_from_there(sandbox: str, tcp: bool) -> None:
    asked = []

    def answer(query: DNSRecord, over_tcp: bool) -> DNSRecord:
        asked.append((query.header.id, over_tcp))
        reply = query.reply()
        reply.add_answer(RR(query.q.qname, QTYPE.A, rdata=A("192.0.2.7")))
        return reply

    address = _loopback()
    with serving(address, answer):
        reply = DNSRecord.parse(forward(_QUERY, [Upstream(address), Upstream(address, outside=True)], sandbox, tcp=tcp))
        with pytest.raises(Unavailable):
            forward(_QUERY, [Upstream(address)], sandbox, tcp=tcp)
    assert str(reply.a.rdata) == "192.0.2.7" and reply.header.id == DNSRecord.parse(_QUERY).header.id
    assert [over_tcp for _, over_tcp in asked] == [tcp]


def test_what_answers_another_question_is_no_answer(sandbox: str) -> None:
    address = _loopback()
    with serving(address, lambda query, tcp: DNSRecord.question("other.test").reply()), pytest.raises(Unavailable):
        forward(_QUERY, [Upstream(address, outside=True)], sandbox, tcp=True)
