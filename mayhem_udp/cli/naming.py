"""What a file is called on the other side: the rules of `cp`, without a look at any disk or server.

Names go as the target says: `URL/` and `URL/dir/` are gone into and keep the name, `URL/b.txt` gives a
new one. Several sources always go into the target. A folder goes under its own name, its contents alone
with `dir/.`; a slash at its end, as a shell's completion leaves it, changes nothing. Where a folder lands
is decided by form alone, both ways, so that a command given again does the same again.
Never reads a folder, never judges whether a name is allowed: `store.names` does.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

from mayhem_udp import twins
from mayhem_udp.errors import PeerError, UsageError
from mayhem_udp.spelling import as_name
from mayhem_udp.url import Url, is_url, parse_url, url_meant_by

STANDARD_STREAM: Final = "-"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SERVER: Final = re.compile(r"(localhost|[\w.-]+:\d+)(/.*)?|([^@/]+@)?[\w.-]+:/.*|[^@/]+@[\w.-]+:.*")
"""What is meant as a server where one is missing: a file with a colon in its name is more likely one."""
_NAME_A_SERVER: Final = "end with mayhem://HOST:PORT/, or set MAYHEM_URL"
_NAME_THE_HOST: Final = "name the host, or set MAYHEM_URL to the server"
RECEIVED_PREFIX: Final = "received_"
"""What the round trip's file is called: this and the name of the original."""


class Crowd(Enum):
    """Whether one thing goes to the target, or several do."""

    ONE = "one"
    SEVERAL = "several"

    @classmethod
    def of(cls, sources: Sequence[object]) -> "Crowd":
        """How many these are."""
        return cls.ONE if len(sources) == 1 else cls.SEVERAL


# --- Which argument is what -------------------------------------------------------------------------


def split_put(arguments: Sequence[str], *, default: Url | None) -> tuple[list[str], Url]:
    """`PATH... [URL]`: the paths, and the target. Raises `UsageError`."""
    paths = list(arguments)
    target = default
    if paths and is_url(paths[-1]):
        target = parse_url(paths.pop(), default=default, hostless=_NAME_THE_HOST)
    if stray := next(filter(is_url, paths), None):
        raise UsageError(f"{stray!r} is a URL among the files", remedy="put the URL last")
    _check_each(paths)
    if target is None:
        meant = url_meant_by(paths[-1]) if paths[1:] and _SERVER.fullmatch(paths[-1]) else ""
        remedy = f"perhaps you mean {meant}" if meant else _NAME_A_SERVER
        raise UsageError("there is no URL to send to", remedy=remedy)
    return paths, target


def split_get(arguments: Sequence[str], *, default: Url | None) -> tuple[list[Url], str]:
    """`URL... [DEST]`: the sources, and where they go; `.` unless said. Raises `UsageError`."""
    sources = list(arguments)
    _check_each(sources)
    destination = "."
    if len(sources) > 1 and not is_url(sources[-1]):
        destination = sources.pop()
    return [remote(source, default=default) for source in sources], destination


def _check_each(arguments: Sequence[str]) -> None:
    """Refuse URLs of others (a file that is called like one can be written `./ftp://...`), and nothing at all.

    A path of no letters is the current folder to Python, and to a shell a variable that was not set.
    """
    for text in arguments:
        _check_not_empty(text)
        if _SCHEME.match(text) and not is_url(text):
            parse_url(text)


def _check_not_empty(text: str) -> None:
    if not text:
        raise UsageError(
            "an argument is empty, and names no file", remedy="name one; perhaps a variable is not set"
        )


def whole(default: Url | None) -> Url:
    """What is meant where no URL is given: the default server, or the folder that its URL names."""
    if default is None:
        raise UsageError("there is no URL", remedy=_NAME_A_SERVER)
    return default


def remote(text: str, *, default: Url | None) -> Url:
    """A URL, or a plain name on the default server. Raises `UsageError`."""
    _check_not_empty(text)
    if is_url(text) or default is None:
        return parse_url(text, default=default, hostless=_NAME_THE_HOST)
    folder = default.name if default.is_folder else f"{default.name}/"
    return parse_url(str(default.named(folder + text.removeprefix("/"))))


# --- Names on the server ----------------------------------------------------------------------------


def upload_name(path: str, target: Url, *, crowd: Crowd) -> str:
    """The name on the server of one file or folder; empty for contents that go to the root itself."""
    if not target.is_folder and crowd is Crowd.ONE:
        return target.name
    folder = target.name.rstrip("/")
    own = as_name(last_part(path))
    return "/".join(part for part in (folder, own) if part)


def stream_name(target: Url) -> str:
    """The name for standard input, which has none of its own. Raises `UsageError`."""
    if target.is_folder:
        raise UsageError("standard input has no name of its own", remedy=f"name it, as in {target}NAME")
    return target.name


def joined(folder: str, name: str) -> str:
    """A name inside a folder on the server; the empty folder is the root."""
    return f"{folder}/{name}" if folder else name


def last_part(path: str) -> str:
    """What a file or folder is called; empty where only its contents are meant (`.`, `..`, `dir/.`, `/`)."""
    own = os.path.basename(path.rstrip("/"))
    return "" if own in {".", ".."} else own


# --- Paths on this side -----------------------------------------------------------------------------


def goes_into(destination: str, *, crowd: Crowd) -> bool:
    """Whether the destination is a folder to go into by its form alone.

    For a file one that exists is, too. For a folder it is not: what was cut would be a part of itself when
    the command is given again.
    """
    return crowd is Crowd.SEVERAL or destination.endswith("/") or not last_part(destination)


def download_path(url: Url, destination: str, *, into: bool) -> Path:
    """Where one file or folder lands; the root's contents land in the destination itself."""
    own = last_part(url.name)
    return Path(destination, own) if into and own else Path(destination)


def relative_to(name: str, folder: str) -> str:
    """What comes after the folder in the name of something inside it."""
    prefix = folder.rstrip("/") + "/" if folder.rstrip("/") else ""
    if not name.startswith(prefix):
        raise PeerError(
            f"the server listed {name!r} as a part of {folder!r}", remedy="do not trust this server"
        )
    return name[len(prefix) :]


def received_name(path: str) -> str:
    """What the round trip's file is called on this side."""
    return RECEIVED_PREFIX + os.path.basename(path.rstrip("/"))


def contents_of(name: str) -> str | None:
    """The folder on the server whose contents alone are meant (`dir/.`); None where it is meant itself."""
    bare = name.rstrip("/")
    return bare[:-1].rstrip("/") if bare == "." or bare.endswith("/.") else None


def is_place_shared(files: Sequence[str], folders: Sequence[str]) -> bool:
    """Whether anything lands in a folder's place besides what is in that folder."""
    places = Counter(folders)
    within = any(places[folder] for name in (*files, *folders) for folder in _folders_above(name))
    return within or len(places) < len(folders)


def _folders_above(name: str) -> Iterator[str]:
    parts = name.split("/") if name else []
    return ("/".join(parts[:depth]) for depth in range(len(parts)))


# --- Patterns ---------------------------------------------------------------------------------------


def literal(name: str) -> str:
    """The pattern that means this name alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def children_of(folder: str) -> str:
    """The pattern of what is in a folder."""
    return joined(folder.rstrip("/"), "*")


def all_below(folder: str) -> str:
    """The pattern of what is in a folder, however deep."""
    return joined(folder.rstrip("/"), "**")


def check_no_twins(
    pairs: Sequence[tuple[str, str]], *, remedy: str = "send them apart, or into different folders"
) -> None:
    """Refuse two sources (first) that would become one file (second). Raises `UsageError`."""
    twins.check_no_twins(pairs, remedy=remedy)
