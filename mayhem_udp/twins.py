"""Two files that would become one: both would succeed, and the first be lost.

Owns the check and its sentence, for the command as for the library; what to do about it is theirs to say.
"""

from collections.abc import Iterable

from mayhem_udp.errors import UsageError
from mayhem_udp.escape import escape


def check_no_twins(pairs: Iterable[tuple[object, object]], *, remedy: str) -> None:
    """Refuse two sources (first) that would become one file (second). Raises `UsageError`."""
    seen: dict[object, object] = {}
    for source, target in pairs:
        if target in seen:
            both = f"{seen[target]} and {source} would both become {target}"
            raise UsageError(escape(both), remedy=remedy)
        seen[target] = source
