"""Small questions beside a huge transfer: `python tests/load/waiting.py`. How long does anybody wait?

One client moves a file of 10 GB, sparse, so that its bytes cost no disk; another pings and gets 4 KB, again and
again, over one connection. Prints the 99.9th percentile of the loop's turns, as the daemon itself logs it at its
end, and of the answers as that client sees them. Exits with 1 where the loop's is 50 ms or more: the answers'
own figure has the client's part and everything else on the machine in it.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mayhem_udp

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "soak")]

from streets import MAYHEM, Daemon, environ_of  # noqa: E402  # the folder above comes first

GAP_MAX_MS = 50
SMALL = 4_096
SHARE = 0.999


class TalkativeDaemon(Daemon):
    """One whose log says more than what went wrong."""

    options = ()

    def last_said(self, event):
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event][-1]


def ask_until_over(url, folder, process):
    """Ping and get as long as the transfer goes on; the milliseconds of each answer, sorted."""
    pings, gets = [], []
    with mayhem_udp.connect(url, cache_dir=str(folder / "asking")) as server:
        server.put(os.urandom(SMALL), "small")
        while process.poll() is None:
            began_s = time.perf_counter()
            server.ping(1)
            between_s = time.perf_counter()
            server.get("small", io.BytesIO())
            pings.append(between_s - began_s)
            gets.append(time.perf_counter() - between_s)
    return [sorted(1e3 * each for each in found) for found in (pings, gets)]


def run(folder, *, verb, size):
    """The figures of one transfer; None where it failed."""
    daemon = TalkativeDaemon(folder, "root")
    daemon.root.mkdir()
    source = daemon.root / "huge" if verb == "get" else folder / "huge"
    with source.open("wb") as file:
        file.truncate(size)
    daemon.start()
    url = f"mayhem://127.0.0.1:{daemon.port}/"
    arguments = [f"{url}huge", "-"] if verb == "get" else ["huge", url]
    process = subprocess.Popen(
        [MAYHEM, verb, *arguments, "-q"], cwd=folder, env=environ_of(folder), stdout=subprocess.DEVNULL
    )
    try:
        pings, gets = ask_until_over(url, folder, process)
        if process.returncode or daemon.stop():
            return None
    finally:
        for each in (process, daemon.process):
            each.kill()
            each.wait()
    done = next(
        line for line in map(json.loads, daemon.log.read_text().splitlines())
        if line["event"] == "transfer done" and line["file"] == "huge"
    )  # fmt: skip
    return {
        "bytes": size,
        "Mbit/s": round(done["goodput_bps"] / 1e6),
        "questions": len(pings) + len(gets),
        "loop's turns, 99.9th percentile, ms": daemon.last_said("stopped")["loop_gap_p999_ms"],
        "ping, median, ms": round(pings[len(pings) // 2], 2),
        "ping, 99.9th percentile, ms": round(pings[int(len(pings) * SHARE)], 2),
        "get of 4 KB, median, ms": round(gets[len(gets) // 2], 2),
        "get of 4 KB, 99.9th percentile, ms": round(gets[int(len(gets) * SHARE)], 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, default=10 * 10**9)
    parser.add_argument("--verb", choices=["get", "put"], default="get", help="put: so much memory is needed")
    parser.add_argument("--gap-max-ms", type=float, default=GAP_MAX_MS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mayhem-waiting-", dir="/dev/shm") as folder:
        figures = run(Path(folder), verb=chosen.verb, size=chosen.bytes)
    if figures is None:
        sys.exit("BROKEN: the transfer failed, or the daemon did not end well")
    for name, value in figures.items():
        print(f"{name:<38} {value:>14,}")
    sys.exit(0 if figures["loop's turns, 99.9th percentile, ms"] < chosen.gap_max_ms else 1)


if __name__ == "__main__":
    main()
