"""A thousand clients at once over real sockets that lose and damage: `python tests/load/crowding.py`.

Each client is the library's, with a connection and a socket of its own, and faults of its own at its end; some
share a process, since a thousand interpreters are more than a small machine has room for. All of them begin at
once; each puts a file and gets it back over one connection. Prints a table, and exits with 1 where a promise was
broken: every file whole, nobody left behind, no error in the daemon's log, and memory within the daemon's own
budget. (A warning is no error: of a client whose last words the network took, it hears 30 s later that it is gone.)
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import threading
import time
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from random import Random

import mayhem_udp

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "soak")]

from streets import Daemon  # noqa: E402  # the folder above comes first

PER_PROCESS = 50
FAULTS = "drop=5%,corrupt=1%"
MEMORY_MAX_BYTES = 128 << 20
"""limits.memory_max, as it is shipped: what connections may hold together."""
CONNECTION_BYTES = 64 << 10
"""What a connection costs beside that, at most."""
BEGUN_MAX_S = 300
DONE_MAX_S = 900
SLOWEST_TO_MEDIAN_MAX = 10
"""Beyond it somebody was starved."""


def data_of(number, size):
    return Random(number).randbytes(size)


def one_client(number, url, folder, size, start, told):
    """A client's life in a thread: wait for the others, connect, put, get."""
    try:
        cache = str(folder / f"cache{number}")
        spec = f"{FAULTS},seed={number + 1}"
        data, back = data_of(number, size), io.BytesIO()
        start.wait(BEGUN_MAX_S)
        began_s = time.monotonic()
        with mayhem_udp.connect(url, cache_dir=cache, mayhem=spec, timeout="120s", retry="0") as server:
            put = server.put(data, f"file{number:04}")
            server.get(f"file{number:04}", back)
            seconds = time.monotonic() - began_s
            is_whole = back.getvalue() == data and put.sha256 == sha256(data).hexdigest()
            told[number] = seconds if is_whole else f"client {number}: what came back is not what was sent"
    except BaseException as error:  # noqa: BLE001  # whatever it is, the report has to say so
        told[number] = f"client {number}: {error!r}"
        if not isinstance(error, threading.BrokenBarrierError):
            start.abort()


def some_clients(numbers, url, folder, size, start, results):
    """A process's life."""
    told = {}
    threads = [
        threading.Thread(target=one_client, args=(number, url, folder, size, start, told))
        for number in numbers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(told)


def crowd(url, folder, *, clients, size):
    """Let them all loose; returns for each its seconds, or what went wrong."""
    context = get_context("fork")
    start, results = context.Barrier(clients), context.Queue()
    groups = [range(first, min(first + PER_PROCESS, clients)) for first in range(0, clients, PER_PROCESS)]
    processes = [
        context.Process(target=some_clients, args=(numbers, url, folder, size, start, results), daemon=True)
        for numbers in groups
    ]
    for process in processes:
        process.start()
    told = {}
    for _ in processes:
        told |= results.get(timeout=DONE_MAX_S)
    for process in processes:
        process.join()
    return told


def complaints_of(daemon, told, *, clients, size, idle_bytes, most_bytes):
    """What was promised, and is not so."""
    yield from sorted((each for each in told.values() if isinstance(each, str)), key=_is_for_another)
    for number in range(clients):
        path = daemon.root / f"file{number:04}"
        if not path.exists() or path.read_bytes() != data_of(number, size):
            yield f"{path.name} is not there as it was sent"
    for line in daemon.log.read_text().splitlines():
        if not line.startswith("{") or json.loads(line)["level"] == "error":
            yield f"in the log: {line}"
    if daemon.stagings():
        yield f"stagings are left: {daemon.stagings()}"
    if most_bytes - idle_bytes > MEMORY_MAX_BYTES + clients * CONNECTION_BYTES:
        yield f"the daemon had {most_bytes - idle_bytes} bytes more than idle"
    times = [each for each in told.values() if not isinstance(each, str)]
    if times and max(times) > SLOWEST_TO_MEDIAN_MAX * statistics.median(times):
        yield f"the slowest took {max(times):.1f} s, the median {statistics.median(times):.1f} s"


def _is_for_another(complaint):
    """Whether a client ended only because another did."""
    return "BrokenBarrier" in complaint


def run(folder, *, clients, size):
    """One crowd against one daemon; returns figures and complaints."""
    daemon = Daemon(folder, "root")
    daemon.config.write_text("")  # as shipped
    daemon.start()
    try:
        idle_bytes = daemon.memory_bytes()
        began_s = time.monotonic()
        told = crowd(f"mayhem://127.0.0.1:{daemon.port}/", folder, clients=clients, size=size)
        wall_s = time.monotonic() - began_s
        most_bytes = daemon.memory_max_bytes()
        if daemon.stop() != 0:
            return {}, ["the daemon did not end well"]
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    found = list(
        complaints_of(daemon, told, clients=clients, size=size, idle_bytes=idle_bytes, most_bytes=most_bytes)
    )
    times = [each for each in told.values() if not isinstance(each, str)] or [0]
    return {
        "clients at once": clients,
        "files whole, there and back": len([each for each in told.values() if not isinstance(each, str)]),
        "bytes, both ways": 2 * clients * size,
        "seconds in all": round(wall_s, 1),
        "seconds of a client, median": round(statistics.median(times), 1),
        "seconds of a client, slowest": round(max(times), 1),
        "daemon's memory idle, MiB": idle_bytes >> 20,
        "daemon's memory at most, MiB": most_bytes >> 20,
    }, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--size", type=int, default=100_000, help="bytes of each file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mayhem-crowd-", dir="/dev/shm") as folder:
        figures, complaints = run(Path(folder), clients=chosen.clients, size=chosen.size)
    for name, value in figures.items():
        print(f"{name:<32} {value:>14,}")
    for sentence in complaints[:20]:
        print(f"BROKEN: {sentence}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
