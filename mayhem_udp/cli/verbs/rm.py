"""`mayhem rm URL...`: remove files from a server."""

from itertools import groupby

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.failures import with_remedy
from mayhem_udp.cli.listing import listed
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.surroundings import Remote
from mayhem_udp.errors import UsageError
from mayhem_udp.escape import escape
from mayhem_udp.results import EntryKind, Removal, TransferFailure
from mayhem_udp.url import Url


@click.command(
    "rm",
    short_help="Remove files from a server.",
    epilog=examples(
        "mayhem rm mayhem://host/report.pdf",
        "mayhem rm 'mayhem://host/old/*.log'",
        "mayhem rm 'mayhem://host/old/**'      all files in it, however deep",
    ),
)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@client_options
@click.pass_context
def command(ctx: click.Context, urls: tuple[str, ...]) -> int:
    """Remove files. There is no way back. A pattern removes the files that match it; folders stay."""
    call = invocation(ctx)
    sources = [naming.remote(url, default=call.server) for url in urls]
    if folder := next((source for source in sources if source.is_folder), None):
        raise UsageError(f"{folder} is a folder", remedy=_remedy(folder))
    with call.output(has_bars=False) as output:
        for _, neighbours in groupby(sources, key=lambda source: source.place):
            here = list(neighbours)
            with call.connect(here[0], output) as remote:
                names = [name for source in here for name in _matching(remote, source, output)]
                if len(names) > 1:
                    output.expect(call.tally(len(names), deed="removed"))
                for removal in remote.remove_many(names):
                    _tell(output, removal, folder_remedy=_remedy(here[0].named(removal.name)))
    return output.exit_code


def _tell(output: Output, removal: Removal, *, folder_remedy: str) -> None:
    name = removal.name
    if removal.error is None:
        output.confirm({"name": name, "removed": True}, f"removed {escape(name)}")
    else:
        error = with_remedy(removal.error, name=name, remedy=folder_remedy)
        output.outcome(TransferFailure(name=name, error=error))


def _matching(remote: Remote, source: Url, output: Output) -> list[str]:
    if not source.is_glob:
        return [source.name]
    found = listed(remote, source.name, output)
    names = [entry.name for entry in found.entries if entry.kind is EntryKind.FILE]
    return names or ([source.name] if found.is_whole else [])


def _remedy(folder: Url) -> str:
    """What to do instead of removing a folder, which cannot be done."""
    if not folder.name:
        return "name a file"
    inside = naming.all_below(naming.literal(folder.name))
    return f"name a file, or all that are in it: '{folder.named(inside)}'"
