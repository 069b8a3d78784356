"""`mayhem echo PATH... [URL]`: the round trip."""

from pathlib import Path

import click

from mayhem_udp.cli.naming import STANDARD_STREAM, check_no_twins, received_name, split_put
from mayhem_udp.cli.options import Invocation, examples, invocation, local_path, transfer_options
from mayhem_udp.errors import IntegrityError, MayhemError, UnreachableError, UsageError


@click.command(
    "echo",
    short_help="Send files on a round trip, and compare what comes back.",
    epilog=examples(
        "mayhem echo sample.bin mayhem://host/",
        "mayhem echo a.bin b.bin mayhem://host/ --out results --chunk-size 1024",
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH...] [URL]", type=local_path)
@click.option(
    "--out",
    "out_dir",
    default=".",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, readable=False),
    help="Where the returned files go.",
)
@transfer_options
@click.pass_context
def command(ctx: click.Context, paths: tuple[str, ...], out_dir: str) -> int:
    """Send each file to the server, which sends it back in chunks; save it as received_<name> and compare.

    Nothing stays on the server. With no PATH at a terminal, it asks for one.
    """
    call = invocation(ctx)
    sources, target = split_put(paths, default=call.server)
    if not sources:
        sources = [_asked_for(call)]
    if STANDARD_STREAM in sources:
        raise UsageError(
            "standard input has no name, and what comes back is saved under one",
            remedy="name a file (one that is called - is ./-)",
        )
    check_no_twins([(source, received_name(source)) for source in sources])
    with call.output() as output, call.connect(target, output) as remote:
        for source in sources:
            try:
                result = remote.echo(Path(source), out_dir=Path(out_dir))
            except UnreachableError:
                raise
            except (MayhemError, OSError) as error:
                output.failed(error, about=source)
                continue
            output.transferred(result)
            if not result.verified:
                output.failed(IntegrityError(f"{source} came back changed", remedy="do not use the copy"))
    return output.exit_code


def _asked_for(call: Invocation) -> str:
    """The path that the person at the terminal names. Raises `UsageError` where there is nobody."""
    around = call.surroundings
    if not around.stdin.isatty():
        raise UsageError("there is no file to send", remedy="name one, as in mayhem echo FILE URL")
    around.stderr.write("File to send: ")
    around.stderr.flush()
    answer = around.stdin.readline().strip()
    if not answer:
        raise UsageError("there is no file to send", remedy="name one")
    return str(Path(answer).expanduser())
