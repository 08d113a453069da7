"""Tests of links between containers, as Docker makes them."""

from __future__ import annotations

import pytest
from tests.core.engine.containers import Bench
from tests.services.names import ask

from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import Container
from sampan.model.network import Connection, Link, Network


def _other(bench: Bench, **spec: object) -> Container:
    return bench.start("sleep", "100", name="shop", network="bridge", **spec)


def test_names_and_addresses(bench: Bench) -> None:
    other = _other(bench, hostname="dbhost")
    (endpoint,) = other.endpoints
    output = bench.shell("tail -n 2 /etc/hosts", network="bridge", links=(Link(name="shop", alias="my-db"),))
    assert output.startswith(f"{endpoint.address}\tmy-db dbhost shop\n")
    output = bench.shell("grep shop /etc/hosts", network="bridge", links=(Link(name=other.id[:12], alias="shop"),))
    assert output == f"{endpoint.address}\tshop dbhost\n"
    bench.shell("ping -c 1 -W 5 alias", network="bridge", links=(Link(name="shop", alias="alias"),))


def test_what_is_offered(bench: Bench) -> None:
    other = _other(bench, env=("A=b", "C=d e", "PATH=/bin"), exposed_ports=("80/tcp", "53/udp", "90/tcp", "91/tcp"))
    (endpoint,) = other.endpoints
    script = "env | grep ^MY_DB_"
    links, where = (Link(name="shop", alias="my-db"),), endpoint.address
    told = set(bench.shell(script, name="app", network="bridge", links=links, env=("MY_DB_ENV_A=own",)).splitlines())
    ports = [("80", "tcp"), ("90", "tcp"), ("53", "udp"), ("91", "tcp")]
    assert told == {
        f"MY_DB_PORT=udp://{where}:53", "MY_DB_NAME=/app/my-db", "MY_DB_ENV_A=own", "MY_DB_ENV_C=d e",
        *(f"MY_DB_PORT_{port}_{kind.upper()}={kind}://{where}:{port}" for port, kind in ports),
        *(f"MY_DB_PORT_{port}_{kind.upper()}_ADDR={where}" for port, kind in ports),
        *(f"MY_DB_PORT_{port}_{kind.upper()}_PORT={port}" for port, kind in ports),
        *(f"MY_DB_PORT_{port}_{kind.upper()}_PROTO={kind}" for port, kind in ports),
    }  # fmt: skip


def test_ports_in_a_row_are_told_by_the_first_and_the_last(bench: Bench) -> None:
    other = _other(bench, exposed_ports=("90/udp", "90/tcp", "91/tcp", "92/tcp", "93/tcp"))
    (endpoint,) = other.endpoints
    output = bench.shell("env | grep -E '_(START|END)='", network="bridge", links=(Link(name="shop", alias="d"),))
    assert set(output.splitlines()) == {
        f"D_PORT_90_TCP_START=tcp://{endpoint.address}:90", "D_PORT_90_TCP_PORT_START=90",
        f"D_PORT_90_TCP_END=tcp://{endpoint.address}:93", "D_PORT_90_TCP_PORT_END=93",
    }  # fmt: skip


def test_who_links_finds_the_other_where_it_is_after_another_start(bench: Bench) -> None:
    other = _other(bench)
    linking = bench.start("sleep", "100", network="bridge", links=(Link(name="shop", alias="db"),))
    bench.engine.stop("shop", timeout=0)
    bench.start("sleep", "100", network="bridge")  # at the address that is free now
    bench.engine.start("shop")
    (endpoint,) = bench.engine.container("shop").endpoints
    assert endpoint.address != other.endpoints[0].address
    with open(f"/proc/{linking.pid}/root/etc/hosts") as file:
        (line,) = (line for line in file if line.endswith(f"\tdb {other.short_id} shop\n"))
    assert line.split()[0] == endpoint.address


@pytest.mark.parametrize("alias", ["a b", "a\nb", "x/a\tb", "a\x1b"])
def test_an_alias_is_one_word(bench: Bench, alias: str) -> None:
    _other(bench)
    with pytest.raises(InvalidInput, match="is not a valid alias of a link"):
        bench.create("true", network="bridge", links=(Link(name="shop", alias=alias),))


def test_who_does_not_run_is_not_linked_to(bench: Bench) -> None:
    other = _other(bench)
    container = bench.create("true", name="app", network="bridge", links=(Link(name="shop", alias="db"),))
    assert bench.engine.inspect_container("app")["HostConfig"]["Links"] == ["/shop:/app/db"]
    message = r"^Cannot link to a non running container: /shop AS /app/db$"
    bench.engine.stop("shop", timeout=0)
    with pytest.raises(Conflict, match=message):
        bench.engine.start("app")
    bench.engine.remove(other.id)
    with pytest.raises(Conflict, match=message):
        bench.engine.start("app")
    assert bench.engine.container(container.id).exit_code == 128


def test_where_there_is_nothing_to_link(bench: Bench) -> None:
    bench.start("sleep", "100", name="lonely")
    links = (Link(name="lonely", alias="db"),)
    bench.shell("! grep db /etc/hosts", links=links)
    container = bench.create("true", network="bridge", links=links)
    with pytest.raises(Conflict, match=r"^Cannot link to /lonely, as it does not belong to the default network$"):
        bench.engine.start(container.id)
    with pytest.raises(NotFound, match=r"^could not get container for nosuch: No such container: nosuch$"):
        bench.create("true", network="bridge", links=(Link(name="nosuch", alias="a"),))
    with pytest.raises(InvalidInput, match="host type networking can't be used with links"):
        bench.create("true", network="host", links=links)
    with pytest.raises(InvalidInput, match="container type network can't be used with links"):
        bench.create("true", network="container:lonely", links=links)


def _asked(container: Container, name: str) -> list[str]:
    return ask(f"/proc/{container.pid}/ns/net", name)[1]


def test_on_a_network_of_ones_own_the_name_service_does(bench: Bench) -> None:
    for name in ("one", "two"):
        bench.engine.create_network(Network(id="", name=name, driver="bridge"))
    web, other = (bench.start("sleep", "100", name=name, network="one") for name in ("web", "other"))
    at_web = [web.endpoints[0].address]
    wanted = (("web", "w"), (web.id, "x"), ("later", "l"))
    links = tuple(Link(name=target, alias=alias) for target, alias in wanted)
    it = bench.start("sleep", "100", name="it", network="one", links=links)
    assert _asked(it, "w") == _asked(it, "X") == _asked(it, "w.one") == at_web
    assert _asked(other, "w") == [] and _asked(it, "l") == []
    bench.start("sleep", "100", name="later", network="one")
    assert len(_asked(it, "l")) == 1
    networks = bench.engine.inspect_container(it.id)["NetworkSettings"]["Networks"]
    assert networks["one"]["Links"] == ["web:w", f"{web.id}:x", "later:l"]
    bench.engine.connect("other", Connection(network="two"))
    links = Link(name="web", alias="v"), Link(name="other", alias="o")
    bench.engine.connect("it", Connection(network="two", links=links))
    assert _asked(it, "v") == [] and len(_asked(it, "o")) == 1
    with pytest.raises(InvalidInput, match="links are only supported for user-defined networks"):
        bench.engine.connect(
            bench.create("true", network="bridge").id,
            Connection(network="bridge", links=(Link(name="web", alias="w"),)),
        )
