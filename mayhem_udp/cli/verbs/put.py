"""`mayhem put PATH... URL`: upload files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import click

from mayhem_udp.cli.failures import beginning_anew, going_on_later, with_remedy
from mayhem_udp.cli.naming import (
    STANDARD_STREAM,
    Crowd,
    check_no_twins,
    is_place_shared,
    split_put,
    stream_name,
    upload_name,
)
from mayhem_udp.cli.options import Invocation, examples, invocation, local_path, transfer_options
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.tree import count_below, files_below
from mayhem_udp.errors import LocalFileError, UsageError
from mayhem_udp.escape import escape
from mayhem_udp.results import Outcome, TransferFailure
from mayhem_udp.url import Url

Upload = tuple[Path, str]
COUNT_MAX: Final = 100_000
"""More files than this are sent without a word on how many there are: to count them would take a while."""


@click.command(
    "put",
    short_help="Upload files.",
    epilog=examples(
        "mayhem put report.pdf mayhem://host/             keeps the name",
        "mayhem put report.pdf mayhem://host/2026.pdf     gives another",
        "mayhem put *.jpg mayhem://host/photos/           several, into a folder",
        "mayhem put -r site mayhem://host/                makes site/...",
        "mayhem put -r site/. mayhem://host/www/          the contents alone",
        "tar c src | mayhem put - mayhem://host/src.tar   standard input",
    ),
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH... [URL]", type=local_path)
@click.option("-r", "--recursive", is_flag=True, help="Take folders, with all that is in them.")
@transfer_options
@click.pass_context
@going_on_later()
def command(ctx: click.Context, paths: tuple[str, ...], recursive: bool) -> int:
    """Upload files; done means that the server has verified and stored them.

    Names go as with cp: a URL that ends with / is a folder to go into, any other is the new name.
    A transfer that was cut goes on where it stopped when the same command is given again.
    """
    call = invocation(ctx)
    sources, target = split_put(paths, default=call.server)
    if not sources:
        raise UsageError("there is no file to send", remedy="name one before the URL")
    with call.output() as output:
        if STANDARD_STREAM in sources:
            return _put_stream(call, sources, target, output)
        files, folders = _sorted_out(sources, target, output, recursive=recursive)
        if not files and not folders:
            return output.exit_code
        uploads = _uploads(files, folders, output)
        inside = count_below((path for path, _ in folders), at_most=COUNT_MAX)
        files_total = None if inside is None else len(files) + inside
        if files_total is None or files_total > 1:
            output.expect(call.tally(files_total))
        with call.connect(target, output) as remote:
            for outcome in remote.put_many(uploads):
                output.outcome(_with_remedy(outcome, target))
    return output.exit_code


def _with_remedy(outcome: Outcome, target: Url) -> Outcome:
    """The same, but for a folder that was meant to be gone into."""
    if not isinstance(outcome, TransferFailure) or outcome.name != target.name:
        return outcome
    remedy = "end the URL with / to go into it"
    return replace(outcome, error=with_remedy(outcome.error, name=outcome.name, remedy=remedy))


def _put_stream(call: Invocation, sources: list[str], target: Url, output: Output) -> int:
    if len(sources) > 1:
        raise UsageError(
            "standard input cannot be one of several", remedy="send it with a command of its own"
        )
    name = stream_name(target)
    stream = call.surroundings.stdin.buffer
    anew = beginning_anew("standard input", has_begun=lambda: output.has_begun)
    with anew, call.connect(target, output) as remote:
        output.transferred(remote.put(stream, name))
    return output.exit_code


def _sorted_out(
    sources: list[str], target: Url, output: Output, *, recursive: bool
) -> tuple[list[Upload], list[Upload]]:
    """Files and folders with their names on the server; what is not there fails alone, as with cp."""
    files: list[Upload] = []
    folders: list[Upload] = []
    crowd = Crowd.of(sources)
    for source in sources:
        path = Path(source)
        try:
            if not path.is_dir():
                path.stat()
                files.append((path, upload_name(source, target, crowd=crowd)))
                continue
        except OSError as error:
            output.failed(error)
            continue
        if recursive:
            folders.append((path, upload_name(source, target, crowd=crowd)))
        else:
            output.failed(
                LocalFileError(f"{source} is a folder", remedy="use -r to send it with its contents")
            )
    places = {name: path for path, name in folders}  # folders may share one, where their files do not
    check_no_twins(
        [(str(path), name) for path, name in files] + [(str(places[name]), name) for name in places]
    )
    return files, folders


def _uploads(files: Sequence[Upload], folders: Sequence[Upload], output: Output) -> Iterable[Upload]:
    """Every file; all are known before the first is sent only where folders share a place, as they may with cp.

    Raises `UsageError` where two files would become one.
    """
    inside = _walk(folders, output)
    if not is_place_shared([name for _, name in files], [name for _, name in folders]):
        return chain(files, inside)
    uploads = [*files, *inside]
    check_no_twins([(str(path), name) for path, name in uploads])
    return uploads


def _walk(folders: Iterable[Upload], output: Output) -> Iterator[Upload]:
    def note(path: Path, why: str) -> None:
        output.note(f"{escape(str(path))} {why}, left out")

    for folder, name in folders:
        yield from files_below(folder, name, on_skipped=note, on_unreadable=output.failed)
