"""The values of the flags of run and create: what they mean, and Docker's words for those that mean nothing."""

import pytest

from sampan.errors import InvalidInput
from sampan.model.container import DeviceLimit, Ulimit, Volume
from sampan_plugins.commands import _checks, _environment, _volumes


@pytest.mark.parametrize(("text", "volume"), [
    ("/a:/b", Volume(kind="bind", source="/a", target="/b", create_source=True)),
    ("/a:/b:ro,z,rslave", Volume(kind="bind", source="/a", target="/b", read_only=True, options=("z", "rslave"),
                                 create_source=True)),
    ("data:/b", Volume(kind="volume", source="data", target="/b")),
    ("/b", Volume(kind="volume", target="/b")),
])
def test_volume(text, volume):
    assert _volumes.volume(text) == volume


@pytest.mark.parametrize(("text", "message"), [
    ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
    ("/tmp:/b:xx", "invalid mode: xx"),
    ("/a:b", "invalid volume specification: '/a:b': invalid mount config for type \"bind\": "
             "invalid mount path: 'b' mount path must be absolute"),
    ("/a:ro", "invalid volume specification: '/a:ro'"),
])
def test_volume_that_is_none(text, message):
    with pytest.raises(InvalidInput) as error:
        _volumes.volume(text)
    assert error.value.message == message


@pytest.mark.parametrize(("text", "message"), [
    ("type=bind,source=/tmp", "target is required"),
    ("type=bind,target=/tmp", 'invalid mount config for type "bind": field Source must not be empty'),
    ("type=image,target=/tmp", 'invalid mount config for type "image": field Source must not be empty'),
    ("type=image,src=a,dst=/m,volume-nocopy", "cannot mix 'volume-*' options with mount type 'image'"),
    ("type=foo,target=/tmp", 'invalid mount config for type "foo": mount type unknown'),
    ("type=bind,foo=bar,target=/tmp", "unexpected key 'foo' in 'foo=bar'"),
    ("type=bind,foo,target=/tmp", "invalid field 'foo' must be a key=value pair"),
    ("type=tmpfs,target=/tmp,tmpfs-size=x", "invalid value for tmpfs-size: x"),
    ("type=tmpfs,target=/t,src=x", 'invalid mount config for type "tmpfs": field Source must not be specified'),
    ("type=bind,src=/t,target=/b,tmpfs-size=1m", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
    ("type=bind,src=/t,target=/b,ro=maybe", "invalid value for ro: maybe"),
    ("type=bind,src=/t,dst=/b,bind-propagation=x", 'invalid mount config for type "bind": invalid propagation mode: x'),
    ("type=bind,src=/t,dst=/b,bind-recursive=1",
     'invalid value for bind-recursive: 1 (must be "enabled", "disabled", "writable", or "readonly")'),
    ("type=bind,src=/t,dst=/b,bind-recursive=writable",
     "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction"),
    ("type=bind,src=/t,dst=/b,ro,bind-recursive=readonly,bind-propagation=rshared",
     "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"),
])
def test_mount_that_is_none(text, message):
    with pytest.raises(InvalidInput) as error:
        _volumes.mount(text)
    assert error.value.message == message


def test_mount():
    assert _volumes.mount("type=bind,src=/a,dst=/b,readonly,bind-propagation=shared") == Volume(
        kind="bind", source="/a", target="/b", read_only=True, options=("shared",), given="mount")
    assert _volumes.mount('type=bind,"src=/a,b",dst=/b').source == "/a,b"
    assert _volumes.mount("type=image,src=a:1,dst=/m,image-subpath=b/c") == Volume(
        kind="image", source="a:1", target="/m", subpath="b/c", given="mount")
    assert _volumes.mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770").options == ("size=1048576", "mode=1770")


@pytest.mark.parametrize(("options", "recursive"), [
    ("", ""), ("bind-recursive=enabled", ""), ("bind-recursive=disabled", "disabled"),
    ("bind-nonrecursive", "disabled"),
    ("bind-nonrecursive,bind-recursive=enabled", "disabled"), ("ro,bind-recursive=writable", "writable"),
    ("ro,bind-recursive=readonly,bind-propagation=rprivate", "readonly"),
])
def test_what_becomes_of_mounts_below_a_bind(options, recursive):
    assert _volumes.mount(",".join(filter(None, ("type=bind,src=/a,dst=/b", options)))).recursive == recursive


def test_tmpfs():
    assert _volumes.tmpfs("/x:size=1m,exec") == Volume(kind="tmpfs", target="/x", options=("size=1m", "exec"))
    with pytest.raises(InvalidInput, match="invalid tmpfs option"):
        _volumes.tmpfs("/x:foo")


@pytest.mark.parametrize(("content", "message"), [
    (b"A B=c\n", "variable 'A B' contains whitespaces"),
    (b"=c\n", "no variable name on line '=c'"),
    (b"ok=1\n\xff=c\n", "invalid utf8 bytes at line 2: [255 61 99]"),
])
def test_environment_file_that_is_none(tmp_path, content, message):
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(InvalidInput) as error:
        _environment.environment([str(tmp_path / "env")], [])
    assert error.value.message == f"invalid env file ({tmp_path}/env): {message}"


def test_environment_file(tmp_path):
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfA=1\r\n# no\n\n HERE\nGONE\nB=x=y\n")
    found = _environment.environment([str(tmp_path / "env")], ["C=3"], {"HERE": "yes"})
    assert found == ("A=1", "HERE=yes", "B=x=y", "C=3")
    with pytest.raises(InvalidInput, match="open /nosuch: no such file or directory"):
        _environment.environment(["/nosuch"], [])


def test_ulimit():
    assert _checks.ulimit("nofile=1:2") == Ulimit("nofile", 1, 2)
    assert _checks.ulimit("nofile=5") == Ulimit("nofile", 5, 5)
    assert _checks.ulimit("core=-1") == Ulimit("core", -1, -1)


@pytest.mark.parametrize(("check", "text", "message"), [
    ("ulimit", "x", "invalid ulimit argument: x"),
    ("ulimit", "foo=1", "invalid ulimit type: foo"),
    ("ulimit", "nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
    ("cpus", "abc", "failed to parse abc as a rational number"),
    ("env", "=x", "invalid environment variable: =x"),
    ("label", "=x", "invalid label '=x': empty name"),
    ("stream", "foo", "valid streams are STDIN, STDOUT and STDERR"),
    ("host", "foo", 'bad format for add-host: "foo"'),
    ("host", "foo:bar", 'invalid IP address in add-host: "bar"'),
    ("address", "foo", "IP address is not correctly formatted: foo"),
    *(("domain", text, f"{text} is not a valid domain") for text in ("a..b", "1.2", "-a", "a_b", "a b", "x" * 255)),
    ("sysctl", "foo", "sysctl 'foo' is not allowed"),
])
def test_value_that_is_none(check, text, message):
    with pytest.raises(InvalidInput) as error:
        getattr(_checks, check)(text)
    assert error.value.message == message


def test_values():
    assert _checks.cpus("1.5") == 1_500_000
    assert _checks.host("a:1.2.3.4") == _checks.host("a=1.2.3.4") == "a:1.2.3.4"
    assert _checks.host("a:::1") == "a:::1"
    assert [_checks.domain(text) for text in (".", "a-b.1.", " x ")] == [".", "a-b.1.", "x"]


def test_limits_of_devices():
    assert _checks.weight("/dev/sda:100") == DeviceLimit("/dev/sda", 100)
    assert _checks.bps("/dev/sda:1mb") == DeviceLimit("/dev/sda", 1 << 20)
    assert _checks.iops("/dev/sda:50") == DeviceLimit("/dev/sda", 50)
    assert _checks.rule("c 1:3 rwm") == "c 1:3 rwm"


@pytest.mark.parametrize(("check", "text", "message"), [
    ("weight", "/dev/sda", "bad format: /dev/sda"),
    ("weight", "sda:10", "bad format for device path: sda:10"),
    ("weight", "/dev/sda:5", "invalid weight for device: /dev/sda:5"),
    ("bps", "/dev/sda:x", "invalid rate for device: /dev/sda:x. The correct format is <device-path>:<number>[<unit>]. "
                          "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"),
    ("iops", "/dev/sda:1k", "invalid rate for device: /dev/sda:1k. The correct format is <device-path>:<number>. "
                            "Number must be a positive integer"),
    ("rule", "c 1 r", "invalid device cgroup format 'c 1 r'"),
    ("uint16", "70000", 'strconv.ParseUint: parsing "70000": value out of range'),
    ("gpus", "count=x", 'invalid count (x): value must be either "all" or an integer: invalid syntax'),
    ("exposed", "90-80", "invalid range format for --expose: 90-80, error: invalid range specified for port: 90-80"),
])
def test_limit_that_is_none(check, text, message):
    with pytest.raises(InvalidInput) as error:
        getattr(_checks, check)(text)
    assert error.value.message == message


def test_exposed_ports():
    assert _checks.exposed("80") == ("80/tcp",)
    assert _checks.exposed("80-81/UDP") == ("80/udp", "81/udp")


def test_processors(tmp_path):
    (tmp_path / "online").write_text("0-3\n")
    _checks.processors("0-2,3", "cpus", tmp_path / "online")
    with pytest.raises(InvalidInput, match=r"Requested CPUs are not available - requested 0,4, available: 0-3"):
        _checks.processors("0,4", "cpus", tmp_path / "online")
    with pytest.raises(InvalidInput, match="Invalid value x for cpuset mems: invalid format: x"):
        _checks.processors("x", "mems", tmp_path / "online")
