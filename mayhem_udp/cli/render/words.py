"""Results as sentences and lines.

Owns the wording. Everything that may come from a peer is escaped here. Never writes anywhere.
"""

from datetime import UTC, datetime
from typing import Final

from mayhem_udp.cli.render.tally import Tally
from mayhem_udp.escape import escape
from mayhem_udp.results import (
    Entry,
    EntryKind,
    Phase,
    PingResult,
    Progress,
    TransferResult,
)
from mayhem_udp.spelling import as_name
from mayhem_udp.units import (
    BITS_PER_BYTE,
    SECOND,
    format_bytes,
    format_duration,
    format_rate,
)

_PHASES: Final = {
    Phase.CONNECTING: "connecting",
    Phase.VERIFYING: "verifying",
    Phase.RETRYING: "the server does not answer, trying again",
}


def transferred(result: TransferResult) -> str:
    """One line about a file that arrived."""
    landed = f" -> {escape(as_name(str(result.path)))}" if result.path is not None else ""
    took = format_duration(result.seconds * SECOND)
    verdict = "SHA-256 verified" if result.verified else "SHA-256 NOT verified"
    if result.together > 1:  # time and datagrams are those of all, and say nothing of this one
        return (
            f"{escape(result.name)}{landed}: {format_bytes(result.bytes)}, {verdict}, "
            f"one of {result.together:,} that took {took} together"
        )
    there = f", {format_bytes(result.resumed_bytes)} of it were there already" if result.resumed_bytes else ""
    return (
        f"{escape(result.name)}{landed}: {format_bytes(result.bytes)} in {took} "
        f"({format_rate(result.goodput_bps)}{there}), {verdict}, {result.datagrams_sent} datagrams sent "
        f"({result.retransmitted} retransmitted), {result.datagrams_received} received "
        f"({result.corrupt_dropped} corrupt)"
    )


def sum_line(tally: Tally) -> str:
    """One line about many files on their way."""
    if tally.deed:
        return f"{counted(tally)} {tally.deed}"
    return f"{counted(tally)}: {format_bytes(tally.bytes)}, {format_rate(tally.goodput_bps)}"


def sum_closing(tally: Tally) -> str:
    """One line about many files, at the end of all."""
    well, size_bytes, goodput_bps = tally.result()
    total = max(tally.files_total or 0, well + tally.failed)
    files = f"{well:,} files" if well == total else f"{well:,} of {total:,} files"
    took = format_duration(tally.seconds * SECOND)
    failed = f", {tally.failed:,} failed" if tally.failed else ""
    if tally.deed:
        return f"{files} {tally.deed} in {took}{failed}"
    return f"{files}, {format_bytes(size_bytes)} in {took} ({format_rate(goodput_bps)}){failed}"


def counted(tally: Tally) -> str:
    """How many files are done, of how many where that is known."""
    of = f" of {tally.files_total:,}" if tally.files_total is not None else ""
    return f"{tally.files:,}{of} files"


def share(value: float) -> str:
    """A share as a percentage: `1.3 %`."""
    return f"{100 * value:.1f} %"


def left(progress: Progress) -> str:
    """The time left at the present speed; empty where nobody can know."""
    if progress.goodput_bps <= 0 or progress.bytes_done >= (progress.bytes_total or 0):
        return ""
    bits = BITS_PER_BYTE * ((progress.bytes_total or 0) - progress.bytes_done)
    return f"{format_duration(bits / progress.goodput_bps * SECOND)} left"


def progress_line(progress: Progress) -> str:
    """One line about a file on its way."""
    name = escape(progress.name)
    if progress.state in _PHASES:
        return f"{name}: {_PHASES[progress.state]}"
    done = format_bytes(progress.bytes_done)
    if progress.bytes_total:
        percent = 100 * progress.bytes_done // progress.bytes_total
        done = f"{percent} %, {done} of {format_bytes(progress.bytes_total)}"
    parts = (done, format_rate(progress.goodput_bps), left(progress), troubles(progress))
    return f"{name}: " + ", ".join(part for part in parts if part)


def phase(progress: Progress) -> str:
    """What the transfer is at, where it is not simply moving bytes."""
    return _PHASES.get(progress.state, "")


def troubles(progress: Progress) -> str:
    """What the network did to it so far."""
    return f"loss {share(progress.loss)}, {progress.retransmitted} retransmitted"


def entry_line(entry: Entry) -> str:
    """One line of a listing: size, time, name."""
    size = "-" if entry.kind is EntryKind.FOLDER else format_bytes(entry.bytes)
    return f"{size:>10}  {_when(entry.mtime_ns)}  {_shown(entry)}"


def entry_lines(entry: Entry) -> str:
    """All about one name."""
    lines = [f"name     {_shown(entry)}", f"kind     {entry.kind}"]
    if entry.kind is EntryKind.FILE:
        lines.append(f"size     {format_bytes(entry.bytes)} ({entry.bytes:,} bytes)")
    lines.append(f"changed  {_when(entry.mtime_ns)}")
    if entry.sha256 is not None:
        lines.append(f"SHA-256  {escape(entry.sha256)}")
    return "\n".join(lines)


def ping(result: PingResult, place: str) -> str:
    """One line about round trips."""
    counts = (
        f"{result.sent} asked, {result.received} answered, "
        f"{share(result.loss)} of the datagrams lost on the way there"
    )
    if result.rtt_min_ms is None or result.rtt_avg_ms is None or result.rtt_max_ms is None:
        return f"{place}: {counts}"
    times = f"{result.rtt_min_ms:.2f} / {result.rtt_avg_ms:.2f} / {result.rtt_max_ms:.2f} ms"
    return f"{place}: {counts}, round trip {times} (least / average / most)"


def _shown(entry: Entry) -> str:
    return escape(entry.name) + ("/" if entry.kind is EntryKind.FOLDER else "")


def _when(mtime_ns: int) -> str:
    """A time in this machine's zone; a peer may send any number."""
    try:
        moment = datetime.fromtimestamp(mtime_ns // SECOND, tz=UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return "?".ljust(19)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
