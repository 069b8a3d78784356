"""Patterns of names: `*`, `?`, `[...]` within a part, `**` for any number of folders.

Owns their grammar and how they match while a tree is walked: from the parts matched so far to what may
still follow, so that a walk goes only where something can match. Never reads a folder.
"""

import fnmatch
import re
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.limits import NAME_DEPTH_MAX
from mayhem_udp.store.names import decode_name

_MAGIC: Final = re.compile(r"[*?\[]")
_QUOTED: Final = re.compile(r"\[([^\]!])\]")
"""One character in brackets: how a pattern names a `*`, `?` or `[` itself."""
_STARS_MAX: Final = 32
"""Stars in one part; more than anybody means, and each costs time on every name."""
_BRACKETS_MAX: Final = 32
"""Brackets in one pattern; likewise, and each costs 2 ms before the first name."""

States = frozenset[int]
"""Which parts of a pattern may match the next part of a path; the number of parts means: all matched."""


class _AnyFolders:
    """The part `**`."""


ANY_FOLDERS: Final = _AnyFolders()


class Pattern(Struct, frozen=True):
    """A checked pattern. A part is a literal, a compiled expression, or any number of folders.

    `**` at the end stands for everything below, but not for the folder itself.
    """

    parts: tuple[str | re.Pattern[str] | _AnyFolders, ...]

    def start(self) -> States:
        """The states at the root."""
        return self._closed({0})

    def step(self, states: States, part: str) -> States:
        """The states after one more part of a path; empty when nothing below can match."""
        after: set[int] = set()
        for index in states:
            if index == len(self.parts):
                continue
            wanted = self.parts[index]
            if isinstance(wanted, _AnyFolders):
                after.add(index)
                if index == len(self.parts) - 1:
                    after.add(index + 1)
            elif wanted == part if isinstance(wanted, str) else wanted.match(part):
                after.add(index + 1)
        return self._closed(after)

    def accepts(self, states: States) -> bool:
        """Whether the path that led to these states matches."""
        return len(self.parts) in states

    def goes_on(self, states: States) -> bool:
        """Whether anything below the path that led to these states can match."""
        return any(index < len(self.parts) for index in states)

    def matches(self, name: str) -> bool:
        """Whether a whole name matches."""
        states = self.start()
        for part in name.split("/") if name else ():
            states = self.step(states, part)
        return self.accepts(states)

    def literals(self, states: States) -> tuple[str, ...] | None:
        """The only names that can follow; None where a folder has to be read to know."""
        names = []
        for index in states:
            if index < len(self.parts):
                wanted = self.parts[index]
                if not isinstance(wanted, str):
                    return None
                names.append(wanted)
        return tuple(names)

    def _closed(self, states: set[int]) -> States:
        """Any number of folders may be none; a last `**` needs one part at least."""
        for index in range(len(self.parts) - 1):
            if index in states and isinstance(self.parts[index], _AnyFolders):
                states.add(index + 1)
        return frozenset(states)


EVERYTHING: Final = Pattern((ANY_FOLDERS,))
"""All that is below the root."""


def check_pattern(raw: bytes | str) -> Pattern:
    """The pattern that `raw` stands for; the empty one matches the root itself. Raises `RefusedError`."""
    text = decode_name(raw)
    parts = text.split("/") if text else []
    if len(parts) > NAME_DEPTH_MAX:
        raise RefusedError(
            f"the pattern is more than {NAME_DEPTH_MAX} folders deep",
            code=Code.NAME_TOO_LONG,
            remedy="use a shorter one",
        )
    if any(part in {"", ".", ".."} for part in parts) or "\0" in text:
        raise RefusedError(
            "the pattern is absolute, or has an empty part, '.' or '..'",
            code=Code.NAME_REFUSED,
            remedy="write it like 'photos/*.jpg'",
        )
    wild = [part for part in parts if _MAGIC.search(_QUOTED.sub("", part))]
    if sum(part.count("[") for part in wild) > _BRACKETS_MAX:
        raise RefusedError(
            f"the pattern has more than {_BRACKETS_MAX} brackets",
            code=Code.NAME_REFUSED,
            remedy="write a simpler one",
        )
    return Pattern(tuple(_compiled(part) for part in parts))


def _compiled(part: str) -> str | re.Pattern[str] | _AnyFolders:
    if part == "**":
        return ANY_FOLDERS
    if not _MAGIC.search(_QUOTED.sub("", part)):
        return _QUOTED.sub(r"\1", part)
    if part.count("*") > _STARS_MAX:
        raise RefusedError(
            f"a part of the pattern has more than {_STARS_MAX} stars",
            code=Code.NAME_REFUSED,
            remedy="write a simpler one",
        )
    try:
        # `translate` never backtracks over a star, so a hostile pattern costs no more than a long one.
        return re.compile(fnmatch.translate(part))
    except re.error:
        raise RefusedError(
            "the pattern has brackets that make no sense", code=Code.NAME_REFUSED, remedy="quote them as [[]"
        ) from None
