"""`mayhem serve`: the daemon."""

import click

from mayhem_udp.cli.options import examples, general_options, invocation, setting

LEVELS = ("warning", "debug", "trace")


@click.command(
    "serve",
    short_help="Run the daemon that clients send to and fetch from.",
    epilog=examples(
        "mayhem serve --root /srv/files",
        "mayhem serve --listen 127.0.0.1:0 --root files --mayhem challenge",
        "mayhem serve --config /etc/mayhem_udp/config.toml",
    ),
)
@setting("--listen", "server.listen", "HOST:PORT", "Where to listen; :0 takes a free port and says which.")
@setting("--root", "store.root", "DIR", "The folder that is served.")
@setting("--chunk-size", "transport.chunk_size", "BYTES", "Payload of a datagram; 0 discovers the most.")
@setting("--rate", "congestion.rate_cap", "BITS", "No faster than this to or from a client, such as 20M.")
@setting("--cc", "congestion.controller", "NAME", "Congestion control: bbr, cubic or fixed.")
@general_options
@click.pass_context
def command(ctx: click.Context) -> int:
    """Run the daemon until SIGTERM or Ctrl-C; SIGHUP reads the configuration again.

    Without --listen it takes port 5000 of every address of this machine. It knows no users: a firewall
    or a private network decides who reaches it.
    """
    call = invocation(ctx, levels=LEVELS)
    return call.surroundings.run_daemon(call.loaded.settings, sources=call.loaded.sources)
