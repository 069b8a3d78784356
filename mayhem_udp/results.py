"""What an operation gives back: frozen values, the same for the library and for `--json`.

Owns the names, units and types of every result. Never computes one, never prints one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from mayhem_udp.errors import MayhemError


class EntryKind(StrEnum):
    """What a name on the server stands for."""

    FILE = "file"
    FOLDER = "folder"


class Phase(StrEnum):
    """Where a transfer is."""

    CONNECTING = "connecting"
    SENDING = "sending"
    RECEIVING = "receiving"
    VERIFYING = "verifying"
    RETRYING = "retrying"
    """The server went away; the client tries to reach it again."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """One file that arrived; `--json` prints these fields in this order."""

    name: str
    """Its name on the server."""
    bytes: int
    """The file's size."""
    seconds: float
    """From the request to the verified end."""
    goodput_bps: float
    """Bits of the file that crossed in a second, over `seconds`; `resumed_bytes` did not."""
    sha256: str
    """Of the file, in hexadecimal."""
    verified: bool
    """Whether the digest of what arrived was compared with the source's, and is the same."""
    datagrams_sent: int
    datagrams_received: int
    retransmitted: int
    """Datagrams sent from this side with data that an earlier one had carried; the other side's are its own."""
    corrupt_dropped: int
    """Datagrams that arrived with a wrong checksum."""
    duplicate_dropped: int
    """Datagrams that arrived more than once."""
    srtt_ms: float
    """Smoothed round-trip time at the end."""
    min_rtt_ms: float
    """The smallest round-trip time seen."""
    loss: float
    """Share of the datagrams sent that were declared lost, 0 to 1."""
    resumed_bytes: int = 0
    """Of the file, there already when this transfer began: what an earlier one had left."""
    path: Path | None = None
    """Where it landed on this side; None for an upload, or for bytes and binary files."""
    together: int = 1
    """Files of its request: small ones travel together, and share `seconds` and the counts of datagrams."""

    def as_dict(self) -> dict[str, object]:
        """The fields by name but `together`, fit for JSON; `resumed_bytes` and `path` only where there are any."""
        values = _fields_of(self)
        del values["together"]
        return {name: value for name, value in values.items() if name != "resumed_bytes" or value}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFailure:
    """One file among several that did not arrive, and why; the others go on."""

    name: str
    error: MayhemError


Outcome = TransferResult | TransferFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One file among several that was to be removed: it is gone, unless `error` says why not."""

    name: str
    error: MayhemError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A name on the server."""

    name: str
    bytes: int
    mtime_ns: int
    """Time of the last change, nanoseconds since 1970 (UTC)."""
    kind: EntryKind
    sha256: str | None = None
    """In hexadecimal; `stat` of a file fills it, a listing leaves it out."""

    def as_dict(self) -> dict[str, object]:
        """The fields by name, fit for JSON; `sha256` only where there is one."""
        return _fields_of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PingResult:
    """Round trips to the server; times are None when nothing came back."""

    sent: int
    received: int
    rtt_min_ms: float | None
    rtt_avg_ms: float | None
    rtt_max_ms: float | None
    loss: float
    """Share of the datagrams sent meanwhile that were lost on the way to the server, 0 to 1; 1 when nothing came back."""

    def as_dict(self) -> dict[str, object]:
        """The fields by name, fit for JSON."""
        return {name: getattr(self, name) for name in _names_of(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one transfer is, as the progress callback gets it."""

    name: str
    bytes_done: int
    """Of the file, safely at the other side; resumed bytes count."""
    bytes_total: int | None
    """None while it is not known (standard input)."""
    seconds: float
    """Since the transfer began."""
    goodput_bps: float
    """Bits of the file that crossed in a second so far; resumed bytes do not count here."""
    loss: float
    retransmitted: int
    state: Phase
    files: int = 1
    """Files of this transfer: small ones travel together."""
    files_done: int = 0
    """How many of them have arrived or failed: all, once it is done."""


def _names_of(value: TransferResult | Entry | PingResult) -> tuple[str, ...]:
    return tuple(field.name for field in fields(value))


def _fields_of(value: TransferResult | Entry) -> dict[str, object]:
    pairs: Mapping[str, object] = {name: getattr(value, name) for name in _names_of(value)}
    return {
        name: str(each) if isinstance(each, Path) else each
        for name, each in pairs.items()
        if each is not None
    }
