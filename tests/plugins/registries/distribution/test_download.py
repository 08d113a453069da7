"""Downloads that break, stall, and are sent elsewhere."""

from __future__ import annotations

import email.utils
import random
import time

import pytest
from tests.services.faults import FaultProxy, fault_proxy
from tests.services.images import push_blob
from tests.services.opening import open_repository
from tests.services.registry import RegistryServer

from sampan.errors import Corrupt, NotFound, Unavailable
from sampan.model import digest as digests
from sampan.model.descriptor import Descriptor

SIZE = 3_000_000


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(7).randbytes(SIZE)


@pytest.fixture
def descriptor(registry: RegistryServer, content: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", digests.parse(push_blob(registry, "broken", content)), SIZE)


def fetch(proxy: FaultProxy, descriptor: Descriptor, **options: object) -> bytes:
    with open_repository(f"{proxy.address}/broken", **options) as opened, opened.blob(descriptor) as chunks:
        return b"".join(chunks)


def test_broken_download_resumes(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    proxy.fault("blobs", times=2, cut=1_200_000)
    assert fetch(proxy, descriptor) == content
    ranges = [request.headers.get("Range") for request in proxy.seen("GET .*blobs")]
    assert ranges[0] is None
    assert all(found and found.startswith("bytes=") for found in ranges[1:])
    assert len(ranges) == 3


def test_resume_without_range_skips_what_is_here(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    proxy.fault("blobs", cut=2_000_000)
    proxy.fault("blobs", drop_request=("range",))
    assert fetch(proxy, descriptor) == content
    assert len(proxy.seen("GET .*blobs")) == 2


def test_stalled_download_resumes(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    proxy.fault("blobs", stall=1_500_000)
    assert fetch(proxy, descriptor, timeout=0.3) == content


def test_stalled_for_good(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=99, stall=0)
    with pytest.raises(Unavailable, match="timed out"):
        fetch(proxy, descriptor, timeout=0.2, retries=1)
    assert len(proxy.seen("GET .*blobs")) == 2


def test_broken_for_good(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=99, cut=10)
    with pytest.raises(Unavailable, match="broke"):
        fetch(proxy, descriptor, retries=2)


def test_another_part_than_asked_for(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", cut=1_100_000)
    proxy.fault("blobs", amend={"Content-Range": f"bytes 5-{SIZE - 1}/{SIZE}"})
    with pytest.raises(Corrupt, match="another part"):
        fetch(proxy, descriptor)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_failures_are_retried(proxy: FaultProxy, descriptor: Descriptor, content: bytes, status: int) -> None:
    proxy.fault("blobs", times=2, status=status)
    assert fetch(proxy, descriptor) == content


def test_refusals_are_not_retried(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=9, status=404)
    with pytest.raises(NotFound):
        fetch(proxy, descriptor)
    assert len(proxy.seen("GET .*blobs")) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(proxy: FaultProxy, descriptor: Descriptor, content: bytes, as_date: bool) -> None:
    asked = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"
    proxy.fault("blobs", status=429, headers={"Retry-After": asked})
    start = time.monotonic()
    assert fetch(proxy, descriptor) == content
    assert 0.9 < time.monotonic() - start < 5


def test_retry_after_is_bounded(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=9, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(Unavailable, match="slow down"):
        fetch(proxy, descriptor)
    assert len(proxy.seen("GET .*blobs")) == 1


def test_server_errors_are_told(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=9, status=500, body=b'{"errors": [{"code": "UNKNOWN", "message": "disk on fire"}]}')
    with pytest.raises(Unavailable, match="answers 500 Internal Server Error: unknown: disk on fire"):
        fetch(proxy, descriptor, retries=1)


def test_redirect_to_another_host(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    with fault_proxy() as cdn:
        cdn.fault("GET /stored", status=200, body=content)
        proxy.fault("blobs", status=307, headers={"Location": f"http://{cdn.address}/stored?signature=1"})
        assert fetch(proxy, descriptor) == content


def test_broken_redirected_download_asks_the_registry_anew(
    proxy: FaultProxy, descriptor: Descriptor, content: bytes
) -> None:
    with fault_proxy() as cdn:
        cdn.fault("GET /stored", status=200, body=content, cut=1_000_000)
        proxy.fault("blobs", status=307, headers={"Location": f"http://{cdn.address}/stored"})
        assert fetch(proxy, descriptor) == content
    assert len(proxy.seen("GET .*blobs")) == 2


def test_endless_redirects(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=99, status=302, headers={"Location": "?again"})
    with pytest.raises(Unavailable, match="redirects more than"):
        fetch(proxy, descriptor)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[broken", "gopher://x/", "http://x:port/", "https://"])
def test_redirects_to_nonsense(proxy: FaultProxy, descriptor: Descriptor, location: str) -> None:
    proxy.fault("blobs", times=99, status=302, headers={"Location": location})
    with pytest.raises((Unavailable, Corrupt)):
        fetch(proxy, descriptor, retries=0)


def test_content_encoding_is_left_alone(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    proxy.fault("blobs", amend={"Content-Encoding": "gzip"})
    assert fetch(proxy, descriptor) == content


def test_mirror_that_breaks_off_is_taken_over_from(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    with fault_proxy() as mirror:
        mirror.fault("blobs", status=200, body=content, cut=1_000_000)
        mirrors = (f"http://{mirror.address}",)
        with open_repository(f"{proxy.address}/broken", mirrors=mirrors) as opened, opened.blob(descriptor) as chunks:
            assert b"".join(chunks) == content
    assert proxy.seen("GET .*blobs")[0].headers["Range"].startswith("bytes=")


def test_long_bodies_of_redirects_are_not_read(proxy: FaultProxy, descriptor: Descriptor, content: bytes) -> None:
    # It would stall after the megabyte; only what is short is read.
    headers = {"Location": f"http://{proxy.address}/v2/broken/blobs/{descriptor.digest}?there"}
    proxy.fault("blobs", status=307, headers=headers, body=content, stall=1 << 20)
    assert fetch(proxy, descriptor, timeout=2, retries=0) == content


def test_redirect_to_where_nothing_listens(proxy: FaultProxy, descriptor: Descriptor) -> None:
    proxy.fault("blobs", times=9, status=307, headers={"Location": "http://127.0.0.1:1/blob"})
    with pytest.raises(Unavailable, match=r"127.0.0.1:1: connection refused \(redirected to by 127.0.0.1\)"):
        fetch(proxy, descriptor, retries=0)
