"""Images: import and export, listing, pulling, removal."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from tests.services.faults import fault_proxy
from tests.services.images import push_image
from tests.services.registry import PASSWORD, USER, running_registry


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


@contextmanager
def serving(answer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_import_from_the_web(sampan, rootfs_tar):
    content = rootfs_tar.read_bytes()

    def answer(request):
        found = {"/moved": 302, "/whole.tar": 200, "/broken.tar": 200}.get(request.path, 404)
        request.send_response(found)
        if found == 302:
            request.send_header("Location", "/whole.tar")
        body = content if found == 200 else b"nothing here" if found == 404 else b""
        request.send_header("Content-Length", len(body))
        request.end_headers()
        request.wfile.write(body[:100000] if request.path == "/broken.tar" else body)

    with serving(answer) as url:
        first, identity = sampan.run("import", f"{url}/moved", "web:1").splitlines()
        assert first == f"Downloading from {url}/moved"
        assert sampan.run("image", "inspect", "-f", "{{.Comment}}", identity) == f"Imported from {url}/moved"
        assert sampan.run("run", "--rm", "--net=none", "web:1", "sh", "-c", "echo here") == "here"
        complaint = f"failed to GET {url}/no with status 404 Not Found: nothing here"
        assert sampan.fails("import", f"{url}/no", "x") == complaint
        assert sampan.fails("import", f"{url}/broken.tar", "x").endswith("unexpected EOF")
    assert sampan.fails("import", f"{url}/gone") == f'Get "{url}/gone": connection refused'
    assert sampan.run("images", "-q", "x") == ""


def test_import_of_a_directory(sampan, tmp_path):
    (tmp_path / "bin").mkdir()
    shutil.copy2("/usr/bin/busybox", tmp_path / "bin/busybox")
    sampan.run("import", "-c", 'ENTRYPOINT ["/bin/busybox"]', tmp_path, "box")
    assert sampan.run("run", "--rm", "--net=none", "box", "echo", "hello") == "hello"


def test_export_in_a_format_by_name(sampan, tmp_path):
    sampan.run("create", "--name", "c1", "bb:1")
    sampan.run("export", "--format-driver", "rootfs-tar", "-o", tmp_path / "c1.tar", "c1")
    assert tarfile.is_tarfile(tmp_path / "c1.tar")
    assert 'no snapshot format named "nosuch"' in sampan.fails("export", "--format-driver", "nosuch", "-o", "x", "c1")
    assert sampan.fails("export", "-o", tmp_path, "c1") == "failed to export container: cannot write to a directory"


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
    again = empty.run("pull", reference).splitlines()
    assert again == [layers[0], digest, f"Status: Image is up to date for {reference}", reference]
    assert empty.run("pull", "-q", reference) == reference


def test_pull_all_tags(empty, registry, small_image):
    references = [push_image(small_image, registry, f"integration/tags:{tag}") for tag in ("1", "2")]
    repository = references[0].removesuffix(":1")
    lines = empty.run("pull", "-a", repository).splitlines()
    assert sum(line.startswith("Digest: sha256:") for line in lines) == 2
    assert {line for line in lines if "Pulling from" in line} == \
        {"1: Pulling from integration/tags", "2: Pulling from integration/tags"}
    assert lines[-2:] == [f"Status: Downloaded newer image for {repository}", repository]
    again = empty.run("pull", "--all-tags", repository).splitlines()
    assert again[-2:] == [f"Status: Image is up to date for {repository}", repository]
    assert empty.run("pull", "-qa", repository) == repository
    assert empty.run("images", "--format", "{{.Tag}}", repository).split() == ["1", "2"]
    assert empty.fails("pull", "-a", references[0]) == "tag can't be used with --all-tags/-a"
    assert "not found: name unknown" in empty.fails("pull", "-a", f"{registry.address}/integration/nowhere")


def test_pull_by_tag_and_digest(empty, registry, small_image):
    reference = push_image(small_image, registry, "integration/both:1")
    digest = empty.run("pull", reference).splitlines()[-3].removeprefix("Digest: ")
    empty.run("rmi", reference)
    repository = reference.removesuffix(":1")
    lines = empty.run("pull", f"{reference}@{digest}").splitlines()
    assert lines[0] == f"{repository}@{digest}: Pulling from integration/both"
    assert lines[-3:] == [
        f"Digest: {digest}", f"Status: Downloaded newer image for {repository}@{digest}", f"{reference}@{digest}"
    ]  # fmt: skip
    assert empty.run("images", "--format", "{{.Tag}} {{.Digest}}", "--digests") == f"<none> {digest}"


def test_several_processes_pull_the_same_at_once(empty, registry, small_image):
    push_image(small_image, registry, "integration/atonce:1")
    with fault_proxy(registry.address) as proxy:
        reference = f"{proxy.address}/integration/atonce:1"
        processes = [empty.popen("pull", "-q", reference) for _ in range(4)]
        for process in processes:
            assert process.communicate(timeout=60) == (f"{reference}\n".encode(), b"")
        fetched = [request.line for request in proxy.seen("/blobs/")]
    assert len(fetched) == len(set(fetched)) == 3  # two layers and the configuration
    assert empty.run("images", "-q", reference) != ""


def test_push(empty, registry, small_image):
    reference = push_image(small_image, registry, "integration/pushed:1")
    with running_registry(empty.directory / "other") as other:
        name = f"{other.address}/team/pushed"
        digest = empty.run("pull", reference).splitlines()[-3].removeprefix("Digest: ")
        for tag in ("1", "2"):
            empty.run("tag", reference, f"{name}:{tag}")
        head, *steps, last = empty.run("push", f"{name}:1").splitlines()
        assert head == f"The push refers to repository [{name}]"
        assert re.fullmatch(rf"1: digest: {digest} size: \d+", last)
        assert sorted(line[12:] for line in steps) == [": Preparing"] * 2 + [": Pushed"] * 2
        assert empty.run("push", f"{name}:1").count("Layer already exists") == 2
        assert empty.run("push", "-a", name).splitlines()[-1].startswith(f"2: digest: {digest} size: ")
        assert empty.run("push", "-q", f"{name}:2") == f"{name}:2"
        assert empty.run("push", "-qa", name) == name
        assert name in empty.run("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}")
        raw = subprocess.run(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}:2"], check=True, capture_output=True
        ).stdout
        assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == digest


@pytest.mark.parametrize(("words", "message"), [
    (("127.0.0.1:1/nosuch:1",), "An image does not exist locally with the tag: 127.0.0.1:1/nosuch"),
    (("bb",), "tag does not exist: bb:latest"),
    (("-a", "bb:1"), "tag can't be used with --all-tags/-a"),
    (("bb@sha256:" + "0" * 64,), "cannot push a digest reference"),
    (("--platform", "linux/s390x", "bb:1"),
     "image with reference bb:1 was found but does not match the specified platform: "
     "wanted linux/s390x, actual: linux/amd64"),
])
def test_push_of_what_cannot_be_pushed(sampan, words, message):
    assert sampan.fails("push", *words) == message


def test_push_where_one_must_log_in(sampan):
    with running_registry(sampan.directory / "guarded", basic=True) as guarded:
        sampan.environ["DOCKER_CONFIG"] = str(sampan.directory / "docker")
        sampan.run("tag", "bb:1", f"{guarded.address}/bb:1")
        assert sampan.fails("push", f"{guarded.address}/bb:1") == \
            f"denied: requested access to the resource is denied (sampan login {guarded.address})"
        sampan.result("login", "-u", USER, "--password-stdin", guarded.address, stdin=PASSWORD.encode())
        assert ": Pushed" in sampan.run("push", f"{guarded.address}/bb:1")


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
