"""`mayhem proxy`: mayhem between two UDP programs."""

import click

from mayhem_udp.cli.failures import DONE, Stopped
from mayhem_udp.cli.options import examples, general_options, invocation, json_option
from mayhem_udp.cli.render.counts import CountsOutput
from mayhem_udp.mayhem.settings import spec_of
from mayhem_udp.url import PORT_DEFAULT, HostPort, parse_host_port


@click.command(
    "proxy",
    short_help="Put mayhem between two UDP programs.",
    epilog=examples(
        "mayhem proxy --listen :6000 --to localhost:5000 --mayhem drop=0.1,corrupt=0.1,seed=7",
        "mayhem proxy --listen 127.0.0.1:5353 --to 9.9.9.9:53 --mayhem satellite",
    ),
)
@click.option(
    "--listen", required=True, metavar="HOST:PORT", help="Where clients send to; :0 takes a free port."
)
@click.option("--to", required=True, metavar="HOST:PORT", help="Where it is passed on to.")
@json_option
@general_options
@click.pass_context
def command(ctx: click.Context, listen: str, to: str) -> int:
    """Pass datagrams on between clients and a server, both ways, with faults; count while it runs.

    It works with any UDP program. In a SPEC, "out" is the way to the server and "in" the way back.
    Ctrl-C ends it, and prints what it did.
    """
    call = invocation(ctx, levels=("warning", "debug", "trace"))
    here = parse_host_port(listen)
    there = parse_host_port(to, port_default=PORT_DEFAULT)
    around = call.surroundings
    is_quiet = call.verbosity < 0
    counts = CountsOutput(call.form, results=around.stdout, notes=None if is_quiet else around.stderr)

    def say_where(place: HostPort) -> None:
        if not is_quiet:
            around.stderr.write(f"mayhem: listening on {place}, passing on to {there}\n")
            around.stderr.flush()

    try:
        return around.run_proxy(
            here, there, spec_of(call.loaded.settings.mayhem), on_listening=say_where, on_counts=counts.update
        )
    except (KeyboardInterrupt, Stopped):
        return DONE  # the way to end it
    finally:
        counts.close()
