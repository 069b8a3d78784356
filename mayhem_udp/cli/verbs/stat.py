"""`mayhem stat URL...`: all about files."""

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.render import words
from mayhem_udp.errors import RefusedError, UsageError


@click.command(
    "stat",
    short_help="Tell a file's size, time and SHA-256.",
    epilog=examples(
        "mayhem stat mayhem://host/report.pdf",
    ),
)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@client_options
@click.pass_context
def command(ctx: click.Context, urls: tuple[str, ...]) -> int:
    """Tell size, time of the last change and SHA-256 of files; the server reads them to do so."""
    call = invocation(ctx)
    sources = [naming.remote(url, default=call.server) for url in urls]
    if root := next((source for source in sources if not source.name), None):
        raise UsageError(f"{root} names no file", remedy="name a file, or see them all with `mayhem ls`")
    with call.output() as output:
        for source, remote in call.each_connected(sources, output):
            try:
                entry = remote.stat(source.name.rstrip("/"))
            except RefusedError as error:
                output.failed(error, about=source.name)
                continue
            output.tell(entry.as_dict(), words.entry_lines(entry))
    return output.exit_code
