"""Images as users list, name, prune and look into them; texts are what docker 28 prints."""

import json
import re

from tests.services.images import push_image


def test_tag_and_untag(sampan):
    sampan.run("tag", "bb:1", "other")
    sampan.run("image", "tag", "bb:1", "bb:2")
    assert sampan.run("images", "--format", "{{.Repository}}:{{.Tag}}") == "bb:1\nbb:2\nother:latest"
    assert sampan.fails("tag", "nosuch", "x") == "No such image: nosuch:latest"
    identity = sampan.run("images", "-q", "other")
    assert sampan.fails("rmi", identity) == (
        f"conflict: unable to delete {identity} (must be forced) - image is referenced in multiple repositories"
    )
    result = sampan.result("rmi", "bb:2", "nosuch", "other")
    assert result.stdout == b"Untagged: bb:2\nUntagged: other:latest\n"
    assert (result.returncode, result.stderr) == (1, b"Error: No such image: nosuch:latest\n")
    assert sampan.result("rmi", "-f", "nosuch").returncode == 0


def test_formats_of_images(sampan):
    identity = sampan.run("images", "-q")
    assert re.fullmatch(
        rf"repository: bb\ntag: 1\nimage_id: {identity}\ncreated_at: .*\nvirtual_size: .*MB\n\n?",
        sampan.run("images", "--format", "raw") + "\n",
    )
    assert sampan.run("images", "-q", "--format", "raw") == f"image_id: {identity}"
    assert sampan.run("images", "-q", "--format", "table") == identity
    assert sampan.run("images", "--format", "{{.Containers}} {{.SharedSize}} {{.UniqueSize}}") == "N/A N/A N/A"
    assert sampan.run("images", "--digests", "--format", "table {{.ID}}").splitlines()[0].split() == [
        "IMAGE", "ID", "DIGEST"]
    assert sampan.fails("images", "--format", "{{.Foo}}") == (
        'template parsing error: template: :1:2: executing "" at <.Foo>: '
        "can't evaluate field Foo in type *formatter.imageContext"
    )
    assert sampan.run("images", "-qf", "until=1h") == ""
    assert sampan.run("images", "-qf", "until=0s") == identity
    assert sampan.fails("images", "-f", "until=x").startswith('failed to parse value as time or duration: "x"')


def test_tree(sampan):
    sampan.run("create", "--net=none", "--name", "c1", "bb:1")
    sampan.run("tag", "bb:1", "registry.example/longer:1")
    identity = sampan.run("images", "-q", "bb")
    lines = sampan.run("images", "--tree").splitlines()
    assert lines[:2] == ["Info ->  U In Use ".rjust(80), ""]
    assert re.fullmatch("IMAGE {23}ID {13}DISK USAGE   CONTENT SIZE   EXTRA", lines[2])
    assert lines[3] == "registry.example/longer:1"
    assert re.fullmatch(rf"bb:1 {{24}}{identity} +\d\S*MB +\d\S*MB    U", lines[4])
    assert re.fullmatch(rf"└─ linux/amd64 {{14}}{identity} +\d\S*MB +\d\S*MB    U", lines[5])
    assert sampan.fails("images", "--tree", "-q") == "--quiet is not yet supported with --tree"


def test_history(sampan):
    identity = sampan.run("images", "-q")
    head, row = sampan.run("history", "bb:1").splitlines()
    assert head.split("  ")[0] == "IMAGE"
    assert re.fullmatch(rf"{identity}   .* ago +\d\S*MB +Imported from \S+", row)
    assert json.loads(sampan.run("history", "--format", "json", "bb:1"))["ID"] == identity
    assert re.search(r"T\S+Z +\d{6,} ", sampan.run("image", "history", "-H=false", "bb:1").splitlines()[1])
    assert sampan.run("history", "-q", "--no-trunc", "bb:1") == sampan.run("images", "-q", "--no-trunc")


def test_sizes_of_containers(sampan):
    sampan.run("run", "--net=none", "--name", "c1", "bb:1", "sh", "-c", "head -c 20000 /dev/zero > /z")
    assert re.search(r"SIZE$", sampan.run("ps", "-as").splitlines()[0])
    assert re.search(r"20kB \(virtual \d\S*MB\)$", sampan.run("ps", "-as").splitlines()[1])
    assert sampan.run("ps", "-a", "--format", "{{.Size}}").startswith("20kB (virtual ")
    assert sampan.run("ps", "-a", "--format", "json").count('"Size":"0B"') == 1
    assert sampan.run("inspect", "-s", "-f", "{{.SizeRw}}", "c1") == "20000"
    result = sampan.result("inspect", "-s", "-f", "{{.Id}}", "bb:1")
    assert (result.returncode, result.stderr) == (0, b"WARNING: --size ignored for image\n")
    assert sampan.run("container", "prune", "-f").endswith("\n\nTotal reclaimed space: 20kB")


def test_disk_usage(sampan):
    sampan.run("create", "--net=none", "--name", "c1", "bb:1")
    head, images, containers, volumes, cache = sampan.run("system", "df").splitlines()
    assert head.split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert re.fullmatch(r"Images +1 +1 +\d\S*MB +\S+B \(0%\)", images)
    assert re.fullmatch(r"Containers +1 +0 +0B +0B", containers)
    assert re.fullmatch(r"Local Volumes +0 +0 +0B +0B", volumes)
    assert re.fullmatch(r"Build Cache +0 +0 +0B +0B", cache)
    assert "VOLUME NAME   LINKS     SIZE" in sampan.run("system", "df", "-v")
    form = "{{range .Images}}{{.Containers}} {{.SharedSize}}{{end}}"
    assert sampan.run("system", "df", "-v", "--format", form) == "1 0B"
    assert json.loads(sampan.run("system", "df", "-v", "--format", "json"))["Containers"][0]["Names"] == "c1"


def test_prunes(sampan):
    identity = sampan.run("images", "-q", "--no-trunc")
    asked = sampan.result("system", "prune", "-a", "--filter", "until=0s", stdin=b"n\n")
    assert asked.returncode == 0
    assert asked.stdout.decode() == (
        "WARNING! This will remove:\n  - all stopped containers\n"
        "  - all networks not used by at least one container\n"
        "  - all images without at least one container associated to them\n\n"
        "  Items to be pruned will be filtered with:\n  - until=0s\n\nAre you sure you want to continue? [y/N] "
    )
    assert sampan.result("image", "prune", stdin=b"y\n").stdout.decode() == (
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] "
        "Total reclaimed space: 0B\n"
    )
    assert sampan.fails("image", "prune", "-f", "--filter", "foo=bar") == "Invalid filter 'foo'"
    assert sampan.fails("image", "prune", "-f", "--filter", "until=1h", "--filter", "until=2h") == (
        "more than one until filter specified")
    assert sampan.fails("system", "prune", "-f", "--volumes", "--filter", "until=1h") == (
        'The "until" filter is not supported with "--volumes"')
    lines = sampan.run("image", "prune", "-af").splitlines()
    assert lines[:3] == ["Deleted Images:", "untagged: bb:1", f"deleted: {identity}"]
    assert re.fullmatch(r"Total reclaimed space: \d\S*MB", lines[-1])
    assert lines[-2] == ""


def test_volumes_are_pruned_where_that_is_asked_for(sampan):
    sampan.run("volume", "create", "named")
    unnamed = sampan.run("volume", "create")
    kept = sampan.run("volume", "create", "--label", "keep")
    asked = sampan.result("system", "prune", "--volumes", stdin=b"n\n").stdout.decode()
    assert "  - all anonymous volumes not used by at least one container\n  - all dangling images\n" in asked
    assert "Volumes" not in sampan.run("system", "prune", "-f")
    told = sampan.run("system", "prune", "-f", "--volumes", "--filter", "label!=keep")
    assert told.startswith(f"Deleted Volumes:\n{unnamed}\n\nTotal reclaimed space: ")
    assert sampan.run("volume", "ls", "-q").splitlines() == sorted((kept, "named"))


def test_removing_an_image_while_containers_of_it_are_made(sampan):
    runs = [sampan.popen("run", "--rm", "--net=none", "bb:1", "echo", "ran") for _ in range(4)]
    removal = sampan.popen("rmi", "-f", "bb:1")
    gone = b"No such image: bb:1", b"Unable to find image 'bb:1' locally"
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert out == b"ran\n" if run.returncode == 0 else any(words in err for words in gone), err
    removal.communicate(timeout=60)
    # A running container may have kept it, without its name.
    for identity in sampan.run("images", "-q").split():
        sampan.run("rmi", "-f", identity)
    assert sampan.run("system", "df", "--format", "{{.Type}} {{.Size}}").splitlines()[0] == "Images 0B"


def test_pruning_while_pulling(empty, registry, small_image):
    reference = push_image(small_image, registry, "listings/pruned:1")
    for _ in range(3):
        pull = empty.popen("pull", "-q", reference)
        while pull.poll() is None:
            empty.run("image", "prune", "-af")
        assert pull.communicate() == (f"{reference}\n".encode(), b"")
        empty.run("pull", "-q", reference)
        empty.run("create", "--net=none", "--name", "c1", reference)
        empty.run("rm", "c1")
        empty.run("image", "prune", "-af")
    assert empty.run("system", "df", "--format", "{{.Type}} {{.Size}}").splitlines()[0] == "Images 0B"
