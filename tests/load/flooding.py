"""Forged hellos into a real daemon: `python tests/load/flooding.py`. Needs root, and nobody else's network.

The process moves into a network namespace of its own, where a /15 of addresses are all its own: each hello
comes from another one, and each answer comes back to be weighed. Beside the flood a good client puts a file.
Prints a table, and exits with 1 where a promise was broken; with 77, and a reason, where it cannot be tried.

Memory is compared after a flood of `WARM_UP` hellos has filled what is kept of a bounded number of addresses.
The good client's rate is a figure, no promise of this program's: the flood, the daemon and the client share
the machine's cores.
"""

import argparse
import ctypes
import ipaddress
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random

from mayhem_udp.limits import AMPLIFICATION_FACTOR, HELLO_MIN_BYTES
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.transport.listener import Listener
from mayhem_udp.transport.tokens import TokenMint
from mayhem_udp.units import HOUR
from mayhem_udp.wire.codec import encode_datagram, encode_frame, encode_handshake, join_hello
from mayhem_udp.wire.declarations import DatagramFlag, DatagramType
from mayhem_udp.wire.frames import Handshake
from mayhem_udp.wire.layout import FRAMES_OVERHEAD_BYTES

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "soak"), str(HERE.parent / "transport")]

from by_hand import PARAMETERS  # noqa: E402  # the folders above come first
from streets import MAYHEM, Daemon, environ_of  # noqa: E402  # likewise
from virtual_pair import ADMIT_ALL, transport_settings  # noqa: E402  # likewise

CANNOT = 77
FORGED = ipaddress.ip_network("198.18.0.0/15")
"""For tests of devices (RFC 2544): 131,072 addresses that nobody has."""
CLONE_NEWNET = 0x40000000
PKTINFO = struct.Struct("@i4s4s")
WARM_UP = 10_000
MEMORY_GROWTH_MAX_BYTES = 1_000_000
CONNECT_MAX_S = 3
QUIET_S = 1.0
"""Without an answer for so long, none comes any more."""
FILE_BYTES = 200_000_000
KINDS = 64


def enter_a_network_of_our_own():
    """Returns why that is not possible, or None."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if shutil.which("ip") is None:
        return "there is no ip(8)"
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return f"no network namespace: {os.strerror(ctypes.get_errno())}"
    for line in ("link set lo up", f"route add local {FORGED} dev lo"):
        subprocess.run(["ip", *line.split()], check=True)
    return None


def forged_hello(number, random):
    """The hello of a client that is not there; every other with a token that nobody made."""
    token = random.randbytes(25) if number % 2 else b""
    frames = encode_frame(Handshake(0, encode_handshake(PARAMETERS)))
    body = join_hello(token, frames.ljust(HELLO_MIN_BYTES - FRAMES_OVERHEAD_BYTES - 2 - len(token), b"\0"))
    identity = random.randrange(1 << 64)
    kind, flags = DatagramType.HELLO, DatagramFlag.EARLY
    return encode_datagram(kind, body, connection_id=identity, sequence=0, flags=flags)


class Flood:
    """One socket that speaks for every address of the network."""

    def __init__(self, port):
        random = Random(1)
        self._hellos = [forged_hello(number, random) for number in range(KINDS)]
        self._to = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("0.0.0.0", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: no answer is lost here
        self._socket.settimeout(QUIET_S)
        self._next = 0
        self._never = threading.Event()
        self.sent = self.sent_bytes = self.answers = self.answered_bytes = self.largest_answer_bytes = 0

    def send(self, count, *, per_second):
        """Send so many, evenly."""
        began_s = time.monotonic()
        first = int(FORGED.network_address)
        for number in range(count):
            wait_s = began_s + number / per_second - time.monotonic()
            if wait_s > 0.002:
                self._never.wait(wait_s)
            source = (first + 1 + self._next % (FORGED.num_addresses - 2)).to_bytes(4, "big")
            self._next += 1
            hello = self._hellos[number % KINDS]
            ancillary = [(socket.IPPROTO_IP, 8, PKTINFO.pack(0, source, bytes(4)))]  # IP_PKTINFO
            self.sent_bytes += self._socket.sendmsg([hello], ancillary, 0, self._to)
            self.sent += 1

    def take_answers(self):
        """Weigh what comes back, until nothing has come for a while."""
        while True:
            try:
                size = len(self._socket.recv(65_535))
            except TimeoutError:
                return
            self.answers += 1
            self.answered_bytes += size
            self.largest_answer_bytes = max(self.largest_answer_bytes, size)

    def both(self, count, *, per_second):
        """Send and weigh."""
        taking = threading.Thread(target=self.take_answers)
        taking.start()
        self.send(count, per_second=per_second)
        taking.join()


def memory_bytes():
    """This process's own."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def flood_the_engine(count):
    """The same into the engine alone, without sockets: by how many bytes it has grown, and what it has kept."""
    mint = TokenMint(os.urandom(32), boot=b"", visit_lifetime_ns=HOUR)
    listener = Listener(settings=transport_settings(), limits=ADMIT_ALL, mint=mint, entropy=os.urandom)
    random = Random(2)
    hellos = [forged_hello(number, random) for number in range(KINDS)]
    before = 0
    for number in range(WARM_UP + count):
        if number == WARM_UP:
            before = memory_bytes()
        host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        hello = hellos[number % KINDS]
        batch = ReceivedBatch(hello, len(hello), len(hello), Address(host, 9))
        listener.handle_batch(batch, now_ns=number, unix_s=1)
        listener.poll_transmit()
    return memory_bytes() - before, len(listener.connections)


def cpu_s(process_id):
    """What a process has used so far, in the kernel and outside."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def put_a_file(folder, url, name):
    """A good client: its exit code, and its rate in bits a second."""
    done = subprocess.run(
        [MAYHEM, "put", "--json", "--timeout", str(CONNECT_MAX_S), "--retry", "0", "file", f"{url}{name}"],
        cwd=folder, env=environ_of(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr.strip())
        return done.returncode, 0
    return 0, json.loads(done.stdout)["goodput_bps"]


class BadDay:
    """The whole of it, against one daemon."""

    def __init__(self, folder, chosen):
        self.folder, self.chosen = folder, chosen
        self.daemon = Daemon(folder, "root")
        self.daemon.start()
        self.url = f"mayhem://127.0.0.1:{self.daemon.port}/"
        self.figures = {}
        self.broken = []
        (folder / "file").write_bytes(os.urandom(chosen.file_bytes))

    def live(self):
        grown, kept = flood_the_engine(self.chosen.engine_hellos)
        self.figures["hellos into the engine alone"] = self.chosen.engine_hellos
        self.figures["its memory grown, bytes"] = grown
        if kept or grown >= MEMORY_GROWTH_MAX_BYTES:
            self.broken.append(f"the engine keeps {kept} connections, and has grown by {grown} bytes")
        alone = [self._put(f"alone{number}") for number in range(self.chosen.repeat)]
        Flood(self.daemon.port).both(min(WARM_UP, self.chosen.hellos), per_second=self.chosen.per_second)
        self._flood_alone()
        beside = self._flood_beside_a_client()
        self.figures["good client's rate alone, Mbit/s"] = round(statistics.median(alone) / 1e6)
        self.figures["good client's rate beside the flood, Mbit/s"] = round(statistics.median(beside) / 1e6)
        if self.daemon.stop() != 0 or self.daemon.tracebacks():
            self.broken.append(f"the daemon did not end well: {self.daemon.log.read_text()[-2_000:]}")

    def _put(self, name):
        code, rate_bps = put_a_file(self.folder, self.url, name)
        if code:
            self.broken.append(f"{name}: a good client ended with {code}")
        elif (self.daemon.root / name).read_bytes() != (self.folder / "file").read_bytes():
            self.broken.append(f"{name} is not there as it was sent")
        return rate_bps

    def _flood_alone(self):
        before, before_s = self.daemon.memory_bytes(), cpu_s(self.daemon.process.pid)
        flood = Flood(self.daemon.port)
        flood.both(self.chosen.hellos, per_second=self.chosen.per_second)
        grown = self.daemon.memory_bytes() - before
        spent_s = cpu_s(self.daemon.process.pid) - before_s
        self.figures |= {
            "forged hellos": flood.sent,
            "answered": flood.answers,
            "bytes answered to one sent": round(flood.answered_bytes / flood.sent_bytes, 4),
            "the daemon's CPU for each, microseconds": round(spent_s / flood.sent * 1e6, 1),
            "memory grown, bytes": grown,
        }
        if flood.answers < flood.sent // 2:
            self.broken.append("fewer than half of the hellos were answered: nothing was shown of the rest")
        if flood.largest_answer_bytes > AMPLIFICATION_FACTOR * HELLO_MIN_BYTES:
            self.broken.append(f"an answer had {flood.largest_answer_bytes} bytes")
        if grown >= MEMORY_GROWTH_MAX_BYTES:
            self.broken.append(f"the daemon has grown by {grown} bytes")

    def _flood_beside_a_client(self):
        """Hellos without end, from a process of their own, while a client comes, puts and goes."""
        flood = Flood(self.daemon.port)
        child = os.fork()
        if child == 0:
            flood.send(1 << 40, per_second=self.chosen.per_second)
        try:
            return [self._put(f"beside{number}") for number in range(self.chosen.repeat)]
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hellos", type=int, default=100_000)
    parser.add_argument("--engine-hellos", type=int, default=1_000_000)
    parser.add_argument("--per-second", type=int, default=5_000)
    parser.add_argument("--file-bytes", type=int, default=FILE_BYTES)
    parser.add_argument("--repeat", type=int, default=3, help="transfers of the good client")
    chosen = parser.parse_args()
    reason = enter_a_network_of_our_own()
    if reason:
        print(reason)
        sys.exit(CANNOT)
    with tempfile.TemporaryDirectory(prefix="mayhem-flood-", dir="/dev/shm") as folder:
        day = BadDay(Path(folder), chosen)
        try:
            day.live()
        finally:
            if day.daemon.process.poll() is None:
                day.daemon.kill()
    for name, value in day.figures.items():
        print(f"{name:<44} {value:>12,}")
    for sentence in day.broken:
        print(f"BROKEN: {sentence}")
    sys.exit(1 if day.broken else 0)


if __name__ == "__main__":
    main()
