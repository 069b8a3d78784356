"""`mayhem get URL... [DEST]`: download files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from mayhem_udp.cli import naming
from mayhem_udp.cli.failures import beginning_anew, going_on_later, with_remedy
from mayhem_udp.cli.listing import listed
from mayhem_udp.cli.naming import STANDARD_STREAM, Crowd
from mayhem_udp.cli.options import Invocation, examples, invocation, local_path, transfer_options
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.streams import writing_output
from mayhem_udp.cli.surroundings import Remote
from mayhem_udp.errors import Code, LocalFileError, MayhemError, PeerError, RefusedError, UsageError
from mayhem_udp.escape import escape
from mayhem_udp.results import Entry, EntryKind, Outcome, TransferFailure
from mayhem_udp.url import Url

Download = tuple[str, Path]
_NO_TARGET: Final = "the target of get is a path on this side, and no URL"


@click.command(
    "get",
    short_help="Download files.",
    epilog=examples(
        "mayhem get mayhem://host/report.pdf            into the current folder",
        "mayhem get mayhem://host/report.pdf 2026.pdf   under another name",
        "mayhem get 'mayhem://host/photos/*.jpg' pics   a pattern (quote it), into a folder",
        "mayhem get -r mayhem://host/site .             makes site/...",
        "mayhem get -r mayhem://host/site www           makes www/...",
        "mayhem get -r mayhem://host/site/. .           the contents alone",
        "mayhem get mayhem://host/src.tar - | tar x     standard output",
    ),
)
@click.argument("urls", nargs=-1, required=True, metavar="URL... [DEST]", type=local_path)
@click.option("-r", "--recursive", is_flag=True, help="Take folders, with all that is in them.")
@transfer_options
@click.pass_context
@going_on_later()
def command(ctx: click.Context, urls: tuple[str, ...], recursive: bool) -> int:
    """Download files; each is verified before it is put in its place.

    DEST is a folder to go into or a new name, as with cp; without it files land in the current folder. A
    folder goes into DEST only where that ends with /, and is called DEST otherwise, whether that exists or not.
    With MAYHEM_URL set, plain names mean files on that server.
    """
    call = invocation(ctx)
    sources, destination = naming.split_get(urls, default=call.server)
    servers = {source.place for source in sources}
    if len(servers) > 1:
        remedy = f"fetch from each with a command of its own; {_NO_TARGET}"
        raise UsageError("the URLs name several servers", remedy=remedy)
    if destination == STANDARD_STREAM:
        return _get_stream(call, sources)
    with call.output() as output, call.connect(sources[0], output) as remote:
        downloads = _planned(remote, sources, destination, output, recursive=recursive)
        if len(downloads) > 1:
            output.expect(call.tally(len(downloads)))
        for outcome in remote.get_many(downloads):
            output.outcome(_with_remedy(outcome))
    return output.exit_code


def _with_remedy(outcome: Outcome) -> Outcome:
    """The same, but for a folder on the server: what is in the way here has a remedy of its own."""
    if not isinstance(outcome, TransferFailure) or isinstance(outcome.error, LocalFileError):
        return outcome
    remedy = "use -r to fetch it with its contents"
    return replace(outcome, error=with_remedy(outcome.error, name=outcome.name, remedy=remedy))


def _get_stream(call: Invocation, sources: Sequence[Url]) -> int:
    if len(sources) > 1 or sources[0].is_folder:
        raise UsageError("only one file can go to standard output", remedy="name one file")
    stream = call.surroundings.stdout.buffer
    with (
        call.output(stdout_is_data=True) as output,
        beginning_anew("standard output", has_begun=lambda: output.has_begun),
        call.connect(sources[0], output) as remote,
    ):
        try:
            output.transferred(remote.get(sources[0].name, stream))
        except RefusedError as error:
            raise with_remedy(error, name=sources[0].name, remedy="name one file") from None
        with writing_output():
            stream.flush()
    return output.exit_code


def _planned(
    remote: Remote, sources: Sequence[Url], destination: str, output: Output, *, recursive: bool
) -> list[Download]:
    """Every file to fetch, and its path; what cannot be fetched fails alone."""
    matches: list[tuple[Url, Entry | None]] = []
    for source in sources:
        try:
            matches += [
                (source.named(name), entry)
                for name, entry in _matching(remote, source, output, recursive=recursive)
            ]
        except (RefusedError, PeerError) as error:
            output.failed(error, about=source.name)
    by_form = naming.goes_into(destination, crowd=Crowd.of(matches))
    into = by_form or Path(destination).is_dir()
    downloads: list[Download] = []
    for url, entry in matches:
        try:
            is_folder = entry is not None and entry.kind is EntryKind.FOLDER
            landing = naming.download_path(url, destination, into=by_form if is_folder else into)
            downloads += _expanded(remote, url, entry, landing, output, recursive=recursive)
        except MayhemError as error:
            output.failed(error, about=url.name)
    if matches and not downloads and not output.exit_code:
        output.failed(
            RefusedError("there is no file to fetch", code=Code.NOT_FOUND, remedy="see with mayhem ls -r")
        )
    naming.check_no_twins(
        [(name, str(path)) for name, path in downloads],
        remedy=f"fetch them apart, or into different folders; {_NO_TARGET}",
    )
    return downloads


def _matching(
    remote: Remote, source: Url, output: Output, *, recursive: bool
) -> Iterator[tuple[str, Entry | None]]:
    """The names that a source means; the entry is left out where nobody needs to ask for it."""
    folder = naming.contents_of(source.name)
    name, dot = (source.name.rstrip("/"), "") if folder is None else (folder, "/.")
    if source.is_glob:
        found = listed(remote, name, output)
        entries = [each for each in found.entries if not dot or each.kind is EntryKind.FOLDER]
        yield from ((_match_of(name, entry.name) + dot, entry) for entry in entries)
        if entries or not found.is_whole:
            return
    if source.is_glob or (name and not recursive and not dot and not source.is_folder):
        yield name, None
    elif not recursive:
        raise UsageError(f"{source} is a folder", remedy="use -r to fetch it with its contents")
    elif name:
        entry = remote.stat(name)
        if dot and entry.kind is EntryKind.FILE:
            raise UsageError(f"{name} is a file, and has no contents", remedy="leave the /. out")
        yield name + dot, entry
    else:
        yield "", Entry(name="", bytes=0, mtime_ns=0, kind=EntryKind.FOLDER)


def _expanded(
    remote: Remote, url: Url, entry: Entry | None, landing: Path, output: Output, *, recursive: bool
) -> Iterator[Download]:
    """One file, or all that a folder holds."""
    if entry is None or entry.kind is EntryKind.FILE:
        yield url.name, landing
    elif not recursive:
        output.note(f"{escape(url.name)} is a folder, left out (-r takes it)")
    else:
        contents = naming.contents_of(url.name)
        folder = url.name if contents is None else contents
        inside = listed(remote, naming.all_below(naming.literal(folder)), output)
        files = [each.name for each in inside.entries if each.kind is EntryKind.FILE]
        if not files and inside.is_whole:
            output.note(f"{escape(str(url))} has no files, left out")
        for name in files:
            relative = naming.relative_to(_checked(name), folder)
            yield name, landing.joinpath(*relative.split("/"))


def _match_of(pattern: str, name: str) -> str:
    """A name that the server says matches, if it does: what a pattern asks for decides what lands here."""
    from mayhem_udp.store.patterns import check_pattern

    if not check_pattern(pattern).matches(_checked(name)):
        raise PeerError(
            f"the server listed {name!r} as a match of {pattern!r}", remedy="do not trust this server"
        )
    return name


def _checked(name: str) -> str:
    """A name that the server chose, if it may decide where a file lands here."""
    from mayhem_udp.store.names import check_name  # only where a server chooses

    try:
        check_name(name)
    except RefusedError as error:
        message = f"the server offers the name {name!r}: {error.message}"
        raise RefusedError(
            message, code=Code.NAME_REFUSED, remedy="fetch it under a name of your own"
        ) from None
    return name
