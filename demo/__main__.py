"""`python -m demo`: sets the stage, lets the processes play, and judges for itself.

Owns what counts as well: every client ended with 0 and said "verified", every copy is byte for byte its
original, the network did misbehave, the daemon ended with 0, and nothing is left on it. Exit code 0 then,
1 otherwise.
"""

import signal
import sys
import time
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from rich.console import Console

from demo.cast import Cast, Event, Player
from demo.plan import (
    CHUNK_BYTES,
    NETWORK_IN_WORDS,
    SAMPLES,
    WAIT_MAX_S,
    Sample,
    client_arguments,
    daemon_arguments,
    write_samples,
)
from demo.stage import Row, Stage, open_console, open_stage, table_of

MISDEEDS = {
    "dropped": "dropped {:,}",
    "corrupted": "corrupted {:,}",
    "blacked_out": "swallowed {:,} in its blackout",
}
"""What the daemon's log says of its network at the end, and how that is told here."""


def main() -> int:
    """The exit code."""
    signal.signal(signal.SIGTERM, _stop)
    console = open_console()
    try:
        with TemporaryDirectory(prefix="mayhem-demo-") as folder:
            troubles = _play(Path(folder), console)
    except KeyboardInterrupt:
        console.print("stopped; every process was ended, and nothing is left behind")
        return 1
    for trouble in troubles:
        console.print(trouble, style="bold red", markup=False)
    if not troubles:
        console.print("Every file came back whole. The daemon was stopped, and nothing is left behind.")
    return 1 if troubles else 0


def _play(folder: Path, console: Console) -> list[str]:
    """The whole of it; returns what went wrong."""
    root, out = folder / "root", folder / "received"
    out.mkdir()
    write_samples(folder)
    with open_stage(console) as stage, Cast(_hearing(stage), until=time.monotonic() + WAIT_MAX_S) as cast:
        daemon = cast.start("daemon", daemon_arguments(root), folder=folder)
        if not cast.run_until(lambda: _port_of(daemon) > 0):
            return ["the daemon did not start", *daemon.said]
        url = f"mayhem://127.0.0.1:{_port_of(daemon)}/"
        console.print(
            f"[bold]{len(SAMPLES)} clients at once[/bold], {CHUNK_BYTES:,} bytes a datagram, to {url}"
        )
        console.print(f"the network: {NETWORK_IN_WORDS}\n", style="dim")
        clients = {
            sample: cast.start(sample.name, client_arguments(sample, url, out=out), folder=folder)
            for sample in reversed(SAMPLES)  # the largest first, so that the blackout finds it on its way
        }
        ended = cast.run_until(lambda: all(each.process.poll() is not None for each in clients.values()))
        troubles = [] if ended else [f"not over after {WAIT_MAX_S} s"]
        exit_code = cast.end(daemon)
        cast.run_until(lambda: False)  # what is left in the pipes
    rows = [_judged(sample, client, daemon, folder, out) for sample, client in reversed(clients.items())]
    console.print(table_of(rows))
    troubles += [f"{row.name}: {row.trouble or 'came back changed'}" for row in rows if not row.is_same]
    troubles += _network(daemon, console)
    left = [str(each.relative_to(root)) for each in root.rglob("*") if _is_left(each)]
    troubles += [f"left on the server: {each}" for each in left]
    return troubles + ([f"the daemon ended with {exit_code}", *daemon.said] if exit_code else [])


def _hearing(stage: Stage) -> Any:
    def hear(player: Player, event: Event) -> None:
        """Progress of a client goes to the stage."""
        if event.get("event") == "transfer progress":
            stage.moved(player.role, event["bytes_done"])
        elif event.get("verified"):
            stage.moved(player.role, event["bytes"])

    return hear


def _port_of(daemon: Player) -> int:
    return next((event["port"] for event in daemon.events if event["event"] == "listening"), 0)


def _judged(sample: Sample, client: Player, daemon: Player, folder: Path, out: Path) -> Row:
    """How it went for one file, by what the client said, what the daemon logged, and the copy itself."""
    result = next((event for event in client.events if "verified" in event), None)
    copy = out / f"received_{sample.name}"
    found = copy.read_bytes() if copy.exists() else b""
    original = (folder / sample.name).read_bytes()
    is_same = copy.exists() and found == original and sha256(found).digest() == sha256(original).digest()
    figures = None
    if result is not None:
        figures = (
            result["seconds"],
            result["datagrams_sent"] + result["datagrams_received"],
            result["retransmitted"] + _repeated_by(daemon, sample),
            result["corrupt_dropped"],
        )
    is_well = client.process.returncode == 0 and result is not None and result["verified"]
    trouble = "" if is_well else " ".join(client.said).strip() or f"exit code {client.process.returncode}"
    return Row(sample.name, sample.size, figures, sha256(found).hexdigest(), is_well and is_same, trouble)


def _repeated_by(daemon: Player, sample: Sample) -> int:
    """What the daemon had to send again of a file, on the way back."""
    done = (
        event for event in daemon.events if event["event"] == "transfer done" and event["file"] == sample.name
    )
    return sum(event["retransmitted"] for event in done)


def _network(daemon: Player, console: Console) -> list[str]:
    """Say what the network did, by the daemon's own count; a network that was too kind proves nothing."""
    counts = [event for event in daemon.events if event["event"] == "mayhem made"]
    totals = {name: sum(each[name] for each in counts) for name in MISDEEDS}
    seen = sum(each["seen"] for each in counts)
    did = ", ".join(words.format(totals[name]) for name, words in MISDEEDS.items())
    console.print(f"Of {seen:,} datagrams, the network {did}.")
    return [f"the network was too kind: nothing {name}" for name, count in totals.items() if not count]


def _is_left(path: Path) -> bool:
    """Whether it should not be there: anything but the daemon's own key and folders."""
    return path.is_file() and path.name != "secret"


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
