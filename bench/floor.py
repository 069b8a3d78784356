"""The floor: what 1 GB costs this machine with no protocol at all.

Two processes of Python: one reads a file, hashes it, lays it out as datagrams with a CRC32 each and sends
them in trains; the other receives, checks, gathers, hashes and writes, then fsyncs and renames. The same
system calls as the product's, in the same sizes. All that is missing is everything that makes it
reliable: there are no offsets, no retransmissions, no congestion control; it works on loopback only, where
nothing is lost as long as the receiver says now and then how far it is. Run it with

    python -m bench.floor
"""

import argparse
import json
import os
import socket
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from zlib_ng.zlib_ng import crc32

from bench.files import mismatch, random_file, scratch_folder
from bench.processes import ProgramError, end_with_cleanup_on_signals, program
from bench.runs import Run

SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
SO_RCVBUFFORCE: Final = 33
TRAIN_MAX_BYTES: Final = 65_000
TRAIN_MAX_DATAGRAMS: Final = 64
BATCH_BYTES: Final = 512 * 1024
READ_MAX_BYTES: Final = 65_536
BUFFER_BYTES: Final = 8 * 1024 * 1024
AHEAD_MAX_BYTES: Final = 2 * 1024 * 1024
"""How far the sender may be ahead of what the receiver has told; it fits the receiver's buffer."""
TOLD_EVERY_BYTES: Final = 512 * 1024
CRC_BYTES: Final = 4
COUNT_BYTES: Final = 8
ETHERNET_DATAGRAM_BYTES: Final = 1_472
LARGEST_DATAGRAM_BYTES: Final = 65_487
TABLE: Final = "loopback"


def train_bytes(datagram_bytes: int) -> int:
    """The longest train that one call takes."""
    return max(1, min(TRAIN_MAX_BYTES // datagram_bytes, TRAIN_MAX_DATAGRAMS)) * datagram_bytes


# --- The sending process ----------------------------------------------------------------------------


def send(path: Path, port: int, *, datagram_bytes: int) -> None:
    """Read, hash, lay out, seal and send one file; wait until the receiver has it in its place."""
    payload_bytes = datagram_bytes - CRC_BYTES
    rows = max(1, BATCH_BYTES // datagram_bytes)
    frames = np.zeros((rows, datagram_bytes), np.uint8)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    digest = sha256()
    sent = told = 0
    with path.open("rb", buffering=0) as file:
        while block := os.pread(file.fileno(), rows * payload_bytes, sent):
            digest.update(block)
            total = lay_out(block, frames)
            while sent + len(block) - told > AHEAD_MAX_BYTES:
                told = int.from_bytes(sock.recv(COUNT_BYTES))
            send_trains(sock, memoryview(frames).cast("B")[:total], datagram_bytes)
            sent += len(block)
    sock.send(digest.digest())
    while sock.recv(COUNT_BYTES):
        pass


def lay_out(block: bytes, frames: np.ndarray) -> int:
    """Spread a block over datagrams, each with its CRC32; returns their bytes together."""
    payload_bytes = frames.shape[1] - CRC_BYTES
    full, rest = divmod(len(block), payload_bytes)
    data = np.frombuffer(block, np.uint8)
    frames[:full, :payload_bytes] = data[: full * payload_bytes].reshape(full, payload_bytes)
    view = memoryview(block)
    sums = [crc32(view[at : at + payload_bytes]) for at in range(0, full * payload_bytes, payload_bytes)]
    frames[:full, payload_bytes:] = np.array(sums, "<u4").view(np.uint8).reshape(full, CRC_BYTES)
    if not rest:
        return full * frames.shape[1]
    frames[full, :rest] = data[full * payload_bytes :]
    last = crc32(view[full * payload_bytes :]).to_bytes(CRC_BYTES, "little")
    frames[full, rest : rest + CRC_BYTES] = np.frombuffer(last, np.uint8)
    return full * frames.shape[1] + rest + CRC_BYTES


def send_trains(sock: socket.socket, data: memoryview, datagram_bytes: int) -> None:
    """Send datagrams, as many to a call as it takes."""
    step = train_bytes(datagram_bytes)
    ancillary = [(SOL_UDP, UDP_SEGMENT, datagram_bytes.to_bytes(2, sys.byteorder))]
    for start in range(0, len(data), step):
        train = data[start : start + step]
        sock.sendmsg([train], ancillary if len(train) > datagram_bytes else [])


# --- The receiving process --------------------------------------------------------------------------


def receive(path: Path, *, datagram_bytes: int) -> None:
    """Receive one file and put it in its place; tell the sender how far it is, and the end."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setsockopt(SOL_UDP, UDP_GRO, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    startup_s = time.process_time()
    print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
    buffer = bytearray(BATCH_BYTES + READ_MAX_BYTES)
    staged = path.with_suffix(".part")
    file = os.open(staged, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
    digest = sha256()
    position = told = 0
    while True:
        total, last, sender = read_batch(sock, memoryview(buffer), datagram_bytes)
        block = gather(memoryview(buffer)[:total], datagram_bytes)
        digest.update(block)
        os.pwrite(file, block, position)
        position += len(block)
        if last is not None:
            break
        if position - told >= TOLD_EVERY_BYTES:
            told = position
            sock.sendto(position.to_bytes(COUNT_BYTES), sender)
    if last != digest.digest():
        sys.exit("the SHA-256 of what arrived is wrong")
    os.fsync(file)
    staged.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    sock.sendto(b"", sender)
    print(json.dumps({"cpu_s": time.process_time() - startup_s}), flush=True)


def read_batch(
    sock: socket.socket, buffer: memoryview, datagram_bytes: int
) -> tuple[int, bytes | None, tuple[str, int]]:
    """Wait for a train, then take what else is there; its bytes, the digest if it came, and from whom."""
    total, flags, sender = 0, 0, ("", 0)
    while total <= BATCH_BYTES - READ_MAX_BYTES:
        try:
            size, ancillary, _, sender = sock.recvmsg_into([buffer[total:]], 64, flags)
        except BlockingIOError:
            break
        if size == sha256().digest_size and not ancillary_size(ancillary, size) % size:
            return total, bytes(buffer[total : total + size]), sender
        total += size
        flags = socket.MSG_DONTWAIT
        if total % datagram_bytes:
            break  # a short datagram ends a batch, so that the rest stays aligned
    return total, None, sender


def ancillary_size(ancillary: list[tuple[int, int, bytes]], size: int) -> int:
    """The size of a train's datagrams."""
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_UDP, UDP_GRO):
            return int.from_bytes(data, sys.byteorder)
    return size


def gather(data: memoryview, datagram_bytes: int) -> np.ndarray:
    """Check the CRC32 of each datagram; their payloads, one after the other."""
    payload_bytes = datagram_bytes - CRC_BYTES
    full, rest = divmod(len(data), datagram_bytes)
    frames = np.frombuffer(data, np.uint8)
    table = frames[: full * datagram_bytes].reshape(full, datagram_bytes)
    sums = [crc32(data[at : at + payload_bytes]) for at in range(0, full * datagram_bytes, datagram_bytes)]
    told = np.ascontiguousarray(table[:, payload_bytes:]).view("<u4").ravel().tolist()
    if told != sums:
        sys.exit("a CRC32 is wrong")
    payload = table[:, :payload_bytes].reshape(-1)
    if not rest:
        return payload
    tail = data[full * datagram_bytes : -CRC_BYTES]
    if crc32(tail).to_bytes(CRC_BYTES, "little") != data[-CRC_BYTES:]:
        sys.exit("a CRC32 is wrong")
    return np.concatenate([payload, np.frombuffer(tail, np.uint8)])


# --- The measurement --------------------------------------------------------------------------------


def measure(source: Path, folder: Path, *, size: int, sha256_hex: str, datagram_bytes: int) -> Run:
    """The floor for one file, once. CPU is of the whole sender, and of the receiver from where it listens."""
    system = f"floor, {datagram_bytes:,} bytes"
    target = folder / "floor"
    me = [sys.executable, "-m", "bench.floor", "--datagram", str(datagram_bytes)]
    try:
        with program([*me, "--receive", target]) as receiver:
            receiver.wait_until(lambda it: "port" in it.stdout(), what="the receiver does not listen")
            port = json.loads(receiver.stdout().splitlines()[0])["port"]
            with program([*me, "--send", source, "--port", str(port)]) as sender:
                sent = sender.wait(timeout_s=30 + size / 20e6)
            received = receiver.wait(timeout_s=5)
        error = sent.trouble or received.trouble or mismatch(target, size=size, sha256=sha256_hex) or ""
    except ProgramError as failure:
        return Run(table=TABLE, row="floor", system=system, error=str(failure))
    finally:
        target.unlink(missing_ok=True)
    if error:
        return Run(table=TABLE, row="floor", system=system, error=error)
    receiver_cpu_s = json.loads(received.stdout.splitlines()[-1])["cpu_s"]
    return Run(
        table=TABLE,
        row="floor",
        system=system,
        seconds=sent.wall_s,
        bytes=size,
        cpu_s=sent.cpu_s + receiver_cpu_s,
        memory_bytes=max(sent.memory_max_bytes, received.memory_max_bytes),
        figures={"sender_cpu_s": sent.cpu_s, "receiver_cpu_s": receiver_cpu_s},
    )


def main() -> int:
    """Be one of both processes, or start both and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--size", type=float, default=1e9, help="bytes")
    parser.add_argument("--datagram", type=int, action="append", help="bytes; may be given again")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--receive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    datagrams = arguments.datagram or [ETHERNET_DATAGRAM_BYTES, LARGEST_DATAGRAM_BYTES]
    if arguments.send:
        send(arguments.send, arguments.port, datagram_bytes=datagrams[0])
        return 0
    if arguments.receive:
        receive(arguments.receive, datagram_bytes=datagrams[0])
        return 0
    end_with_cleanup_on_signals()
    with scratch_folder() as scratch:
        size = int(arguments.size)
        digest = random_file(scratch / "data", size, seed=1)
        for _ in range(arguments.repeat):
            for datagram in datagrams:
                found = measure(
                    scratch / "data", scratch, size=size, sha256_hex=digest, datagram_bytes=datagram
                )
                print(
                    f"{found.system:24} {found.error or ''} {found.seconds:6.2f} s  "
                    f"{found.goodput_bps / 1e9:5.2f} Gbit/s  CPU {found.cpu_s:5.2f} s "
                    f"(sender {found.figures.get('sender_cpu_s', 0):.2f}, "
                    f"receiver {found.figures.get('receiver_cpu_s', 0):.2f})",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
