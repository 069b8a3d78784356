"""The processes of a soak: daemons that are killed and come back, proxies, and a NAT that forgets.

Owns starting and ending them, and what is read of a process from outside (descriptors, memory). Every
process here was started here, and is ended by its own handle.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

MAYHEM = str(Path(sys.executable).with_name("mayhem"))
START_MAX_S = 60
END_MAX_S = 60


def environ_of(folder):
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """`mayhem serve` on one port and one root, however often it dies."""

    options = ("-q",)

    def __init__(self, folder, name):
        self.folder = folder
        self.root = folder / name
        self.port = free_port()
        self.config = folder / f"{name}.toml"
        self.log = folder / f"{name}.log"
        self.process = None
        self.write_config()

    def write_config(self, *, free_space_min="16M", staging_age_max="7d", sweep_interval="1h"):
        self.config.write_text(
            f'[store]\nfree_space_min = "{free_space_min}"\nstaging_age_max = "{staging_age_max}"\n'
            f'sweep_interval = "{sweep_interval}"\n[transport]\nidle_timeout = "10s"\nkeep_alive = "3s"\n'
        )

    def start(self):
        self.logged_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [MAYHEM, "serve", "--root", self.root, "--listen", f"127.0.0.1:{self.port}",
                 "--config", self.config, "--log-format", "json", *self.options],
                env=environ_of(self.folder), stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        end = time.monotonic() + START_MAX_S
        while time.monotonic() < end and self.process.poll() is None:
            asked = subprocess.run(
                [MAYHEM, "ping", f"mayhem://127.0.0.1:{self.port}/", "-q", "--timeout", "1"],
                env=environ_of(self.folder), capture_output=True, check=False,
            )  # fmt: skip
            if asked.returncode == 0:
                return
        raise RuntimeError(f"the daemon does not come up; see {self.log}")

    def kill(self):
        self.process.kill()
        self.process.wait(END_MAX_S)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_MAX_S)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_bytes(self):
        return self._memory("VmRSS")

    def memory_max_bytes(self):
        return self._memory("VmHWM")

    def _memory(self, name):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1_024

    def tracebacks(self):
        return self.log.read_text(errors="replace").count("Traceback")

    def stagings(self):
        return sorted(each.name for each in (self.root / ".mayhem" / "staging").glob("*"))


class Proxy:
    """`mayhem proxy` with one profile; it can be held up, as a blackout does."""

    def __init__(self, folder, to_port, spec, seed):
        self.port = free_port()
        self.spec = f"{spec},seed={seed}"
        self.process = subprocess.Popen(
            [MAYHEM, "proxy", "--listen", f"127.0.0.1:{self.port}", "--to", f"127.0.0.1:{to_port}",
             "--mayhem", self.spec, "-q"],
            env=environ_of(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def hold(self):
        self.process.send_signal(signal.SIGSTOP)

    def let_go(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.let_go()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nat(threading.Thread):
    """Passes datagrams on between clients and one server, each client under a port of its own; `forget`
    gives all of them new ports, as a NAT that was restarted does."""

    def __init__(self, to_port):
        super().__init__(daemon=True)
        self._to = ("127.0.0.1", to_port)
        self._inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._inside.bind(("127.0.0.1", 0))
        self._inside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = self._inside.getsockname()[1]
        self._outside = {}
        self._clients = {}
        self._is_forgetting = False
        self._is_over = False
        self.start()

    def forget(self):
        self._is_forgetting = True

    def stop(self):
        self._is_over = True
        self.join()

    def run(self):
        while not self._is_over:
            ready, _, _ = select.select([self._inside, *self._clients], [], [], 0.2)
            if self._is_forgetting:
                self._is_forgetting = False
                self._close_outside()
                continue
            for each in ready:
                self._pass_on(each)
        self._close_outside()
        self._inside.close()

    def _pass_on(self, ready):
        try:
            data, source = ready.recvfrom(65_535)
            if ready is self._inside:
                self._outside_of(source).sendto(data, self._to)
            else:
                self._inside.sendto(data, self._clients[ready])
        except OSError:
            pass  # nobody listens there at the moment: the datagram is lost, as it would be

    def _outside_of(self, client):
        found = self._outside.get(client)
        if found is None:
            found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            found.bind(("127.0.0.1", 0))
            self._outside[client] = found
            self._clients[found] = client
        return found

    def _close_outside(self):
        for each in self._clients:
            each.close()
        self._outside.clear()
        self._clients.clear()
