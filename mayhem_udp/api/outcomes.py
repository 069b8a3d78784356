"""From errands that are over to results.

Owns how the figures of a result come about. Datagrams, retransmissions and loss are those of the
connection while the transfer was on its way: transfers side by side share them.
"""

from pathlib import Path

from mayhem_udp.endpoint.errand import Errand
from mayhem_udp.errors import MayhemError
from mayhem_udp.results import Outcome, TransferFailure, TransferResult
from mayhem_udp.units import BITS_PER_BYTE, MS


def transfer_result(
    errand: Errand, name: str, *, size: int, sha256: bytes, path: Path | None = None, together: int = 1
) -> TransferResult:
    """The result of a transfer that went well: both sides have this SHA-256. `together` files had one request."""
    counts, connection, seconds = errand.counts, errand.connection, errand.seconds
    resumed_bytes = errand.resumed_bytes
    crossed = max(size - resumed_bytes, 0)
    rtt = connection.rtt if connection is not None else None
    return TransferResult(
        name=name,
        bytes=size,
        seconds=seconds,
        goodput_bps=crossed * BITS_PER_BYTE / seconds if seconds > 0 else 0.0,
        sha256=sha256.hex(),
        verified=True,
        datagrams_sent=counts.sent,
        datagrams_received=counts.received,
        retransmitted=counts.retransmitted,
        corrupt_dropped=counts.corrupt,
        duplicate_dropped=counts.duplicate,
        srtt_ms=rtt.smoothed_ns / MS if rtt else 0.0,
        min_rtt_ms=rtt.min_ns / MS if rtt else 0.0,
        loss=counts.loss,
        resumed_bytes=resumed_bytes,
        path=path,
        together=together,
    )


def the_one(outcomes: list[Outcome]) -> TransferResult:
    """The result of a single transfer; raises what it failed with."""
    (outcome,) = outcomes
    if isinstance(outcome, TransferFailure):
        raise outcome.error
    return outcome


def failed(name: str, error: MayhemError | None) -> TransferFailure:
    """A transfer that did not go well."""
    return TransferFailure(name=name, error=error or MayhemError("the transfer ended without a reason"))
