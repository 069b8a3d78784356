"""A soak: `make soak TIME=30m`. Simulated lives from fresh seeds, and real processes on a bad day.

Real clients put, get and echo through real proxies with every profile in turn, while clients and daemon are
killed, the network goes away, a NAT forgets, and the disk is full. Afterwards every file that was
acknowledged is there with its digest, no staging is left, and a daemon that was never killed holds no more
descriptors and memory than before. Prints a table, writes `.soak/soak.json`, and exits with 1 where a
promise was broken.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from hashlib import sha256
from multiprocessing import Process, Queue
from pathlib import Path
from random import Random
from threading import Event

from mayhem_udp.mayhem.profiles import PROFILES
from mayhem_udp.units import SECOND, parse_duration_ns

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "simulation")]

from people import Book, Person  # noqa: E402  # the folders above come first
from streets import Daemon, Nat, Proxy  # noqa: E402  # likewise

RESULT = HERE.parents[1] / ".soak" / "soak.json"
TIME_MIN_S = 6
ROUND_S = 20
"""One profile lasts for so long."""
MEMORY_GROWTH_MAX_BYTES = 16 << 20
"""Of a daemon over the second half; an allocator does not give back all that it once needed."""
DESCRIPTORS_GROWTH_MAX = 2
SPECS = list(PROFILES)


def live_on(first_seed, end, told):
    """Simulated lives until the time is up; what failed is told at the end."""
    from life import live

    failed, seed = [], first_seed
    while time.monotonic() < end:
        try:
            live(seed)
        except AssertionError as error:
            failed.append(f"seed {seed}: {error}")
        seed += 1
    told.put((seed - first_seed, failed))


class Day:
    """One bad day of real processes."""

    def __init__(self, folder, *, seed, seconds, people):
        self.folder = folder
        self.dice = Random(seed)
        self.seed = seed
        self.book = Book()
        self.books = {}
        self.retired = []
        self._never = Event()
        self.end = time.monotonic() + seconds
        self.shaken = Daemon(folder, "shaken")
        self.steady = Daemon(folder, "steady")
        self.samples = []
        for daemon in (self.shaken, self.steady):
            daemon.start()
        self.nats = {daemon: Nat(daemon.port) for daemon in (self.shaken, self.steady)}
        self.proxies = {}
        self.people = [
            Person(number, folder, self._book_of(number), self._url_of(number), seed, self.end)
            for number in range(people)
        ]

    def _daemon_of(self, number):
        return self.steady if number % 3 == 2 else self.shaken

    def _book_of(self, number):
        return self.books.setdefault(self._daemon_of(number), Book())

    def _url_of(self, number):
        daemon = self._daemon_of(number)
        return lambda: f"mayhem://127.0.0.1:{self.proxies[daemon].port}/"

    def wait(self, seconds):
        """Let the others go on for so long."""
        self._never.wait(seconds)

    # --- The day -------------------------------------------------------------------------------------

    def live(self):
        self._change_weather(0)
        for person in self.people:
            person.start()
        rounds = 0
        while time.monotonic() < self.end:
            rounds += 1
            self._one_round(min(time.monotonic() + ROUND_S, self.end))
            self._change_weather(rounds)
            self.samples.append((self.steady.descriptors(), self.steady.memory_bytes()))
        for person in self.people:
            person.join()
        self.book.count("profiles in turn", rounds)
        self._clean_up()

    def _change_weather(self, number):
        """Other proxies; the old ones go on for those who are still at it, and end with the next change."""
        for proxy in self.retired:
            proxy.stop()
        self.retired = list(self.proxies.values())
        for index, (daemon, nat) in enumerate(self.nats.items()):
            spec = SPECS[(number + index) % len(SPECS)]
            self.proxies[daemon] = Proxy(self.folder, nat.port, spec, self.dice.randrange(1 << 30))

    def _one_round(self, end):
        while time.monotonic() < end:
            self.wait(self.dice.uniform(0.5, 5))
            deed = self.dice.choices(
                [self._kill_daemon, self._restart_daemon, self._black_out, self._rebind, self._fill_disk],
                [4, 2, 3, 4, 1],
            )[0]
            deed()

    def _kill_daemon(self):
        self.book.count("daemon killed")
        self.shaken.kill()
        self.wait(self.dice.choice([0, 0, 1, 5]))
        self.shaken.start()

    def _restart_daemon(self):
        self.book.count("daemon restarted")
        if self.shaken.stop() != 0:
            self.book.complain("the daemon did not end well")
        self.shaken.start()

    def _black_out(self):
        self.book.count("blackouts")
        proxy = self.dice.choice(list(self.proxies.values()))
        proxy.hold()
        self.wait(self.dice.choice([0.2, 1, 4, 12]))
        proxy.let_go()

    def _rebind(self):
        self.book.count("rebindings")
        self.dice.choice(list(self.nats.values())).forget()

    def _fill_disk(self):
        self.book.count("full disks")
        self.shaken.write_config(free_space_min="1000000G")
        self.shaken.reload()
        self.wait(self.dice.uniform(0.5, 3))
        self.shaken.write_config()
        self.shaken.reload()

    # --- The evening ---------------------------------------------------------------------------------

    def _clean_up(self):
        for proxy in (*self.retired, *self.proxies.values()):
            proxy.stop()
        self.samples.append((self.steady.descriptors(), self.steady.memory_bytes()))
        for daemon in (self.shaken, self.steady):
            self.book.count("stagings before the last sweep", len(daemon.stagings()))
            if daemon.stop() != 0:
                self.book.complain(f"{daemon.root.name} did not end well")
            self._sweep(daemon)
            self._check(daemon)
        for nat in self.nats.values():
            nat.stop()
        self._check_growth()

    def _sweep(self, daemon):
        """What nobody goes on with is swept when it is old enough; here it is at once."""
        for each in (daemon.root / ".mayhem" / "staging").glob("*"):
            os.utime(each, (1, 1))
        daemon.start()
        end = time.monotonic() + 20
        while daemon.stagings() and time.monotonic() < end:
            self.wait(0.1)
        daemon.stop()
        if daemon.stagings():
            self.book.complain(f"{daemon.root.name}: stagings are left: {daemon.stagings()}")

    def _check(self, daemon):
        book = self.books.get(daemon, Book())
        for name, digest in book.files.items():
            path = daemon.root / name
            if not path.exists() or sha256(path.read_bytes()).hexdigest() != digest:
                self.book.count("mismatches")
                self.book.complain(f"{name} was acknowledged, and is not there as it was sent")
        self.book.count("files checked", len(book.files))
        if daemon.tracebacks():
            self.book.complain(f"there are tracebacks in {daemon.log}")
        self.book.counts.update(book.counts)
        self.book.complaints += book.complaints

    def _check_growth(self):
        half = self.samples[len(self.samples) // 2 :]
        descriptors, memory = half[-1][0] - half[0][0], half[-1][1] - half[0][1]
        self.book.counts["descriptors more, last half"] = descriptors
        self.book.counts["memory more, last half, KiB"] = memory // 1_024
        self.book.counts["memory at the end, MiB"] = half[-1][1] >> 20
        if descriptors > DESCRIPTORS_GROWTH_MAX:
            self.book.complain(f"the steady daemon has {descriptors} descriptors more than at half-time")
        if memory > MEMORY_GROWTH_MAX_BYTES:
            self.book.complain(f"the steady daemon has {memory} bytes more than at half-time")

    def end_all(self):
        """Whatever happened: nothing that was started here goes on."""
        for daemon in (self.shaken, self.steady):
            if daemon.process is not None and daemon.process.poll() is None:
                daemon.kill()
        for proxy in (*self.retired, *self.proxies.values()):
            if proxy.process.poll() is None:
                proxy.stop()


def report(day, lives, failed, *, seed, seconds):
    figures = {"seconds": seconds, "seed": seed, "simulated lives": lives, "lives that failed": len(failed)}
    figures |= {"mismatches": 0} | dict(sorted(day.book.counts.items()))
    complaints = failed + day.book.complaints
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>14,}")
    for complaint in complaints:
        print(f"BROKEN: {complaint}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"figures": figures, "complaints": complaints}, indent=1))
    print(f"written to {RESULT}")
    return not complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", default="10m", help="such as 90s, 30m, 2h")
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000_000)
    parser.add_argument("--people", type=int, default=6, help="clients at once")
    chosen = parser.parse_args()
    seconds = max(parse_duration_ns(chosen.time) // SECOND, TIME_MIN_S)
    print(f"soaking for {seconds} s, seed {chosen.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="mayhem-soak-"))
    told = Queue()
    simulator = Process(
        target=live_on, args=(chosen.seed * 1_000, time.monotonic() + seconds, told), daemon=True
    )
    simulator.start()
    day = Day(folder, seed=chosen.seed, seconds=seconds, people=chosen.people)
    try:
        day.live()
    finally:
        day.end_all()
    lives, failed = told.get()
    is_well = report(day, lives, failed, seed=chosen.seed, seconds=seconds)
    if is_well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"everything is kept in {folder}")
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
