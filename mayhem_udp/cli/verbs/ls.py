"""`mayhem ls [URL]`: list what is on a server."""

from collections.abc import Iterable

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.options import client_options, examples, invocation
from mayhem_udp.cli.render import words
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
                entries = list(_listed(remote, source, recursive=recursive))
            except RefusedError as error:
                output.failed(error, about=source.name)
                continue
            for entry in sorted(entries, key=lambda each: each.name):
                output.tell(entry.as_dict(), words.entry_line(entry))
    return output.exit_code


def _listed(remote: Remote, source: Url, *, recursive: bool) -> Iterable[Entry]:
    """What a pattern matches, or what a folder holds, or the file itself."""
    name = source.name.rstrip("/")
    deep = naming.all_below if recursive else naming.children_of
    if source.is_glob:
        matches = list(remote.list(name))
        inside = [each for entry in matches if recursive and entry.kind is EntryKind.FOLDER
                  for each in remote.list(deep(naming.literal(entry.name)))]  # fmt: skip
        return [*matches, *inside]
    if not name:
        return remote.list(deep(""))
    matches = list(remote.list(naming.literal(name)))
    if not matches:
        raise RefusedError(
            f"there is no {name} on the server", code=Code.NOT_FOUND, remedy="see with mayhem ls"
        )
    folders = [entry for entry in matches if entry.kind is EntryKind.FOLDER]
    return remote.list(deep(naming.literal(name))) if folders else matches
