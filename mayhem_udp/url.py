"""Where a server is and what is meant there: `mayhem://HOST[:PORT]/NAME` and `HOST:PORT`.

Owns the grammar of both. A name is taken literally, as the shell gave it: nothing is percent-decoded,
`?` and `*` are globs. Never looks a host up, never judges a name: `store.names` does.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from mayhem_udp.errors import UsageError
from mayhem_udp.spelling import as_name

SCHEME: Final = "mayhem://"
PORT_DEFAULT: Final = 5000
PORT_MAX: Final = 65_535
HOST_MAX_CHARS: Final = 253

_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(%[0-9A-Za-z_.~-]{1,32})?")
_HOST: Final = re.compile(r"[\w.-]+")
_GLOB: Final = re.compile(r"[*?\[]")
_OF_SCP: Final = re.compile(r"(?:[^@/]+@)?([\w.-]+):(?!\d+(?:/|$))(.+)")
"""`[user@]host:path`, as scp and rsync have it."""
_SLASHES_MISSING: Final = re.compile(r"mayhem:(?!\d+(?:/|$))/*(.*)", re.IGNORECASE)
_EXAMPLE: Final = "write it like mayhem://HOST:PORT/NAME"
_NAME_THE_HOST: Final = "name the host, as in mayhem://localhost/"


@dataclass(frozen=True, slots=True)
class HostPort:
    """A place that datagrams go to or come in at; an empty host means every address of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Url:
    """A server and a name on it; the name is empty for the whole, and ends with `/` for a folder."""

    host: str
    port: int
    name: str

    @property
    def place(self) -> HostPort:
        """The server alone."""
        return HostPort(self.host, self.port)

    @property
    def is_folder(self) -> bool:
        """Whether it names something to go into: `URL/` or `URL/dir/`."""
        return not self.name or self.name.endswith("/")

    @property
    def is_glob(self) -> bool:
        """Whether its name is a pattern."""
        return _GLOB.search(self.name) is not None

    def named(self, name: str) -> "Url":
        """The same server, another name."""
        return replace(self, name=name)

    def __str__(self) -> str:
        return f"{SCHEME}{self.place}/{self.name}"


def is_url(text: str) -> bool:
    """Whether `text` means to be a URL (it may still be a bad one)."""
    return text[: len(SCHEME)].lower() == SCHEME  # of any case: RFC 3986, 3.1


def parse_url(text: str, *, default: Url | None = None, hostless: str = _NAME_THE_HOST) -> Url:
    """A URL; one without a host (`mayhem:///NAME`) is on the `default` server. Raises `UsageError`.

    `hostless` is the remedy where there is no such server.
    """
    if not is_url(text):
        raise _bad_url(text, "it does not begin with mayhem://", guess=_scheme_guess(text))
    place, _, name = as_name(text)[len(SCHEME) :].partition("/")
    if "@" in place:
        raise _bad_url(text, "it has a user name, and mayhem knows no users")
    if any(not part for part in name.rstrip("/").split("/") if name) or name.endswith("//"):
        raise _bad_url(text, "its name has an empty part")
    if not place:
        if default is None:
            raise _bad_url(text, "it has no host", guess=hostless)
        return default.named(name)
    try:
        where = parse_host_port(place, port_default=PORT_DEFAULT)
    except UsageError as error:
        raise _bad_url(text, error.message) from None
    if not where.host or not where.port:
        raise _bad_url(text, "it has no host" if not where.host else "port 0 cannot be reached")
    return Url(where.host, where.port, name)


def parse_host_port(text: str, *, port_default: int | None = None) -> HostPort:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT`; no port only where there is a default. Raises `UsageError`."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or not _IPV6.fullmatch(host):
            raise UsageError(
                f"{text!r} is not an IPv6 address in brackets", remedy="write it like [::1]:5000"
            )
        return HostPort(host, _port(rest[1:] if rest else "", text=text, port_default=port_default))
    if "://" in text:
        place = text.partition("://")[2].partition("/")[0]
        is_whole = place.rpartition(":")[2].isdecimal()
        remedy = f"write {place}" if is_whole else "write it like HOST:5000"
        raise UsageError(f"{text!r} is a URL, and HOST:PORT is wanted here", remedy=remedy)
    if text.count(":") > 1:
        raise UsageError("an IPv6 address needs brackets", remedy=f"write [{text}]")
    host, _, port = text.partition(":")
    if host and (len(host) > HOST_MAX_CHARS or not _HOST.fullmatch(host)):
        raise UsageError(
            f"{host!r} is not a host name or address", remedy="write it like files.example.org:5000"
        )
    return HostPort(host, _port(port, text=text, port_default=port_default))


def _port(digits: str, *, text: str, port_default: int | None) -> int:
    if not digits and port_default is not None and not text.endswith(":"):
        return port_default
    if not _is_port(digits):
        remedy = f"a port alone is written :{text}" if _is_port(text) else "write it like HOST:5000"
        raise UsageError(f"{text!r} has no port from 0 to {PORT_MAX}", remedy=remedy)
    return int(digits)


def _is_port(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and int(digits[:6]) <= PORT_MAX


def _bad_url(text: str, why: str, *, guess: str = _EXAMPLE) -> UsageError:
    return UsageError(f"{text!r} is not a URL that mayhem understands: {why}", remedy=guess)


def _scheme_guess(text: str) -> str:
    meant = url_meant_by(text)
    return f"perhaps you mean {meant}" if meant else _EXAMPLE


def url_meant_by(text: str) -> str:
    """The URL that somebody may mean who writes one of another program; empty where nothing suggests itself."""
    _, scheme_end, rest = text.rpartition("://")
    bare = None if scheme_end else _SLASHES_MISSING.fullmatch(text)
    copied = None if scheme_end or bare else _OF_SCP.fullmatch(text)
    place = f"{copied[1]}/{copied[2].lstrip('/')}" if copied else bare[1] if bare else rest
    if not place or place.startswith(("/", ".")):
        return ""
    try:
        parse_url(SCHEME + place)
    except UsageError:
        return ""
    return SCHEME + place
