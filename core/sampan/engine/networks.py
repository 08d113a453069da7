"""Make, list, describe and remove networks."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine import events, networking, recovery, timestamps, undo
from sampan.engine.sharing import SHARED
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model import label
from sampan.store import owner

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.engine.prune import Choice
    from sampan.model.container import Container
    from sampan.model.network import Endpoint, Network

Filters = Mapping[str, Sequence[str]]
"""Values by filter: ``dangling``, ``driver``, ``id``, ``label``, ``name``, ``scope`` and ``type``."""

_TRUTHS = {"1": True, "true": True, "0": False, "false": False}
_SCOPE = "local"


def create(engine: Engine, wanted: Network) -> Network:
    """Make a network as it is wanted, with an id and the time given here; without a driver, on the default network's.

    Raises AlreadyExists when another has its name, and what the driver has against it.
    """
    driver = wanted.driver or networking.resolve(engine, "").driver
    network = msgspec.structs.replace(wanted, id=os.urandom(32).hex(), driver=driver, created=time.time())
    _check(engine, network)
    with engine.store.journal.operation("network", lambda action: undo.undo(engine, action)) as operation:
        with engine.store.database.transaction() as cursor:
            engine.store.networks.refuse_taken(cursor, network.name)
            operation.plan("network", network.id, msgspec.json.encode(network).decode(), cursor=cursor)
        network = engine.network(driver).create(network)
        with engine.store.database.transaction() as cursor:
            engine.store.networks.add(cursor, network)
            operation.finish(cursor)
    events.network(engine, network, "create")
    return network


def _check(engine: Engine, network: Network) -> None:
    name, capabilities = network.name, engine.network(network.driver).capabilities
    if not name.strip() or not name.isprintable() or name.startswith(SHARED):
        raise InvalidInput(f"invalid network name {name!r}")
    if name == networking.DEFAULT or networking.predefined(engine, name):
        raise Conflict(f"operation is not permitted on predefined {name} network")
    if name == network.driver:
        raise InvalidInput(f"a network cannot be called {name} as its driver is", "choose another name")
    if not capabilities.configurable:
        raise Conflict(f'only one instance of "{network.driver}" network is allowed')
    if not network.ipv4 and not network.ipv6:
        raise InvalidInput("IPv4 or IPv6 must be enabled")
    if network.ipv6 and not capabilities.ipv6:
        raise InvalidInput(f"the network driver {network.driver} has no IPv6")


def remove(engine: Engine, text: str) -> Network:
    """Remove a network. Raises NotFound, and Conflict when it is a driver's own or a container uses it."""
    network = networking.resolve(engine, text)
    if network.default:
        raise Conflict(f"{network.name} is a pre-defined network and cannot be removed")
    recovery.reconcile(engine)
    with engine.store.journal.operation("remove-network", lambda action: undo.undo(engine, action)) as operation:
        with engine.store.database.transaction() as cursor:
            if any(map(_holds, users(engine, network))):
                raise Conflict(
                    f"error while removing network: network {network.name} id {network.id} has active endpoints"
                )
            # From here on no container finds it any more, so that none can be connected behind our back.
            engine.store.networks.remove(cursor, network.id)
            operation.plan("network", network.id, msgspec.json.encode(network).decode(), cursor=cursor)
        discard(engine, network)
    events.network(engine, network, "destroy")
    return network


def discard(engine: Engine, network: Network) -> None:
    """Undo all that there is on the host of a network that is not on record. Possible twice."""
    if engine.store.networks.named(network.id):
        return
    driver = engine.network(network.driver)
    for container in list(driver.endpoints(network)):
        driver.disconnect(network, container)  # left by a monitor that was killed
    driver.remove(network)


def users(engine: Engine, network: Network) -> list[Container]:
    """Return the containers that are to be on a network when they run."""
    return [one for one in engine.store.containers.all() if network.name in networking.names(one)]


def _holds(container: Container) -> bool:
    """Tell whether a container runs, or is being started."""
    return container.alive or bool(container.monitor and owner.alive(container.monitor))


def networks(engine: Engine, filters: Filters | None = None) -> list[Network]:
    """Return the networks that pass every filter, by name; those that every driver has are among them.

    Raises InvalidInput on an unknown filter or value.
    """
    for driver in engine.plugins.names("network"):
        if networking.predefined(engine, driver):
            networking.resolve(engine, driver)  # on record from now on
    found = engine.store.networks.all()
    for name, values in (filters or {}).items():
        found = _chosen(engine, found, name, values)
    return found


def _chosen(engine: Engine, found: list[Network], name: str, values: Sequence[str]) -> list[Network]:
    match name:
        case "dangling":
            wanted = {_truth(value) for value in values}
            return [one for one in found if (not one.default and not _connected(engine, one)) in wanted]
        case "driver":
            return [one for one in found if one.driver in values]
        case "id":
            return [one for one in found if any(one.id.startswith(value) for value in values)]
        case "label":
            return [one for one in found if all(label.fits(one.labels, value) for value in values)]
        case "name":
            return [one for one in found if any(_alike(value, one.name) for value in values)]
        case "scope":
            return found if _SCOPE in values else []
        case "type":
            for value in values:
                if value not in ("builtin", "custom"):
                    raise InvalidInput(f"invalid filter: 'type'='{value}'")
            return [one for one in found if ("builtin" if one.default else "custom") in values]
    raise InvalidInput(f"Invalid filter '{name}'")


def _truth(value: str) -> bool:
    if value not in _TRUTHS:
        raise InvalidInput(
            "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")"
        )
    return _TRUTHS[value]


def _alike(pattern: str, name: str) -> bool:
    """Tell whether a name contains a text or, as in Docker, has a match of the regular expression that it is."""
    try:
        return bool(re.search(pattern, name))
    except re.error:
        return pattern in name


def prune(engine: Engine, choice: Choice) -> list[str]:
    """Remove the networks of the user's that no container uses; return their names."""
    gone = []
    for network in engine.store.networks.all():
        if network.default or not choice.fits(network.created, network.labels):
            continue
        try:
            gone.append(remove(engine, network.id).name)
        except (Conflict, NotFound):
            continue  # it is used, or someone has removed it
    return gone


def inspect(engine: Engine, text: str) -> dict[str, Any]:
    """Return what Docker's ``network inspect`` shows. Raises NotFound, and InvalidInput."""
    network = networking.resolve(engine, text)
    network = engine.network(network.driver).describe(network)
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": timestamps.written(network.created),
        "Scope": _SCOPE,
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": "default",
            "Options": dict(network.ipam_options),
            "Config": [
                {
                    "Subnet": pool.subnet,
                    **({"IPRange": pool.range} if pool.range else {}),
                    **({"Gateway": pool.gateway} if pool.gateway else {}),
                    **({"AuxiliaryAddresses": dict(pool.reserved)} if pool.reserved else {}),
                }
                for pool in network.pools
            ],
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {one.id: _member(one, endpoint) for one, endpoint in _connected(engine, network)},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _connected(engine: Engine, network: Network) -> list[tuple[Container, Endpoint]]:
    alive = engine.store.containers.alive()
    return [(one, endpoint) for one in alive for endpoint in one.endpoints if endpoint.network == network.id]


def _member(container: Container, endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": container.name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix}" if endpoint.address else "",
        "IPv6Address": f"{endpoint.address6}/{endpoint.prefix6}" if endpoint.address6 else "",
    }
