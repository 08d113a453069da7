"""Images: import and export, listing, pulling, removal."""

import json
import re
import tarfile

from tests.services.images import push_image


def test_import_export_round_trip(sampan, tmp_path):
    sampan.run("run", "--name", "c1", "--net=none", "bb:1", "sh", "-c", "echo new > /new")
    sampan.run("export", "-o", tmp_path / "c1.tar", "c1")
    with tarfile.open(tmp_path / "c1.tar") as tar:
        assert tar.extractfile("new").read() == b"new\n"
    piped = sampan.result("export", "c1").stdout
    identity = sampan.run("import", "-m", "again", "-c", "ENTRYPOINT [\"cat\"]", "-", "other:v1.0", stdin=piped)
    assert re.fullmatch("sha256:[0-9a-f]{64}", identity)
    assert sampan.run("run", "--rm", "--net=none", "other:v1.0", "/new") == "new"
    assert sampan.run("images", "-q", "--no-trunc", "other") == identity


def test_export_that_fails_leaves_nothing(sampan, tmp_path):
    assert sampan.fails("export", "-o", tmp_path / "x", "nosuch") == "No such container: nosuch"
    sampan.run("create", "--name", "c1", "bb:1")
    assert "no such file or directory" in sampan.fails("export", "-o", tmp_path / "no/x", "c1")
    assert list(tmp_path.iterdir()) == []


def test_import_of_what_is_not_there(empty):
    assert empty.fails("import", "/nosuch.tar") == "open /nosuch.tar: no such file or directory"


def test_images(sampan):
    head, row = sampan.run("images").splitlines()
    assert head.split("  ")[0] == "REPOSITORY"
    identity = sampan.run("images", "-q")
    assert re.fullmatch(rf"bb +1 +{identity} +.* ago +\d+(\.\d+)?MB", row)
    assert sampan.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}") == f"bb:1 {identity}"
    assert json.loads(sampan.run("images", "--format", "json"))["Repository"] == "bb"
    assert "<none>" in sampan.run("images", "--digests")
    assert sampan.run("images", "-q", "nosuch") == ""
    assert sampan.run("images", "-q", "b*") == sampan.run("images", "-q", "-f", "reference=bb:*") == identity
    assert sampan.run("images", "-q", "-f", "dangling=true") == ""
    assert sampan.fails("images", "-f", "foo=bar") == "Invalid filter 'foo'"


def test_rmi(sampan):
    identity = sampan.run("images", "-q", "--no-trunc")
    sampan.run("create", "--name", "c1", "bb:1")
    assert sampan.fails("rmi", "bb:1").startswith("conflict: unable to remove repository reference")
    sampan.run("rm", "c1")
    lines = sampan.run("rmi", "bb:1").splitlines()
    assert lines[:2] == ["Untagged: bb:1", f"Deleted: {identity}"]
    assert sampan.fails("rmi", "bb:1") == "No such image: bb:1"
    assert sampan.result("rmi", "-f", "bb:1").returncode == 0


def test_pull(empty, registry, small_image):
    reference = push_image(small_image, registry, "integration/pull:1")
    *layers, digest, status, name = empty.run("pull", reference).splitlines()
    assert layers[0] == "1: Pulling from integration/pull"
    assert sum(line.endswith(": Pull complete") for line in layers) == 2
    assert re.fullmatch("Digest: sha256:[0-9a-f]{64}", digest)
    assert (status, name) == (f"Status: Downloaded newer image for {reference}", reference)
    assert empty.run("pull", reference).splitlines()[-2:] == [f"Status: Image is up to date for {reference}", reference]
    assert empty.run("pull", "-q", reference) == reference


def test_run_pulls_what_is_missing(empty, registry, small_image):
    reference = push_image(small_image, registry, "integration/missing:1")
    result = empty.result("create", reference)
    assert re.fullmatch(b"[0-9a-f]{64}\n", result.stdout)
    lines = result.stderr.decode().splitlines()
    assert lines[0] == f"Unable to find image '{reference}' locally"
    assert lines[-1] == f"Status: Downloaded newer image for {reference}"
    assert empty.result("create", "-q", "--pull", "always", reference).stderr == b""


def test_version_and_info(sampan):
    assert sampan.run("version", "-f", "{{.Client.Version}}") == "0.1.0"
    assert "Engine" in sampan.run("version")
    assert sampan.run("info", "-f", "{{.Images}} {{.Driver}}").startswith("1 ")
    assert " Running: 0" in sampan.run("info")


def test_commit_and_diff(sampan):
    sampan.run("run", "--name", "web", "--net=none", "bb:1", "sh", "-c", "echo new > /etc/new; rm /etc/group")
    assert sampan.run("diff", "web").splitlines() == ["C /etc", "D /etc/group", "A /etc/new"]
    assert sampan.run("container", "diff", "web") == sampan.run("diff", "web")
    words = ("--author", "Jo <jo@example.com>", "--message", "修改了默认网页", "-c", 'CMD ["cat", "/etc/new"]')
    identity = sampan.run("commit", *words, "web", "nginx:v2")
    assert re.fullmatch("sha256:[0-9a-f]{64}", identity)
    assert sampan.run("run", "--rm", "--net=none", "nginx:v2") == "new"
    assert sampan.run("images", "-q", "--no-trunc", "nginx") == identity
    assert sampan.run("image", "inspect", "-f", "{{.Author}} {{.Comment}}", "nginx:v2") == f"{words[1]} {words[3]}"
    assert re.fullmatch("sha256:[0-9a-f]{64}", sampan.run("container", "commit", "--pause=false", "web"))
    assert sampan.fails("commit", "nosuch") == "No such container: nosuch"
    assert sampan.fails("diff", "nosuch") == "No such container: nosuch"
    assert "must be lowercase" in sampan.fails("commit", "web", "UPPER")
