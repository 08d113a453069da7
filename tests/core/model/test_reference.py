from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan.model import reference as references

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("ubuntu", "docker.io/library/ubuntu", "ubuntu"),
        ("ubuntu:18.04", "docker.io/library/ubuntu:18.04", "ubuntu:18.04"),
        ("docker.io/ubuntu", "docker.io/library/ubuntu", "ubuntu"),
        ("index.docker.io/library/ubuntu", "docker.io/library/ubuntu", "ubuntu"),
        ("bitnami/redis:7", "docker.io/bitnami/redis:7", "bitnami/redis:7"),
        ("quay.io/a/b/c:d", "quay.io/a/b/c:d", "quay.io/a/b/c:d"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
        ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
        (f"ubuntu@{DIGEST}", f"docker.io/library/ubuntu@{DIGEST}", f"ubuntu@{DIGEST}"),
        (f"h:1/x:t@{DIGEST}", f"h:1/x:t@{DIGEST}", f"h:1/x:t@{DIGEST}"),
        ("x/a.b__c--d", "docker.io/x/a.b__c--d", "x/a.b__c--d"),
    ],
)
def test_parse_and_write_back(text: str, canonical: str, familiar: str) -> None:
    reference = references.parse(text)
    assert str(reference) == canonical
    assert reference.familiar == familiar
    assert references.parse(canonical) == reference
    assert references.parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "a:", "a b", "-a", "a_", "a//b", "/a", "a/", "a@sha256:1", "a@md5:" + "0" * 32, "Ubuntu", "x/Y",
        "a:-t", "a:" + "t" * 129, "../a", "h:port/a", "a" * 256, "0" * 64, "é",
    ],
)
def test_what_the_grammar_does_not_allow(text: str) -> None:
    with pytest.raises(InvalidInput):
        references.parse(text)


def test_default_tag() -> None:
    assert references.parse("a").with_default_tag().tag == "latest"
    assert references.parse("a").version == "latest"
    assert references.parse("a:b").with_default_tag().tag == "b"
    assert references.parse(f"a@{DIGEST}").with_default_tag().tag is None
    assert references.parse(f"a:b@{DIGEST}").version == DIGEST


@pytest.mark.parametrize(("text", "host"), [
    ("", "docker.io"), ("docker.io", "docker.io"), ("https://index.docker.io/v1/", "docker.io"),
    ("registry.example:5000", "registry.example:5000"), ("http://registry.example/v2/", "registry.example"),
    ("localhost", "localhost"), ("[::1]:5000", "[::1]:5000"),
])
def test_host(text, host):
    assert references.parse_host(text) == host


@pytest.mark.parametrize("text", ["a b", "https://", "-x", "user@host"])
def test_what_is_no_host(text):
    with pytest.raises(InvalidInput):
        references.parse_host(text)
