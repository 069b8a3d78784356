"""What a simulated client does: each task as an errand, tried until it is done, and checked at the end.

Owns what is true when an errand is done: which bytes are where. Never decides when it is tried.
"""

from hashlib import sha256
from random import Random

from mayhem_udp.errors import Code, UnreachableError
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackReceiver, PutPackSender
from mayhem_udp.store.names import check_name
from mayhem_udp.wire.messages import List, PingRequest, Remove, Stat

BAD_NAMES = ["../out", "/etc/passwd", "a\0b", "", ".mayhem/x", "a/./b", "n" * 300, "\x1b[2J"]


class Errand:
    """One task. `is_done` once its outcome is known to the client; `exchange` while it is under way."""

    def __init__(self, task, seed):
        self.task = task
        self.name = task.name
        self.data = Random(f"{seed} {task.name}").randbytes(task.size)
        self.exchange = None
        self.is_done = False
        self.tries = 0

    def plant(self, root):
        """What has to be on the server before."""

    def start(self, client):
        self.tries += 1
        self.exchange = self.begin(client)

    def begin(self, client):
        raise AssertionError("every errand begins somehow")

    def look(self):
        """Note the end of a try: done, or to be tried again; anything else must not happen."""
        exchange = self.exchange
        if exchange is None or not exchange.is_over:
            return
        self.exchange = None
        if exchange.error is None:
            self.is_done = True
            self.check_outcome(exchange)
        elif not isinstance(exchange.error, UnreachableError):
            self.on_error(exchange.error)

    def on_error(self, error):
        raise AssertionError(f"{self.task} failed: {error!r}")

    def check_outcome(self, exchange):
        """What the client was told is true."""

    def files(self):
        """What is on the server when it is done: contents by name."""
        return {}

    def copies(self):
        """What is in the client's folder when it is done."""
        return {}


class PutErrand(Errand):
    def begin(self, client):
        return client.put(self.name, self.data)

    def check_outcome(self, exchange):
        assert exchange.sha256 == sha256(self.data).digest(), "verified means verified"

    def files(self):
        return {self.name: self.data}


class GetErrand(Errand):
    def plant(self, root):
        (root / self.name).write_bytes(self.data)

    def begin(self, client):
        return client.get(self.name)

    def check_outcome(self, exchange):
        assert exchange.sha256 == sha256(self.data).digest(), "verified means verified"

    def files(self):
        return {self.name: self.data}

    copies = files


class EchoErrand(Errand):
    def begin(self, client):
        return client.echo(self.name, self.data)

    def copies(self):
        return {f"received_{self.name}": self.data}


class PackErrand(Errand):
    """Several small files at once; `codes` are their outcomes."""

    def __init__(self, task, seed):
        super().__init__(task, seed)
        dice = Random(f"{seed} {task.name} files")
        self.codes = {}
        self.contents = {
            f"{self.name}/{number}": dice.randbytes(dice.randrange(3_000)) for number in range(task.count)
        }

    def small_files(self):
        for name, data in self.contents.items():
            yield SmallFile(name.encode(), data, 0, 0o644, Code.OK, sha256(data).digest())

    def note(self, first, codes):
        self.codes.update(enumerate(codes, first))

    def check_outcome(self, exchange):
        assert list(self.codes.values()) == [Code.OK] * len(self.contents)

    def files(self):
        return self.contents


class PutPackErrand(PackErrand):
    def begin(self, client):
        files, count = self.small_files(), len(self.contents)
        return client.start(
            lambda *where: PutPackSender(*where, files=files, count=count, on_codes=self.note)
        )


class GetPackErrand(PackErrand):
    def plant(self, root):
        (root / self.name).mkdir()
        for name, data in self.contents.items():
            (root / name).write_bytes(data)

    def begin(self, client):
        names = tuple(name.encode() for name in self.contents)
        store = client.store.write_small
        return client.start(
            lambda *where: GetPackReceiver(*where, names=names, store=store, on_codes=self.note)
        )

    copies = PackErrand.files


class ListErrand(Errand):
    def plant(self, root):
        (root / self.name).mkdir()
        for number in range(self.task.count):
            (root / self.name / f"{number}").touch()

    def begin(self, client):
        return client.ask(List(0, f"{self.name}/*".encode()))

    def check_outcome(self, exchange):
        names = {entry.name.decode() for entry in exchange.entries}
        assert names == set(self.files())
        assert len(exchange.entries) == self.task.count

    def files(self):
        return {f"{self.name}/{number}": b"" for number in range(self.task.count)}


class StatErrand(GetErrand):
    def begin(self, client):
        return client.ask(Stat(1, self.name.encode()))

    def check_outcome(self, exchange):
        (entry,) = exchange.entries
        assert (entry.size, entry.sha256) == (len(self.data), sha256(self.data).digest())

    def copies(self):
        return {}


class RemoveErrand(Errand):
    def plant(self, root):
        (root / self.name).write_bytes(self.data)

    def begin(self, client):
        return client.ask(Remove(self.name.encode()))

    def on_error(self, error):
        """A removal whose answer was lost finds nothing the second time, and not every repetition is ours: a
        server that crashed has forgotten what it has done, and does it again when it hears the same words."""
        assert error.code is Code.NOT_FOUND, repr(error)
        self.is_done = True


class PingErrand(Errand):
    def begin(self, client):
        return client.ask(PingRequest(1))


class RefusedErrand(Errand):
    """Something that the server has to refuse."""

    def begin(self, client):
        bad = BAD_NAMES[self.task.size % len(BAD_NAMES)]
        if self.task.size % 2:
            return client.put(bad, self.data)
        return client.get(bad, to=check_name("never-here"))

    def on_error(self, error):
        assert error.code in {Code.NAME_REFUSED, Code.NAME_RESERVED, Code.NAME_TOO_LONG}, repr(error)
        self.is_done = True

    def check_outcome(self, exchange):
        raise AssertionError("a bad name was taken")


ERRANDS = {
    "put": PutErrand,
    "get": GetErrand,
    "echo": EchoErrand,
    "put pack": PutPackErrand,
    "get pack": GetPackErrand,
    "list": ListErrand,
    "stat": StatErrand,
    "remove": RemoveErrand,
    "ping": PingErrand,
    "refused": RefusedErrand,
}
