"""Real processes for tests: daemons, proxies and commands, in folders of their own.

Everything a test starts is ended with the test, and a daemon that was left running has to end well: exit
code 0, and no error in its log. Nothing sleeps: what is waited for is a line of output, or a process's end.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAYHEM = str(Path(sys.executable).with_name("mayhem"))
WAIT_S = 60
"""Far longer than anything here takes, on a machine that does a lot beside it."""

RESULT_FIELDS = [
    "name", "bytes", "seconds", "goodput_bps", "sha256", "verified", "datagrams_sent", "datagrams_received",
    "retransmitted", "corrupt_dropped", "duplicate_dropped", "srtt_ms", "min_rtt_ms", "loss",
]  # fmt: skip


class Lines:
    """A stream of a process, read as it comes by a thread, so that the process never waits for us."""

    def __init__(self, stream):
        self._stream = stream
        self._changed = threading.Condition()
        self._is_over = False
        self.data = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self):
        return self.data.decode("utf-8", "replace")

    def wait_for(self, pattern):
        """Wait for output that matches, from the beginning on."""
        wanted = re.compile(pattern, re.MULTILINE)
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or wanted.search(self.text), WAIT_S)
            found = wanted.search(self.text)
        assert found, f"{pattern!r} never came, but:\n{self.text}"
        return found

    def whole(self):
        """All of it, once the process has ended."""
        self._reader.join(WAIT_S)
        self._stream.close()
        return bytes(self.data)

    def _read(self):
        while chunk := os.read(self._stream.fileno(), 65_536):
            with self._changed:
                self.data += chunk
                self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self):
        return self.raw.decode()

    @property
    def results(self):
        """What --json printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    def well(self):
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


class Running:
    """A process under way."""

    def __init__(self, arguments, *, environ, folder, stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen(
            arguments,
            env=environ,
            cwd=folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """End it as a power cut would."""
        self.process.kill()
        return self.end()

    def end(self):
        """Wait for its end."""
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it never ended\n{self.out.text}\n{self.err.text}") from None
        return Ended(code, self.out.whole(), self.err.whole().decode("utf-8", "replace"))


class Daemon(Running):
    """`mayhem serve`, or whatever behaves like it, with a JSON log."""

    def __init__(self, arguments, *, environ, folder, root, host="127.0.0.1"):
        super().__init__(arguments, environ=environ, folder=folder)
        self.root = root
        self.port = int(self.err.wait_for(r'"port": (\d+)')[1])
        self.url = f"mayhem://{host}:{self.port}/"

    @property
    def log(self):
        """The events so far (the last line may still be on its way)."""
        return [json.loads(line) for line in self.err.text.split("\n")[:-1] if line.startswith("{")]

    def events(self, name):
        return [each for each in self.log if each["event"] == name]

    def wait_for_event(self, event, **fields):
        parts = "".join(rf'(?=.*"{key}": {re.escape(json.dumps(each))})' for key, each in fields.items())
        self.err.wait_for(rf'^(?=.*"event": {re.escape(json.dumps(event))}){parts}.*$')

    def stop(self, number=signal.SIGTERM):
        """Ask it to end; it does so well."""
        self.signal(number)
        ended = self.end()
        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err, ended.err
        return ended

    def stored(self):
        """What is in its root, its own folder aside."""
        found = (each for each in self.root.rglob("*") if each.is_file())
        return {str(each.relative_to(self.root)) for each in found if ".mayhem" not in each.parts}

    def staged(self):
        """What is left of transfers that were cut."""
        return sorted(each.name for each in (self.root / ".mayhem" / "staging").glob("*"))


class Town:
    """One test's folder, and everything that runs in it."""

    def __init__(self, folder):
        self.folder = folder
        self.here = folder / "here"
        self.here.mkdir()
        self.running = []
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH") if name in os.environ
        }
        self.environ = {
            **kept,
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONWARNINGS": "error",
        }

    # --- Files ---------------------------------------------------------------------------------------

    def file(self, name, size, *, seed=0):
        """A file of random bytes in the folder that commands run in."""
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(f"{name} {size} {seed}").randbytes(size))
        return path

    # --- Processes -----------------------------------------------------------------------------------

    def start(self, *arguments, environ=None, stdin=subprocess.DEVNULL, program=MAYHEM, folder=None):
        made = Running(
            [program, *map(str, arguments)],
            environ={**self.environ, **(environ or {})},
            folder=folder or self.here,
            stdin=stdin,
        )
        self.running.append(made)
        return made

    def mayhem(self, *arguments, environ=None, stdin=b""):
        """Run a command to its end."""
        started = self.start(*arguments, environ=environ, stdin=subprocess.PIPE)
        with suppress(BrokenPipeError):
            started.process.stdin.write(stdin)
            started.process.stdin.close()
        return started.end()

    def daemon(self, *options, root="root", port=0, environ=None, before=(), host="127.0.0.1"):
        """A daemon that listens; `before` is what starts it, if not the command itself."""
        where = self.folder / root
        arguments = [
            *before,
            MAYHEM,
            "serve",
            "--root",
            str(where),
            "--log-format",
            "json",
            *map(str, options),
        ]
        if not before:
            shown = f"[{host}]" if ":" in host else host
            arguments += ["--listen", f"{shown}:{port}"]
        made = Daemon(
            arguments, environ={**self.environ, **(environ or {})}, folder=self.folder, root=where, host=host
        )
        self.running.append(made)
        return made

    def proxy(self, daemon, spec):
        """Mayhem between clients and a daemon; returns the proxy and the URL to use."""
        made = self.start("proxy", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{daemon.port}",
                          "--mayhem", spec)  # fmt: skip
        port = int(made.err.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1])
        return made, f"mayhem://127.0.0.1:{port}/"

    def close(self):
        """End everything; daemons that were left running have to end well."""
        left = [each for each in self.running if each.process.poll() is None]
        try:
            for each in left:
                each.signal(signal.SIGTERM)
            for each in left:
                ended = each.end()
                if isinstance(each, Daemon):
                    assert ended.code == 0, ended.err
                    assert "Traceback" not in ended.err, ended.err
        finally:
            for each in self.running:
                each.process.kill()
                each.process.wait()
                each.out.whole()
                each.err.whole()


def digest_of(path):
    """The SHA-256 of a file, in hexadecimal."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
