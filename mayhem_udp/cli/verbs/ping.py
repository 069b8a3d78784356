"""`mayhem ping [URL]`: round-trip time and loss."""

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.failures import UNREACHABLE
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.render import words
from mayhem_udp.results import PingResult


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
    """Ask the server for signs of life, and tell how long they took and how many never came.

    Ctrl-C ends it, and tells of those so far.
    """
    call = invocation(ctx)
    server = naming.remote(url, default=call.server) if url is not None else naming.whole(call.server)
    result: PingResult | None = None
    with call.output() as output:
        try:
            with call.connect(server, output) as remote:
                for result in remote.pings(count):  # noqa: B007  # the last one is that of all
                    pass
        finally:
            if result is not None:
                output.tell(result.as_dict(), words.ping(result, str(server.place)))
    return output.exit_code if result is not None and result.received else UNREACHABLE
