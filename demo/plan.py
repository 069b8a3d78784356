"""What the demo shows: the files, the network, and how they are told to the command.

Owns every figure of the demo. Never starts anything.
"""

import random
from pathlib import Path
from typing import Final, NamedTuple

CHUNK_BYTES: Final = 1_024
RATE: Final = "8M"
"""What each side sends at most: over loopback all would be over before the blackout."""
NETWORK: Final = "in.drop=10%,in.corrupt=10%,delay=20ms,blackout=700ms+800ms,seed=1871"
"""At the daemon's socket, both ways; "in" is the way back to the clients. The blackout counts from the first
datagram."""
NETWORK_IN_WORDS: Final = (
    "20 ms each way; on the way back 10 % of the datagrams are dropped and 10 % corrupted; "
    "once, 0.7 s after the first one, nothing crosses for 0.8 s"
)
WAIT_MAX_S: Final = 90
"""Longer than this, and something hangs."""


class Sample(NamedTuple):
    """A file that makes the round trip."""

    name: str
    size: int


SAMPLES: Final = (
    Sample("letter.txt", 5_000),
    Sample("photo.jpg", 8_000),
    Sample("notes.md", 64_000),
    Sample("map.png", 250_000),
    Sample("song.flac", 1_250_000),
)


def write_samples(folder: Path) -> None:
    """Make the files; what is in them is random, and the same each time."""
    for sample in SAMPLES:
        (folder / sample.name).write_bytes(random.Random(sample.name).randbytes(sample.size))


def daemon_arguments(root: Path) -> list[str]:
    """The daemon, on a free port, with the network at its socket."""
    return ["serve", "--listen", "127.0.0.1:0", "--root", str(root), "--chunk-size", str(CHUNK_BYTES), "--rate", RATE,
            "--mayhem", NETWORK, "--log-format", "json"]  # fmt: skip


def client_arguments(sample: Sample, url: str, *, out: Path) -> list[str]:
    """A client that sends one file on its round trip, and tells how far it is as JSON."""
    return ["echo", sample.name, url, "--out", str(out), "--chunk-size", str(CHUNK_BYTES), "--rate", RATE,
            "--timeout", "30", "--json", "-v", "--log-format", "json", "--set", "logging.progress_interval=0.1s"]  # fmt: skip
