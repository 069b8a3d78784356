"""`mayhem ping [URL]`: round-trip time and loss."""

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.failures import UNREACHABLE
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.render import words


@click.command(
    "ping",
    short_help="Measure round-trip time and loss.",
    epilog=examples(
        "mayhem ping mayhem://host:5000",
    ),
)
@click.argument("url", required=False, metavar="[URL]")
@click.option(
    "-c",
    "--count",
    default=4,
    show_default=True,
    metavar="N",
    type=click.IntRange(1, 100_000),
    help="How many.",
)
@client_options
@click.pass_context
def command(ctx: click.Context, url: str | None, count: int) -> int:
    """Ask the server for signs of life, and tell how long they took and how many never came."""
    call = invocation(ctx)
    server = naming.remote(url, default=call.server) if url is not None else naming.whole(call.server)
    with call.output() as output:
        with call.connect(server, output) as remote:
            result = remote.ping(count)
        output.tell(result.as_dict(), words.ping(result, str(server.place)))
    return output.exit_code if result.received else UNREACHABLE
