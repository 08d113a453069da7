"""Messages are what the kernel takes, and what it says reaches the reader."""

from __future__ import annotations

import errno

import pytest

from sampan.kernel import nftables
from sampan.kernel.netlink import NETFILTER, Netlink, Refused, absent, attributes, encoded
from sampan.testing.sandbox import fresh_host


def test_attributes_are_read_as_they_were_written() -> None:
    written = encoded([(1, "name"), (2, 258), (3, [(1, b"abcde"), (2, b"")]), (4, b"\0\1")])
    found = attributes(written)
    assert len(written) % 4 == 0
    assert (found[1], found[2], found[4]) == (b"name\0", b"\0\0\1\2", b"\0\1")
    assert attributes(found[3]) == {1: b"abcde", 2: b""}


def test_a_batch_is_carried_out_as_a_whole_or_not_at_all() -> None:
    table, other = nftables.Table("one", nftables.IPV4), nftables.Table("two", nftables.IPV6)
    with fresh_host(), Netlink(NETFILTER) as netfilter:
        netfilter.commit(table.make(), table.chain("out", "filter", nftables.OUTPUT, nftables.FILTER))
        with pytest.raises(Refused) as caught:
            netfilter.commit(other.make(), table.delete(), table.rule("none", [nftables.verdict(nftables.DROP)]))
        assert (caught.value.errno, caught.value.at) == (errno.ENOENT, 3)
        assert netfilter.ask(table.get_chain("out"))
        with pytest.raises(Refused) as caught:
            netfilter.ask(other.get())
        assert absent(caught.value)
