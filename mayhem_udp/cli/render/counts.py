"""The proxy's live count: one line that renews itself at a terminal, lines or JSON elsewhere.

Owns its wording. Never counts anything.
"""

import json
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import to_builtins

from mayhem_udp.cli.render.base import Form
from mayhem_udp.cli.streams import ClosedOutput

if TYPE_CHECKING:
    from mayhem_udp.mayhem.link import LinkCounts
    from mayhem_udp.mayhem.proxy import ProxyCounts

_LINE_AGAIN: Final = "\r\x1b[K"
"""To the line's beginning, and clear it."""


class CountsOutput:
    """Where the counts go; `update` as often as one likes."""

    def __init__(self, form: Form, *, results: TextIO, notes: TextIO | None) -> None:
        """Without `notes` nothing is told on the way, but to a machine."""
        self._form = form
        self._results = results
        self._notes = notes
        self._shown: ProxyCounts | None = None

    def update(self, counts: "ProxyCounts") -> None:
        """Show these, unless nothing has changed."""
        if counts == self._shown:
            return
        self._shown = counts
        if self._form is Form.JSON:
            self._write(self._results, json.dumps(to_builtins(counts)) + "\n")
        elif self._notes is not None and self._notes.isatty():
            self._write(self._notes, _LINE_AGAIN + sentence(counts))
        elif self._notes is not None:
            self._write(self._notes, sentence(counts) + "\n")

    def close(self) -> None:
        """Let the last line stand, and say on standard output what was done in all."""
        if self._form is Form.JSON or self._shown is None:
            return
        if self._notes is not None and self._notes.isatty():
            self._write(self._notes, _LINE_AGAIN)
        if not isinstance(self._results, ClosedOutput):
            self._write(self._results, table(self._shown))

    def _write(self, stream: TextIO, text: str) -> None:
        stream.write(text)
        stream.flush()


def sentence(counts: "ProxyCounts") -> str:
    """All on one line."""
    clients = "1 client" if counts.flows == 1 else f"{counts.flows:,} clients"
    return f"{clients} | out: {_way(counts.outward)} | in: {_way(counts.inward)}"


def _way(link: "LinkCounts") -> str:
    return (
        f"{link.seen:,} seen, {link.lost:,} lost, {link.corrupted:,} corrupted, {link.duplicated:,} doubled"
    )


def table(counts: "ProxyCounts") -> str:
    """Every count, both ways."""
    outward, inward = to_builtins(counts.outward), to_builtins(counts.inward)
    lines = [f"{'':<16}{'out':>14}{'in':>14}"]
    lines += [f"{name.replace('_', ' '):<16}{outward[name]:>14,}{inward[name]:>14,}" for name in outward]
    lines.append(f"clients: {counts.flows_seen:,}, datagrams refused for want of room: {counts.refused:,}")
    return "\n".join(lines) + "\n"
