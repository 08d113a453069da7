"""What the other tests compare with is the real thing, and works here."""

from tests.services.images import push_image

_BUSYBOX = ("-v", "/usr/bin/busybox:/busybox:ro")


def test_docker_pulls_and_runs(docker, registry, small_image):
    reference = push_image(small_image, registry, "peers/docker:1")
    docker.run("pull", "-q", reference)
    assert docker.run("run", "--rm", *_BUSYBOX, reference, "/busybox", "cat", "/etc/both") == "upper"
    docker.run("rmi", reference)


def test_podman_pulls_and_runs(podman, registry, small_image):
    reference = push_image(small_image, registry, "peers/podman:1")
    podman.pull(reference)
    assert podman.run("run", "--rm", "--network=none", *_BUSYBOX, reference, "/busybox", "cat", "/etc/both") == "upper"
    podman.run("rmi", reference)
