"""What a transfer over loopback makes the interpreter and the kernel do, counted for each megabyte.

Owns the counters. Counted is what `sys.setprofile` and `sys.settrace` report: calls of functions of Python (of
ours and of libraries), calls of functions of C among them those that are system calls, and lines of ours that were
run, so that a loop within one function shows as well. The test's own part is left out. All three cost time, none
is time. Counted is the middle of a file: neither the handshake, nor the start, nor the end of it.
"""

import os
import socket
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

from pipeline import Pipeline
from virtual_pair import MIB, some_bytes

import mayhem_udp
from mayhem_udp.transport.state import State

SIZE_BYTES = 32 * MIB
WARM_BYTES = 8 * MIB
COUNTED_BYTES = 16 * MIB
OURS = str(Path(mayhem_udp.__file__).parent)
HERE = str(Path(__file__).parent)
INLINED = {"<listcomp>", "<dictcomp>", "<setcomp>"}
"""Functions of their own before Python 3.12 only (PEP 709)."""
NO_SYSTEM_CALLS = {"fspath", "fsencode", "fsdecode", "fileno", "gettimeout"}

# At a fixed rate: how large BBR makes a batch is no matter of this table, but of that of the links.
FIXED = {"controller": "fixed", "rate_fixed_bps": 8_000_000_000}
TRANSFERS = {
    "put, 1,472 bytes": ("put", {"datagram_max_bytes": 1_472, **FIXED}),
    "get, 1,472 bytes": ("get", {"datagram_max_bytes": 1_472, **FIXED}),
    "put, largest datagrams": ("put", {"datagram_max_bytes": 65_487, **FIXED}),
}


class NoTrains(Exception):
    """This kernel does without segmentation offload: all counts are others then, and none is remembered."""


class Tracer:
    """Runs parts of one end, and counts what they do."""

    def __init__(self):
        self.is_on = False
        self.counts = Counter()
        self.system_calls = Counter()
        self._role = ""

    def run(self, role, part):
        """What `part` gives, counted under `role`."""
        if not self.is_on:
            return part()
        self._role = role
        before = sys.gettrace(), sys.getprofile()  # a debugger, or a measure of coverage
        sys.settrace(self._on_call)
        sys.setprofile(self._on_event)
        try:
            return part()
        finally:
            sys.setprofile(before[1])
            sys.settrace(before[0])

    def _on_event(self, frame, event, what):
        code = frame.f_code
        if code.co_filename.startswith(HERE):
            return
        if event == "call" and code.co_name not in INLINED:
            self.counts[f"{self._role} calls"] += 1
        elif event == "c_call":
            self.counts[f"{self._role} c calls"] += 1
            if what.__name__ not in NO_SYSTEM_CALLS and is_of_the_system(what):
                self.system_calls[what.__name__] += 1

    def _on_call(self, frame, _event, _what):
        return self._on_line if frame.f_code.co_filename.startswith(OURS) else None

    def _on_line(self, _frame, event, _what):
        if event == "line":
            self.counts[f"{self._role} lines"] += 1
        return self._on_line


def is_of_the_system(what):
    """Whether a function of C is one of `os`, or of a socket."""
    return what.__module__ == os.open.__module__ or isinstance(getattr(what, "__self__", None), socket.socket)


def count(name, folder):
    """The figures of one transfer."""
    verb, settings = TRANSFERS[name]
    data = some_bytes(MIB) * (SIZE_BYTES // MIB)
    for place in ("local", "served"):
        (folder / place).mkdir(parents=True)
    source, target = (
        folder / each / "file" for each in (("local", "served") if verb == "put" else ("served", "local"))
    )
    source.write_bytes(data)
    pipeline = Pipeline(folder, **settings)
    try:
        if not pipeline.has_trains:
            raise NoTrains
        figures = transfer(pipeline, Tracer(), verb)
    finally:
        pipeline.close()
    assert sha256(target.read_bytes()).digest() == sha256(data).digest()
    return figures


def transfer(pipeline, tracer, verb):
    """A whole transfer; the figures of its middle."""
    client, server = pipeline.client, pipeline.server
    sender, receiver = (client, server) if verb == "put" else (server, client)
    roles = {sender: "sender", receiver: "receiver"}

    def run(end, part):
        return tracer.run(roles[end], part)

    pipeline.run_until(lambda: client.connection.state is State.OPEN, run)
    exchange = getattr(client, verb)()
    pipeline.run_until(lambda: receiver.connection.stats.bytes_received >= WARM_BYTES, run)
    before, tracer.is_on = odometer(sender, receiver), True
    stop_bytes = before["bytes"] + COUNTED_BYTES
    pipeline.run_until(lambda: receiver.connection.stats.bytes_received >= stop_bytes, run)
    tracer.is_on, after = False, odometer(sender, receiver)
    pipeline.run_until(lambda: exchange.is_over, run)
    assert exchange.error is None
    counts = {key: after[key] - before[key] for key in before} | tracer.system_calls | tracer.counts
    megabytes = counts.pop("bytes") / MIB
    return {key: round(value / megabytes, 2) for key, value in counts.items()}


def odometer(sender, receiver):
    """What the ends themselves have counted so far."""
    return {
        "bytes": receiver.connection.stats.bytes_received,
        "datagrams": sender.connection.stats.datagrams_sent,
        "lost": sender.connection.stats.lost,
        "answers": receiver.connection.stats.datagrams_sent,
    }
