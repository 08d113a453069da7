"""Write what a container finds in /etc/hosts, /etc/resolv.conf and /etc/hostname.

Contents and wording are Docker's. The functions only calculate; ``host_resolv_conf``, and what is ``of`` a
container, read the host's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.model.container import ContainerSpec
    from sampan.model.network import Endpoint

HOST_GATEWAY = "host-gateway"

NAME_SERVER = "127.0.0.11"
"""Where a container with a name service of its own asks."""

_LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""

# Docker's choice where the host's own servers cannot be reached from a container. Names then leave for a public
# resolver; whoever does not want that names another with --dns.
_FALLBACK = ("8.8.8.8", "8.8.4.4")

_RESOLV_CONF = "/etc/resolv.conf"
_RESOLVED = "/run/systemd/resolve/resolv.conf"
_RESOLVED_STUB = "127.0.0.53"


def hosts(
    addresses: Iterable[str] = (),
    names: Sequence[str] = (),
    extra: Iterable[str] = (),
    gateway: str = "",
    inherited: str = "",
    others: Iterable[str] = (),
) -> str:
    """Return the content of /etc/hosts.

    ``addresses`` are the container's own, to which ``names`` lead; a full name brings its first label along.
    ``extra`` are ``NAME:ADDRESS`` or ``NAME=ADDRESS``, where the address ``host-gateway`` stands for ``gateway``.
    ``inherited`` replaces the usual beginning, for a container that shares the host's network.
    ``others`` are lines for other containers. Raises InvalidInput.
    """
    for name in names:
        check_word(name, "host name")
    lines = []
    for entry in extra:
        name, where = parse_extra_host(entry)
        if where == HOST_GATEWAY:
            if not gateway:
                raise InvalidInput(
                    f"no address for {HOST_GATEWAY} in add-host: {entry!r}", "the container's network has no gateway"
                )
            where = gateway
        lines.append(f"{where}\t{name}\n")
    lines += [*others, *(_own(addresses, names) if names else [])]
    beginning = inherited or _LOCAL
    return (beginning if beginning.endswith("\n") else beginning + "\n") + "".join(lines)


def moved(content: str, addresses: Iterable[str], names: Sequence[str]) -> str:
    """Return the content of an /etc/hosts with a container's own names leading to other addresses than before."""
    own = f"\t{' '.join(_with_labels(names))}\n"
    kept = [line for line in content.splitlines(keepends=True) if not line.endswith(own)]
    return "".join([*kept, *_own(addresses, names)])


def readdressed(content: str, address: str, names: Sequence[str]) -> str:
    """Return the content of an /etc/hosts with the line of another container, by its names, telling this address."""
    end = f"\t{' '.join(names)}\n"
    lines = content.splitlines(keepends=True)
    return "".join(f"{address}{end}" if line.endswith(end) else line for line in lines)


def _own(addresses: Iterable[str], names: Sequence[str]) -> list[str]:
    return [f"{address}\t{' '.join(_with_labels(names))}\n" for address in addresses]


def parse_extra_host(entry: str) -> tuple[str, str]:
    """Return name and address of an ``--add-host``. Raises InvalidInput in Docker's words."""
    cut = min((at for at in (entry.find(":"), entry.find("=")) if at >= 0), default=-1)
    name, where = entry[:cut], entry[cut + 1 :]
    if cut < 1 or any(c.isspace() or c == "#" for c in name):
        raise InvalidInput(f'bad format for add-host: "{entry}"')
    if where.startswith("[") and where.endswith("]"):
        where = where[1:-1]
    if where != HOST_GATEWAY and not _family(where):
        raise InvalidInput(f'invalid IP address in add-host: "{where}"')
    return name, where


def resolv_conf(
    host: str,
    nameservers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
    *,
    reaches_host: bool = False,
    ipv6: bool = False,
) -> str:
    """Return the content of /etc/resolv.conf.

    ``host`` is the content of the host's; ``nameservers``, ``search`` and ``options`` each replace its own where
    given, and the search list ``.`` means none. A container in the host's network (``reaches_host``) can use
    whatever the host uses. Another loses the servers on loopback, which would be its own, and without ``ipv6``
    those that have only such an address; when none is left it is given public ones. Raises InvalidInput.
    """
    for server in nameservers:
        if not _family(server):
            raise InvalidInput(f"IP address is not correctly formatted: {server}")
    for word in search:
        check_word(word, "search domain")
    for word in options:
        check_word(word, "DNS option")
    found_servers, found_search, found_options = _parsed(host)
    if not nameservers:
        nameservers = [s for s in found_servers if reaches_host or _reachable(s, ipv6)]
        if not nameservers and not reaches_host:
            nameservers = _FALLBACK
    search = () if tuple(search) == (".",) else (search or found_search)
    lines = [f"search {' '.join(search)}\n"] if search else []
    lines += [f"nameserver {server}\n" for server in nameservers]
    if options or found_options:
        lines.append(f"options {' '.join(options or found_options)}\n")
    return "".join(lines)


def resolver_conf(
    host: str, nameservers: Sequence[str] = (), search: Sequence[str] = (), options: Sequence[str] = ()
) -> str:
    """Return the content of /etc/resolv.conf of a container with a name service; see ``resolv_conf``.

    Names without dots are asked for as they are, unless the options say something else of that. Raises InvalidInput.
    """
    resolv_conf(host, nameservers)  # whether they are addresses
    options = options or _parsed(host)[2]
    if not any(option.startswith("ndots:") for option in options):
        options = (*options, "ndots:0")
    return resolv_conf(host, [NAME_SERVER], search, options)


def upstreams(host: str, nameservers: Sequence[str] = (), given: Sequence[str] = ()) -> list[tuple[str, bool]]:
    """Return the servers that a container's questions are passed on to, and whether that is from the host's network.

    ``nameservers`` are those the user wants, else they are ``given``, else the host's; of these, those on loopback are
    the host's own. The name service does not ask itself.
    """
    if nameservers or given:
        return [(server, False) for server in nameservers or given if server != NAME_SERVER]
    found = [(server, not _reachable(server, ipv6=True)) for server in _parsed(host)[0]]
    return found or [(server, False) for server in _FALLBACK]


def resolv_conf_of(
    spec: ContainerSpec, endpoints: Iterable[Endpoint], *, named: bool, reaches_host: bool = False
) -> str:
    """Return the content of a container's /etc/resolv.conf; ``named`` tells that it has a name service."""
    host = host_resolv_conf()
    if named:
        return resolver_conf(host, spec.dns, spec.dns_search, spec.dns_options)
    return resolv_conf(
        host, spec.dns or _given(endpoints), spec.dns_search, spec.dns_options, reaches_host=reaches_host
    )


def upstreams_of(spec: ContainerSpec, endpoints: Iterable[Endpoint]) -> list[tuple[str, bool]]:
    """Return the ``upstreams`` of a container's name service."""
    return upstreams(host_resolv_conf(), spec.dns, _given(endpoints))


def _given(endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
    """Return the name servers of the first network that gives any."""
    return next((one.nameservers for one in endpoints if one.nameservers), ())


def hostname(name: str) -> str:
    """Return the content of /etc/hostname. Raises InvalidInput."""
    check_word(name, "host name")
    return f"{name}\n"


def host_resolv_conf() -> str:
    """Return what the host resolves names with, empty when it does not say.

    Where that is nothing but systemd-resolved's stub on loopback, the servers behind the stub.
    """
    content = _read(_RESOLV_CONF)
    if _parsed(content)[0] == [_RESOLVED_STUB]:
        return _read(_RESOLVED) or content
    return content


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _parsed(content: str) -> tuple[list[str], list[str], list[str]]:
    """Return nameservers, search list and options as resolv.conf(5) reads them: of search lines, the last one."""
    servers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for line in content.splitlines():
        words = line.split()
        if len(words) < 2 or line[0] in "#;":
            continue
        if words[0] == "nameserver" and _family(words[1]):
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = words[1:] if words[0] == "search" else words[1:2]
        elif words[0] == "options":
            options += words[1:]
    return servers, search, options


def _reachable(server: str, ipv6: bool) -> bool:
    if _family(server) == socket.AF_INET:
        return not server.startswith("127.")
    packed = socket.inet_pton(socket.AF_INET6, server.partition("%")[0])
    return ipv6 and packed != bytes(15) + b"\1" and not server.lower().startswith("fe80")


def check_word(word: str, what: str) -> None:
    """Refuse what would be more than one word, or more than one line, of the file it goes into."""
    if not word or any(character.isspace() or not character.isprintable() for character in word):
        raise InvalidInput(f"{word!r} is not a valid {what}")


def _family(address: str) -> int:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address.partition("%")[0] if family == socket.AF_INET6 else address)
        except (OSError, ValueError):
            continue
        return family
    return 0


def _with_labels(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        for one in (name, name.partition(".")[0]):
            if one and one not in found:
                found.append(one)
    return found
