"""Folders on this side: which files a recursive upload takes.

Owns the walk: sorted, without following links inside the tree, so that it ends and stays inside. What is
neither a file nor a folder is told to the caller, never opened; so is an empty folder, for which the server
has no place. A folder that cannot be read is a failure, since it may hold files.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mayhem_udp.cli.naming import joined
from mayhem_udp.spelling import as_name

Skipped = Callable[[Path, str], None]
"""Told of what is left out, and why."""
Unreadable = Callable[[OSError], None]
"""Told of a folder that cannot be read; the error names it."""


def files_below(
    folder: Path, name: str, *, on_skipped: Skipped, on_unreadable: Unreadable
) -> Iterator[tuple[Path, str]]:
    """Each file in a folder, however deep, and what it is called where the folder is called `name`."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        error.filename = error.filename or str(folder)  # reading on in it names nothing
        on_unreadable(error)
        return
    if not found:
        on_skipped(folder, "is empty")
    for entry in found:
        path, its_name = Path(entry.path), joined(name, as_name(entry.name))
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(path, its_name, on_skipped=on_skipped, on_unreadable=on_unreadable)
        elif entry.is_file(follow_symlinks=False):
            yield path, its_name
        else:
            on_skipped(path, "is a link" if entry.is_symlink() else "is no regular file")


def count_below(folders: Iterable[Path], *, at_most: int) -> int | None:
    """How many files there are in folders; None where they are more than one wants to wait for."""
    waiting, count = list(map(str, folders)), 0
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:  # whoever sends them says what is wrong
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    count += entry.is_file(follow_symlinks=False)
        if count > at_most:
            return None
    return count
