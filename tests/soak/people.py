"""The clients of a soak: real commands, some of which are killed, and a book of what was promised.

Owns what is asked for, how a command that was killed is given again, and what is true of every file that
was acknowledged.
"""

import json
import subprocess
import threading
import time
from collections import Counter
from hashlib import sha256
from random import Random

from streets import MAYHEM, environ_of

KILLED_SHARE = 0.25
TRIES_MAX = 40
COMMAND_MAX_S = 300
MAY_FAIL = {1, 3, 5}
"""Ended early, unreachable, refused: to be tried again. 4 (integrity) or 2 (usage) must not come."""


class Book:
    """What was promised, and what happened. Used by several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.files = {}
        self.counts = Counter()
        self.complaints = []

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def complain(self, sentence):
        with self.lock:
            self.complaints.append(sentence)

    def promise(self, name, digest):
        with self.lock:
            self.files[name] = digest

    def some_file(self, dice):
        with self.lock:
            return dice.choice(sorted(self.files)) if self.files else None


class Person(threading.Thread):
    """Somebody who puts, gets and echoes all day; `url` is asked for before every command."""

    def __init__(self, number, folder, book, url, seed, end):
        super().__init__(daemon=True)
        self.folder = folder / f"person{number}"
        self.folder.mkdir()
        self.environ = environ_of(self.folder)
        self.number = number
        self.book = book
        self.url = url
        self.dice = Random(f"{seed} {number}")
        self.end = end
        self.done = 0

    def run(self):
        try:
            while time.monotonic() < self.end:
                verb = self.dice.choices([self.put, self.get, self.echo, self.put_many], [5, 4, 1, 1])[0]
                verb(f"{self.number}-{self.done}")
                self.done += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, the report has to say so
            self.book.complain(f"person {self.number} gave up: {error!r}")

    # --- What people do ------------------------------------------------------------------------------

    def put(self, name):
        path = self.folder / f"{name}.bin"
        data = self.some_bytes()
        path.write_bytes(data)
        digest = sha256(data).hexdigest()
        results = self.persist("put", path.name, f"{{url}}files/{path.name}")
        if results:
            if results[0]["sha256"] != digest or not results[0]["verified"]:
                self.book.complain(f"{name}: another digest than what was sent: {results}")
            self.book.promise(f"files/{path.name}", digest)
            self.book.count("bytes", len(data))
        path.unlink()

    def put_many(self, name):
        """A folder of small files."""
        folder = self.folder / name
        folder.mkdir()
        contents = {f"{index}": self.dice.randbytes(self.dice.randrange(6_000)) for index in range(30)}
        for each, data in contents.items():
            (folder / each).write_bytes(data)
        if self.persist("put", "-r", name, "{url}folders/"):
            for each, data in contents.items():
                self.book.promise(f"folders/{name}/{each}", sha256(data).hexdigest())
        for each in contents:
            (folder / each).unlink()
        folder.rmdir()

    def get(self, name):
        wanted = self.book.some_file(self.dice)
        if wanted is None:
            return
        path = self.folder / f"{name}.got"
        if self.persist("get", f"{{url}}{wanted}", path.name):
            data = path.read_bytes()
            if sha256(data).hexdigest() != self.book.files[wanted]:
                self.book.complain(f"{wanted}: what came is not what was put there")
            self.book.count("bytes", len(data))
        path.unlink(missing_ok=True)

    def echo(self, name):
        path = self.folder / f"{name}.echo"
        data = self.some_bytes()
        path.write_bytes(data)
        if self.persist("echo", path.name, "{url}"):
            back = self.folder / f"received_{path.name}"
            if back.read_bytes() != data:
                self.book.complain(f"{name}: the echo is not what was sent")
            back.unlink()
            self.book.count("bytes", 2 * len(data))
        path.unlink()

    def some_bytes(self):
        size = self.dice.choice([0, 1, 5_000, 8_000, 100_000, 1_000_000, 4_000_000])
        return self.dice.randbytes(size)

    # --- Commands ------------------------------------------------------------------------------------

    def persist(self, verb, *arguments):
        """Give a command until it succeeds, and return its results; now and then it is killed."""
        for _ in range(TRIES_MAX):
            results = self.attempt([each.replace("{url}", self.url()) for each in (verb, *arguments)])
            if results is not None:
                self.book.count("transfers")
                return results
            if time.monotonic() > self.end + COMMAND_MAX_S:
                break
        self.book.complain(f"{verb} {arguments} did not succeed in {TRIES_MAX} tries")
        return None

    def attempt(self, arguments):
        process = subprocess.Popen(
            [MAYHEM, *arguments, "--json", "--timeout", "20", "--retry", "30"],
            cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        is_doomed = self.dice.random() < KILLED_SHARE
        try:
            limit = 0.2 + 3 * self.dice.random() ** 2 if is_doomed else COMMAND_MAX_S
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.book.count("clients killed" if is_doomed else "commands that hung")
            if not is_doomed:
                self.book.complain(f"{arguments} took more than {COMMAND_MAX_S} s")
            return None
        if process.returncode == 0:
            return [json.loads(line) for line in out.splitlines()] or [{}]
        self.book.count(f"exit code {process.returncode}")
        if process.returncode not in MAY_FAIL or b"Traceback" in err:
            self.book.complain(f"{arguments} ended with {process.returncode}: {err.decode()[-2_000:]}")
        return None
