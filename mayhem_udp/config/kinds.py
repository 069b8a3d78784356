"""Kinds of values: how each is written, which range it may have, and how it is shown again.

A kind reads a value in two forms: `from_toml` takes what a TOML file or a Python caller gives, and
minds its type; `from_text` takes what an environment variable or an option gives. Both raise
`ValueError` with the reason as half a sentence. Never knows a key or a default.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from mayhem_udp.errors import UsageError
from mayhem_udp.units import (
    GIB,
    HOUR,
    KIB,
    MIB,
    MINUTE,
    MS,
    NS,
    SECOND,
    US,
    parse_duration_ns,
    parse_rate_bps,
    parse_size_bytes,
)
from mayhem_udp.url import HostPort, Url, parse_host_port, parse_url

_SIZE_UNITS: Final = ((GIB << 10, "T"), (GIB, "G"), (MIB, "M"), (KIB, "K"))
_RATE_UNITS: Final = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
_DURATION_UNITS: Final = (
    (24 * HOUR, "d"),
    (HOUR, "h"),
    (MINUTE, "min"),
    (SECOND, "s"),
    (MS, "ms"),
    (US, "us"),
    (NS, "ns"),
)
_WORDS_ON: Final = frozenset({"true", "on", "yes", "1"})
_WORDS_OFF: Final = frozenset({"false", "off", "no", "0"})


class Kind(Protocol):
    """What every kind can do."""

    suffix: str
    """The unit, as the attribute of the setting ends with it: `idle_timeout` is `idle_timeout_ns`."""

    def from_toml(self, value: object) -> object:
        """The setting's value; raises `ValueError`."""

    def from_text(self, text: str) -> object:
        """The setting's value; raises `ValueError`."""

    def to_toml(self, value: object) -> str:
        """The value as TOML would have it."""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped) + '"'


def _type_name(value: object) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list"}
    return "a table" if isinstance(value, Mapping) else names.get(type(value), type(value).__name__)


def _exactly(value: int, units: Sequence[tuple[int, str]]) -> str:
    """The shortest way to write it with one of the units, losing nothing."""
    for factor, unit in units:
        if value and value % factor == 0:
            return f'"{value // factor}{unit}"'
    return str(value)


class _Bounded:
    """A number within bounds; 0 stands beside them where `zero` gives it a meaning of its own."""

    __slots__ = ("high", "low", "zero")

    def __init__(self, low: int, high: int, *, zero: str = "") -> None:
        self.low = low
        self.high = high
        self.zero = zero

    def _in_range(self, value: int, *, show: Callable[[object], str]) -> int:
        if (value == 0 and self.zero) or self.low <= value <= self.high:
            return value
        apart = f"0 ({self.zero}) or " if self.zero else ""
        raise ValueError(f"must be {apart}from {show(self.low)} to {show(self.high)}, and is {show(value)}")


class Count(_Bounded):
    """A whole number without a unit."""

    __slots__ = ()
    suffix = ""

    def from_toml(self, value: object) -> int:
        """A TOML integer."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number, and is {_type_name(value)}")
        return self._in_range(value, show=self.to_toml)

    def from_text(self, text: str) -> int:
        """Decimal digits."""
        if len(text) > 30 or not text.strip().removeprefix("-").isdecimal():
            raise ValueError(f"must be a whole number, and is {text!r}")
        return self.from_toml(int(text))

    def to_toml(self, value: object) -> str:
        """The number."""
        return str(value)


class _Quantity(_Bounded, ABC):
    """A number in a base unit, or a text with a unit."""

    __slots__ = ()
    what = ""
    example = ""

    @abstractmethod
    def _parse(self, text: str) -> int: ...

    def _from_number(self, value: float) -> int:
        if isinstance(value, float) and value.is_integer():
            return int(value)  # 20e6 is how one writes 20 million
        if isinstance(value, float):
            raise ValueError(f"must be a whole number or a text like {self.example}, and is {value}")
        return value

    def from_toml(self, value: object) -> int:
        """A TOML number in the base unit, or a string with a unit."""
        if isinstance(value, str):
            return self.from_text(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be {self.what} like {self.example}, and is {_type_name(value)}")
        return self._in_range(self._from_number(value), show=self.to_toml)

    def from_text(self, text: str) -> int:
        """A number, with a unit or in the base unit."""
        try:
            return self._in_range(self._parse(text), show=self.to_toml)
        except (UsageError, OverflowError):
            raise ValueError(f"must be {self.what} like {self.example}, and is {text!r}") from None

    @abstractmethod
    def to_toml(self, value: object) -> str:
        """The shortest exact form."""


class Size(_Quantity):
    """Bytes: 65536, "64K" or "64KiB" (binary), "64kB" (decimal)."""

    __slots__ = ()
    suffix = "_bytes"
    what = "a size"
    example = '65536, "64K" or "1.5M"'

    def _parse(self, text: str) -> int:
        return parse_size_bytes(text)

    def to_toml(self, value: object) -> str:
        """The shortest exact form; small ones, such as those of datagrams, are plain bytes."""
        assert isinstance(value, int)
        return _exactly(value, _SIZE_UNITS) if value >= 64 * KIB else str(value)


class Rate(_Quantity):
    """Bits a second: 20000000, "20M", "1.5Gbit/s" (decimal)."""

    __slots__ = ()
    suffix = "_bps"
    what = "a rate in bits a second"
    example = '20000000, "20M" or "1.5G"'

    def _parse(self, text: str) -> int:
        return parse_rate_bps(text)

    def to_toml(self, value: object) -> str:
        """The shortest exact form."""
        assert isinstance(value, int)
        return _exactly(value, _RATE_UNITS)


class Duration(_Quantity):
    """A time: "500ms", "30s", "7d", or a number of seconds."""

    __slots__ = ()
    suffix = "_ns"
    what = "a time"
    example = '"500ms", "30s", "2min" or a number of seconds'

    def _parse(self, text: str) -> int:
        return parse_duration_ns(text)

    def _from_number(self, value: float) -> int:
        if not abs(value) < 1e12:  # also what is not a number at all
            raise ValueError(f"must be {self.what} like {self.example}, and is {value}")
        return round(value * SECOND)

    def to_toml(self, value: object) -> str:
        """The shortest exact form."""
        assert isinstance(value, int)
        return _exactly(value, _DURATION_UNITS)


class Share:
    """A share from 0 to 1."""

    __slots__ = ()
    suffix = ""

    def from_toml(self, value: object) -> float:
        """A TOML number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a share from 0 to 1, and is {_type_name(value)}")
        if not 0 <= value <= 1:
            raise ValueError(f"must be a share from 0 to 1, and is {value}")
        return float(value)

    def from_text(self, text: str) -> float:
        """A number, or a percentage."""
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            raise ValueError(f"must be a share like 0.1 or 10%, and is {text!r}") from None
        return self.from_toml(number / 100 if text.endswith("%") else number)

    def to_toml(self, value: object) -> str:
        """The number."""
        return repr(value)


class Flag:
    """On or off."""

    __slots__ = ()
    suffix = ""

    def from_toml(self, value: object) -> bool:
        """A TOML boolean."""
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, and is {_type_name(value)}")
        return value

    def from_text(self, text: str) -> bool:
        """True, on, yes, 1, or their opposites."""
        word = text.strip().lower()
        if word not in _WORDS_ON | _WORDS_OFF:
            raise ValueError(f"must be true or false, and is {text!r}")
        return word in _WORDS_ON

    def to_toml(self, value: object) -> str:
        """True or false."""
        return "true" if value else "false"


class _Textual(ABC):
    """What is a text both in TOML and elsewhere."""

    __slots__ = ()
    suffix = ""

    def from_toml(self, value: object) -> object:
        """A TOML string."""
        if not isinstance(value, str):
            raise ValueError(f"must be a text in quotes, and is {_type_name(value)}")
        return self.from_text(value)

    @abstractmethod
    def from_text(self, text: str) -> object:
        """The text, read."""

    def to_toml(self, value: object) -> str:
        """The text in quotes; none is the empty one."""
        return _quoted("" if value is None else str(value))


class Text(_Textual):
    """Free text, read by whoever uses it."""

    __slots__ = ()

    def from_text(self, text: str) -> str:
        """The text."""
        return text


class Choice(_Textual):
    """One of a few words."""

    __slots__ = ("words",)

    def __init__(self, *words: str) -> None:
        self.words = words

    def from_text(self, text: str) -> str:
        """One of the words."""
        if text not in self.words:
            *others, last = self.words
            raise ValueError(f"must be {', '.join(others)} or {last}, and is {text!r}")
        return text


class FolderPath(_Textual):
    """A folder; `~` is the home folder."""

    __slots__ = ()

    def from_text(self, text: str) -> Path:
        """The path, `~` expanded."""
        if not text or "\0" in text:
            raise ValueError("has a NUL character" if text else "must be the path of a folder, and is empty")
        return Path(os.path.expanduser(text))


class OptionalFolderPath(_Textual):
    """A folder; empty: wherever the description of the setting says."""

    __slots__ = ()

    def from_text(self, text: str) -> Path | None:
        """The path, or None."""
        return FolderPath().from_text(text) if text else None


class ListenAddress(_Textual):
    """`HOST:PORT`; no host: every address, IPv4 and IPv6; port 0: a free one."""

    __slots__ = ()

    def from_text(self, text: str) -> HostPort:
        """Host and port."""
        try:
            return parse_host_port(text)
        except UsageError as error:
            raise ValueError(f"must be HOST:PORT: {error}") from None


class OptionalUrl(_Textual):
    """A server's URL; empty: none."""

    __slots__ = ()

    def from_text(self, text: str) -> Url | None:
        """The URL, or None."""
        try:
            return parse_url(text) if text else None
        except UsageError as error:
            raise ValueError(f"must be a URL: {error}") from None


class Tables:
    """Tables by name, whose keys and values are read by whoever uses them."""

    __slots__ = ()
    suffix = ""

    def from_toml(self, value: object) -> dict[str, dict[str, object]]:
        """A TOML table of tables."""
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a table, and is {_type_name(value)}")
        for name, table in value.items():
            if not isinstance(table, Mapping):
                raise ValueError(f"must hold only tables, and {name} is {_type_name(table)}")
        return {str(name): dict(table) for name, table in value.items()}

    def from_text(self, text: str) -> dict[str, dict[str, object]]:
        """Not possible in one text."""
        raise ValueError("can only be given in a file")

    def to_toml(self, value: object) -> str:
        """The names, since the tables have lines of their own."""
        assert isinstance(value, Mapping)
        return "{ " + ", ".join(f"{name} = …" for name in value) + " }" if value else "{}"
