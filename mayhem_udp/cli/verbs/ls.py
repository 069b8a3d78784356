"""`mayhem ls [URL]`: list what is on a server."""

from collections.abc import Iterable

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.listing import listed
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.render import words
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.surroundings import Remote
from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.results import Entry, EntryKind
from mayhem_udp.url import Url


@click.command(
    "ls",
    short_help="List what is on a server.",
    epilog=examples(
        "mayhem ls mayhem://host/",
        "mayhem ls 'mayhem://host/photos/*.jpg'",
        "mayhem ls -r --json mayhem://host/site/",
    ),
)
@click.argument("urls", nargs=-1, metavar="[URL...]")
@click.option("-r", "--recursive", is_flag=True, help="Go into folders.")
@client_options
@click.pass_context
def command(ctx: click.Context, urls: tuple[str, ...], recursive: bool) -> int:
    """List files and folders: size, time of the last change, name."""
    call = invocation(ctx)
    sources = [naming.remote(url, default=call.server) for url in urls] or [naming.whole(call.server)]
    with call.output() as output:
        for source, remote in call.each_connected(sources, output):
            try:
                entries = list(_listed(remote, source, output, recursive=recursive))
            except RefusedError as error:
                output.failed(error, about=source.name)
                continue
            for entry in sorted(entries, key=lambda each: each.name):
                output.tell(entry.as_dict(), words.entry_line(entry))
    return output.exit_code


def _listed(remote: Remote, source: Url, output: Output, *, recursive: bool) -> Iterable[Entry]:
    """What a pattern matches, or what a folder holds, or the file itself."""
    name = source.name.rstrip("/")
    deep = naming.all_below if recursive else naming.children_of
    if source.is_glob:
        matches = listed(remote, name, output).entries
        inside = [each for entry in matches if recursive and entry.kind is EntryKind.FOLDER
                  for each in listed(remote, deep(naming.literal(entry.name)), output).entries]  # fmt: skip
        return [*matches, *inside]
    if not name:
        return listed(remote, deep(""), output).entries
    matches = list(remote.list(naming.literal(name)))
    if not matches:
        raise RefusedError(
            f"there is no {name} on the server", code=Code.NOT_FOUND, remedy="see with mayhem ls"
        )
    folders = [entry for entry in matches if entry.kind is EntryKind.FOLDER]
    return listed(remote, deep(naming.literal(name)), output).entries if folders else matches
