"""`mayhem rm URL...`: remove files from a server."""

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.surroundings import Remote
from mayhem_udp.errors import RefusedError
from mayhem_udp.escape import escape
from mayhem_udp.results import EntryKind
from mayhem_udp.url import Url


@click.command(
    "rm",
    short_help="Remove files from a server.",
    epilog=examples(
        "mayhem rm mayhem://host/report.pdf",
        "mayhem rm 'mayhem://host/old/*.log'",
    ),
)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@client_options
@click.pass_context
def command(ctx: click.Context, urls: tuple[str, ...]) -> int:
    """Remove files. There is no way back. A pattern removes the files that match it."""
    call = invocation(ctx)
    sources = [naming.remote(url, default=call.server) for url in urls]
    with call.output() as output:
        for source, remote in call.each_connected(sources, output):
            for name in _matching(remote, source):
                try:
                    remote.remove(name)
                except RefusedError as error:
                    output.failed(error, about=name)
                else:
                    output.confirm({"name": name, "removed": True}, f"removed {escape(name)}")
    return output.exit_code


def _matching(remote: Remote, source: Url) -> list[str]:
    if not source.is_glob:
        return [source.name]
    return [entry.name for entry in remote.list(source.name) if entry.kind is EntryKind.FILE] or [source.name]
