"""Links between network namespaces: what one is like, and how long it stands.

Owns the namespaces and the emulator (linkem.c) that joins them, and that both are gone afterwards. What a
link could carry at most is computed here too. Never measures anything. Needs root.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.files import PREFIX
from bench.files import sweep as sweep_folders
from bench.processes import Program, ProgramError, program

SOURCE: Final = Path(__file__).with_name("linkem.c")
SERVER_HOST: Final = "10.99.0.1"
CLIENT_HOST: Final = "10.99.0.2"
"""The first client's."""
NAMESPACES: Final = Path("/var/run/netns")
TCP_BUFFER_MAX_BYTES: Final = 64 * 1024 * 1024
MTU_BYTES: Final = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link, as it is asked for; what is not set does no harm. Both directions unless said otherwise."""

    rate_mbit: float
    rtt_ms: float
    loss: float = 0.0
    """Share, 0 to 1, each way."""
    burst: float = 1.0
    """Mean losses in a row; 1: independent ones."""
    jitter_ms: float = 0.0
    """Every packet waits between nothing and so long more: they overtake one another."""
    corrupt: float = 0.0
    """Share with one bit flipped, and the UDP checksum mended."""
    duplicate: float = 0.0
    queue_bdp: float = 1.0
    """The queue as a multiple of bandwidth times delay."""
    queue_packets: int = 0
    """The queue in packets, in place of `queue_bdp`."""
    down_rate_mbit: float = 0.0
    """Rate from the server to the clients where it differs."""
    other_rate_mbit: float = 0.0
    alternate_s: float = 0.0
    """Change between `rate_mbit` and `other_rate_mbit` this often."""
    blackout: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Start, length and period, in seconds."""
    mtu: int = MTU_BYTES
    extra_rtt_ms: tuple[float, ...] = ()
    """What each client's round trip has on top."""
    has_own_links: bool = False
    """Each client has a link of its own, in place of one for all."""

    @property
    def queue_bytes(self) -> int:
        """How much the queue holds, by bytes: at least two packets."""
        rate_mbit = max(self.rate_mbit, self.other_rate_mbit)
        return max(int(self.queue_bdp * rate_mbit * 1e6 * self.rtt_ms / 1e3 / 8), 2 * self.mtu)

    def mean_rate_bps(self) -> float:
        """What the link carries on average, in bits of IP packets a second."""
        rate_mbit = (self.rate_mbit + self.other_rate_mbit) / 2 if self.alternate_s else self.rate_mbit
        _, length_s, period_s = self.blackout
        lit = 1 - length_s / period_s if period_s else 1.0
        return rate_mbit * 1e6 * lit

    def capacity_bps(self, *, overhead_bytes: int, carried_bps: float | None = None) -> float:
        """Goodput of a sender who offers the link's rate: rate * (1 - p) * payload / packet.

        `overhead_bytes` is what is not payload in a full packet, IP header included; `carried_bps` is what
        the emulator was seen to carry, where that is less than the link's rate.
        """
        rate_bps = min(self.mean_rate_bps(), carried_bps or float("inf"))
        return rate_bps * (1 - self.loss) * (self.mtu - overhead_bytes) / self.mtu

    def arguments(self) -> list[str]:
        """The emulator's arguments."""
        options: dict[str, object] = {
            "rate": self.rate_mbit,
            "delay": self.rtt_ms / 2,
            "loss": self.loss * 100,
            "burst": self.burst,
            "jitter": self.jitter_ms,
            "corrupt": self.corrupt * 100,
            "duplicate": self.duplicate * 100,
            "mtu": self.mtu,
            "own-links": int(self.has_own_links),
        }
        if self.queue_packets:
            options["queue-packets"] = self.queue_packets
        else:
            options["queue-bytes"] = self.queue_bytes
        if self.down_rate_mbit:
            options["down-rate"] = self.down_rate_mbit
            options["down-queue-bytes"] = int(self.queue_bytes * self.down_rate_mbit / self.rate_mbit)
        if self.alternate_s:
            options |= {"other-rate": self.other_rate_mbit, "alternate": self.alternate_s}
        if self.blackout[1]:
            options["blackout"] = ":".join(f"{part:g}" for part in self.blackout)
        if self.extra_rtt_ms:
            options["extra-delay"] = ",".join(f"{extra / 2:g}" for extra in self.extra_rtt_ms)
        return [text for name, value in options.items() for text in (f"--{name}", f"{value}")]

    def reversed(self) -> "Link":
        """The same link with the rates of its directions exchanged."""
        if not self.down_rate_mbit:
            return self
        return replace(self, rate_mbit=self.down_rate_mbit, down_rate_mbit=self.rate_mbit)


@dataclass(slots=True)
class Net:
    """A link that stands."""

    link: Link
    server: str
    """The namespace of the server, who is `SERVER_HOST` there."""
    clients: tuple[str, ...]
    _emulator: Program
    trace: Path
    """What the emulator writes down every 50 ms."""
    counts: list[dict[str, object]] = field(default_factory=list)
    """What it has counted each way, once it has ended."""

    @property
    def client(self) -> str:
        """The namespace of the first client."""
        return self.clients[0]

    def emulator_cpu_s(self) -> float:
        """What the emulator has cost so far."""
        return self._emulator.cpu_s()


def inside(namespace: str | None, command: Sequence[str | Path]) -> list[str | Path]:
    """The command to run in a namespace; `None` is the machine's own."""
    return list(command) if namespace is None else ["ip", "netns", "exec", namespace, *command]


@contextmanager
def standing(link: Link, *, clients: int = 1, seed: int = 1) -> Iterator[Net]:
    """Make the namespaces and join them, as long as the block lasts."""
    check_possible()
    sweep()
    emulator = built()
    names = [f"{PREFIX}{os.getpid()}-s", *(f"{PREFIX}{os.getpid()}-c{number}" for number in range(clients))]
    scratch = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        for name in names:
            _add(name)
        options = [*link.arguments(), "--seed", str(seed), "--trace", scratch / "trace.csv"]
        with program([emulator, *names, *options]) as running:
            running.wait_until(lambda it: "ready" in it.stdout(), what="the link is not up")
            net = Net(link, names[0], tuple(names[1:]), running, scratch / "trace.csv")
            try:
                yield net
            finally:
                lines = running.stop().stdout.splitlines()
                net.counts.extend(json.loads(line) for line in lines if line.startswith("{"))
    finally:
        for name in names:
            _remove(name)
        shutil.rmtree(scratch, ignore_errors=True)


def check_possible() -> None:
    """Raise `ProgramError` with what is missing, if links cannot be made here."""
    if os.geteuid() != 0:
        raise ProgramError("links between namespaces need root")
    missing = [name for name in ("ip", "cc") if shutil.which(name) is None]
    if missing:
        raise ProgramError(f"links need {' and '.join(missing)} (make bench-peers installs them)")
    if not Path("/dev/net/tun").exists():
        raise ProgramError("this kernel has no tun devices")


def built() -> Path:
    """The emulator's program, compiled again when its source has changed."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    target = Path(tempfile.gettempdir(), f"{PREFIX}linkem-{os.geteuid()}-{digest}")
    if not target.exists():
        fresh = target.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-o", fresh, SOURCE], check=True)
        fresh.rename(target)
    return target


def sweep() -> None:
    """Remove what a bench that was killed has left: namespaces whose maker is gone."""
    sweep_folders(Path(tempfile.gettempdir()))
    for entry in NAMESPACES.glob(f"{PREFIX}*") if NAMESPACES.exists() else ():
        maker = entry.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", maker).exists():
            _remove(entry.name)


def _add(name: str) -> None:
    subprocess.run(["ip", "netns", "add", name], check=True)
    # Enough for TCP to fill 1 Gbit/s at 100 ms: the peers shall not lose for want of buffers.
    for buffer in ("tcp_rmem", "tcp_wmem"):
        text = f"4096 131072 {TCP_BUFFER_MAX_BYTES}"
        subprocess.run(
            ["ip", "netns", "exec", name, "sh", "-c", f"echo {text} >/proc/sys/net/ipv4/{buffer}"], check=True
        )


def _remove(name: str) -> None:
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in pids.stdout.split():
        subprocess.run(["kill", "-KILL", pid], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
