"""What a server lists, also where it could not read all of it.

Owns that such a gap is told as a failure while the rest goes on, so that nobody takes a part for the whole.
Never decides what is done with the names.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.surroundings import Remote
from mayhem_udp.errors import IncompleteListError
from mayhem_udp.results import Entry


class Listed(NamedTuple):
    """What matches, and whether that is all."""

    entries: Sequence[Entry]
    is_whole: bool


def listed(remote: Remote, pattern: str, output: Output) -> Listed:
    """What matches a pattern; folders that the server cannot read are told as a failure."""
    try:
        return Listed(list(remote.list(pattern)), is_whole=True)
    except IncompleteListError as error:
        output.failed(error)
        return Listed(error.entries, is_whole=False)
