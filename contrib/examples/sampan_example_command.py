"""Show the addresses of running containers."""

import click

from sampan import hookimpl

_HEADERS = {"Name": "NAME", "Network": "NETWORK", "Address": "ADDRESS"}


@hookimpl
def sampan_open_command(name):
    from sampan.cli.command import command
    from sampan.cli.context import pass_context

    @command(name.rpartition(".")[2])
    @click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
    @click.option("--quiet", "-q", is_flag=True, help="Only show addresses")
    @click.argument("words", metavar="[CONTAINER...]", nargs=-1, required=False)
    @pass_context
    def addresses(context, words, form, quiet):
        """Show the addresses of running containers."""
        from sampan.cli.table import listing

        engine = context.engine
        names = {network.id: network.name for network in engine.list_networks()}
        containers = [engine.container(word) for word in words] if words else engine.containers()
        rows = [
            {"Name": container.name, "Network": names[endpoint.network], "Address": endpoint.address}
            for container in containers
            for endpoint in container.endpoints
        ]
        for line in listing(rows, _HEADERS, tuple(_HEADERS), form, quiet="Address" if quiet else "", kind="address"):
            click.echo(line)

    return addresses
