"""The front of the library: a server, and every verb as a method.

Owns what each argument may be, and the order in which many files go. One `Client` is for one thread of one
process (`ownership`); it connects with its first request, keeps that connection for all, and closes it at the end of `with`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

from mayhem_udp.api.arguments import (
    check_connect,
    count_of,
    destination_of,
    downloads_of,
    name_of,
    names_of,
    path_of,
    upload_name_of,
    uploads_of,
)
from mayhem_udp.api.downloads import Download, PackDownload, RoundTrip, StreamDownload, StreamRoundTrip
from mayhem_udp.api.outcomes import the_one
from mayhem_udp.api.ownership import Ownership
from mayhem_udp.api.questions import Inquiry, PingSums
from mayhem_udp.api.together import Telling
from mayhem_udp.api.uploads import Gathering, Upload, Uploadable
from mayhem_udp.config import Settings, Sources, load, with_overrides
from mayhem_udp.endpoint.client import ClientEndpoint
from mayhem_udp.endpoint.errand import Errand, Tell
from mayhem_udp.endpoint.visits import Visits, cache_folder
from mayhem_udp.endpoint.watcher import Silence, Watcher
from mayhem_udp.errors import PeerError, RefusedError, UnreachableError, UsageError
from mayhem_udp.limits import MESSAGE_MAX_BYTES
from mayhem_udp.mayhem.settings import spec_of
from mayhem_udp.results import Entry, Outcome, PingResult, Progress, Removal, TransferResult
from mayhem_udp.store.names import encode_name
from mayhem_udp.url import Url, parse_url

RECEIVED_PREFIX: Final = "received_"
"""A round trip's file is called this and the name of the original."""
ALONE_MAX: Final = 8
"""Up to so many downloads each have a request of their own; more travel in packs where they are small."""
PACK_NAMES_MAX: Final = 1_024
PACK_NAMES_BYTES: Final = MESSAGE_MAX_BYTES // 2
NAME_HEAD_BYTES: Final = 2
"""Names in one request for many small files: so many, or so much text."""


class Request(Protocol):
    """What `uploads` and `downloads` make: an errand, and what came of it."""

    errand: Errand

    def outcomes(self) -> list[Outcome]:
        """What came of it; to be asked once, when the errand is over."""


def connect(
    url: str,
    *,
    settings: Settings | None = None,
    progress: Callable[[Progress], None] | None = None,
    log: Any = None,
    **overrides: object,
) -> "Client":
    """A server, to be used with `with`; the connection is made by the first request.

    `url` is `mayhem://HOST[:PORT]/`. `settings` are the defaults unless given; `overrides` change single
    ones, by their full name with two underscores (`transport__chunk_size=1024`), or by a short one where
    it is unique (`chunk_size=1024`, `rate="20M"`, `cc="cubic"`, `mayhem="drop=0.1"`, `timeout="5s"`).
    `progress` is called with a `Progress` about ten times a second, from the thread that waits; `log` is
    a structlog logger for what happens on the way. Raises `UsageError` for a bad URL and `ConfigError`
    for bad settings.
    """
    check_connect(url, settings, progress, log, overrides.items())
    server = parse_url(url)
    if server.name:
        raise UsageError(
            f"{url!r} names a file, and a connection is to a server",
            remedy=f"connect to {server.named('')}, and give the name to put or get",
        )
    chosen = settings if settings is not None else load(Sources()).settings
    if overrides:
        chosen = with_overrides(chosen, overrides, place="connect")
    return Client(server, chosen, progress=progress, log=log)


class Client:
    """One server. Everything blocks until it is done, and raises a `MayhemError` when it can't be."""

    def __init__(
        self,
        server: Url,
        settings: Settings,
        *,
        progress: Tell | None = None,
        log: Any = None,
    ) -> None:
        self._server = server
        self._settings = settings
        self._tell = progress
        self._log = log
        self._faults = spec_of(settings.mayhem)
        self._opened: ClientEndpoint | None = None
        self._is_closed = False
        self._ownership = Ownership()

    # --- Files ---------------------------------------------------------------------------------------

    def put(self, source: Uploadable, name: str | None = None) -> TransferResult:
        """Upload one file: done means that the server has verified, stored and synced it.

        `source` is a path, bytes, or a binary file object that is read to its end. `name` is what it is
        called on the server; a path's own name unless given, or inside a folder where it ends with `/`.
        """
        called = upload_name_of(source, name, verb="put")
        return self._one(Upload(source, called, tell=self._tell))

    def put_many(self, files: Iterable[tuple[str | os.PathLike[str], str]]) -> Iterator[Outcome]:
        """Upload files, each a path and its name on the server; small ones travel together.

        Yields a `TransferResult` or a `TransferFailure` for each as it is known, in no certain order.
        Raises `UnreachableError` when the server is lost for good.
        """
        return self._put_all(uploads_of(files))

    def _put_all(self, files: Iterable[tuple[Path, str]]) -> Iterator[Outcome]:
        gathering = Gathering(self._tell)
        yield from self._all(gathering.uploads(files))
        yield from gathering.failures

    def get(self, name: str, destination: str | os.PathLike[str] | BinaryIO | None = None) -> TransferResult:
        """Download one file to exactly this path, whose folders are made, or into a binary file object.

        Without a destination it lands in the current folder, under the last part of its name. A path has
        the old file or the whole new one, never a part. What a cut download has left is gone on with.
        """
        name = name_of(name)
        place = destination_of(destination if destination is not None else Path(name.rsplit("/", 1)[-1]))
        if isinstance(place, Path):
            return self._one(Download(name, place, self._settings, tell=self._tell))
        return self._one(StreamDownload(name, place, self._settings, tell=self._tell))

    def get_many(self, files: Iterable[tuple[str, str | os.PathLike[str]]]) -> Iterator[Outcome]:
        """Download files, each a name on the server and a path here; small ones travel together.

        Yields a `TransferResult` or a `TransferFailure` for each as it is known, in no certain order.
        Raises `UnreachableError` when the server is lost for good.
        """
        return self._get_all(downloads_of(files))

    def _get_all(self, files: Iterable[tuple[str, Path]]) -> Iterator[Outcome]:
        pairs = iter(files)
        first = list(islice(pairs, ALONE_MAX + 1))
        if len(first) <= ALONE_MAX:
            yield from self._all(self._alone(first))
            return
        alone: MutableSequence[tuple[str, Path]] = []
        yield from self._all(self._packs(chain(first, pairs), alone), alone)
        yield from self._all(self._alone(alone))

    def echo(
        self, source: Uploadable, name: str | None = None, *, out_dir: str | os.PathLike[str] = "."
    ) -> TransferResult:
        """Send a file on a round trip, and compare what comes back by SHA-256; nothing stays there.

        A path's copy is saved as `received_<name>` in `out_dir`; that of bytes or of a file object is
        only compared.
        """
        called = upload_name_of(source, name, verb="echo")
        folder = path_of(out_dir)
        if isinstance(source, str | os.PathLike):
            path = path_of(folder / (RECEIVED_PREFIX + called))
            return self._one(RoundTrip(Path(source), called, path, self._settings, tell=self._tell))
        return self._one(StreamRoundTrip(source, called, tell=self._tell))

    # --- Questions -----------------------------------------------------------------------------------

    def list(self, pattern: str = "*") -> Sequence[Entry]:
        """What matches: `*` within one folder, `**` at any depth; the empty pattern is the root itself.

        With a slash at its end it is what is in the folders that match: `photos/` is `photos/*`.
        Raises `IncompleteListError`, which has the rest, where there are folders that the server cannot read.
        """
        inside = "*" if name_of(pattern).endswith("/") else ""
        return self._ask(Inquiry.list(pattern + inside))

    def stat(self, name: str) -> Entry:
        """One name; a file with its SHA-256, which the server reads it for."""
        entries = self._ask(Inquiry.stat(name_of(name)))
        if len(entries) != 1:
            raise PeerError(f"the server named {len(entries)} files when asked about {name!r}")
        return entries[0]

    def remove(self, name: str) -> None:
        """Remove one file, for good when this returns."""
        self._ask(Inquiry.remove(name_of(name)))

    def remove_many(self, names: Iterable[str]) -> Iterator[Removal]:
        """Remove files, several at a time; what came of each as it is known, in no certain order.

        Raises `UnreachableError` when the server is lost for good.
        """
        return self._remove_all(names_of(names))

    def _remove_all(self, names: Iterable[str]) -> Iterator[Removal]:
        refused: MutableSequence[Removal] = []

        def errands() -> Iterator[Errand]:
            for name in names:
                try:
                    yield Inquiry.remove(name).errand
                except RefusedError as error:
                    refused.append(Removal(name=name, error=error))

        for errand in self._run(errands(), at_once=self._settings.client.parallel):
            if isinstance(errand.error, UnreachableError):
                raise errand.error
            yield Removal(name=errand.name, error=errand.error)
        yield from refused

    def ping(self, count: int = 4) -> PingResult:
        """Measure `count` round trips, one after the other, over a connection that is open already.

        `loss` is the share of the datagrams sent meanwhile that were lost on the way there. Raises `UnreachableError`
        when the server cannot be reached at all.
        """
        sums = PingSums()
        for _ in self._each_ping(count_of(count), sums):
            pass
        return sums.result()

    def pings(self, count: int = 4) -> Iterator[PingResult]:
        """Like `ping`, but tells after each round trip what all so far came to."""
        sums = PingSums()
        return (sums.result() for _ in self._each_ping(count_of(count), sums))

    def _each_ping(self, count: int, sums: PingSums) -> Iterator[None]:
        self._ask(Inquiry.ping(0))  # whoever connects now does not measure the handshake
        for number in range(1, count + 1):
            inquiry = Inquiry.ping(number)
            with suppress(UnreachableError):
                self._ask(inquiry)
            sums.add(inquiry)
            yield

    # --- Running -------------------------------------------------------------------------------------

    def _endpoint(self) -> ClientEndpoint:
        if self._is_closed:
            raise UsageError("this client is closed", remedy="connect again")
        if self._opened is None:
            self._opened = ClientEndpoint(
                self._server.place,
                self._settings,
                visits=Visits(cache_folder(self._settings.client.cache_dir)),
                faults=self._faults,
                watcher=_watcher(self._log, self._settings),
            )
        return self._opened

    def _ask(self, inquiry: Inquiry) -> Sequence[Entry]:
        self._wait_for(inquiry.errand)
        return inquiry.entries()

    def _one(self, request: Request) -> TransferResult:
        try:
            self._wait_for(request.errand)
        finally:
            outcomes = request.outcomes()  # lets go of files, too
        return the_one(outcomes)

    def _wait_for(self, errand: Errand) -> None:
        for _ in self._run([errand], at_once=1):
            pass

    def _run(self, errands: Iterable[Errand | None], *, at_once: int) -> Iterator[Errand]:
        """Run errands side by side; nobody else may do anything here until one of them is over."""
        with self._ownership:
            running = self._endpoint().run(errands, at_once=at_once)
        while True:
            with self._ownership:
                errand = next(running, None)
            if errand is None:
                return
            yield errand

    def _all(
        self, requests: Iterable[Request | None], too_large: MutableSequence[tuple[str, Path]] | None = None
    ) -> Iterator[Outcome]:
        """Run requests side by side; files that did not fit their pack are put on `too_large`."""
        under_way: dict[Errand, Request] = {}

        def errands() -> Iterator[Errand | None]:
            for request in requests:
                if request is None:
                    yield None
                else:
                    under_way[request.errand] = request
                    yield request.errand

        try:
            for errand in self._run(errands(), at_once=self._settings.client.parallel):
                request = under_way.pop(errand)
                outcomes = request.outcomes()
                if isinstance(errand.error, UnreachableError):
                    raise errand.error
                yield from outcomes
                if too_large is not None and isinstance(request, PackDownload):
                    too_large.extend(request.too_large)
        finally:
            if self._ownership.is_of_this_process:  # a forked one has copies, and the files are not its own
                for request in under_way.values():
                    request.outcomes()  # lets go of files

    def _alone(self, files: Iterable[tuple[str, Path]]) -> Iterator[Download]:
        return (Download(name, path, self._settings, tell=self._tell) for name, path in files)

    def _packs(
        self, files: Iterable[tuple[str, Path]], alone: MutableSequence[tuple[str, Path]]
    ) -> Iterator[PackDownload]:
        """Files gathered into packs; those that no pack could ask for are put on `alone`, to fail there."""
        waiting: MutableSequence[tuple[str, Path]] = []
        waiting_bytes = 0
        for name, path in files:
            if len(waiting) == PACK_NAMES_MAX or waiting_bytes >= PACK_NAMES_BYTES:
                yield self._pack(waiting)
                waiting, waiting_bytes = [], 0
            try:
                waiting_bytes += len(encode_name(name)) + NAME_HEAD_BYTES
            except RefusedError:
                alone.append((name, path))
            else:
                waiting.append((name, path))
        if waiting:
            yield self._pack(waiting)

    def _pack(self, files: Sequence[tuple[str, Path]]) -> PackDownload:
        telling = Telling.of(self._tell, first=files[0][0], files=len(files))
        pack = PackDownload(files, self._settings, tell=telling)
        if telling is not None:
            telling.errand = pack.errand
        return pack

    # --- Its life ------------------------------------------------------------------------------------

    def close(self, error: BaseException | None = None) -> None:
        """Tell the server, and let go of everything; `error` is what ended it early, if anything did.

        In a forked process nothing is told: the connection is that of the process which made it, and goes on.
        """
        if not self._ownership.is_of_this_process:
            self._close(lambda endpoint: endpoint.close_copy())
            return
        with self._ownership:
            self._close(lambda endpoint: endpoint.close(error))

    def _close(self, end: Callable[[ClientEndpoint], None]) -> None:
        self._is_closed = True
        opened, self._opened = self._opened, None
        if opened is not None:
            end(opened)

    def __repr__(self) -> str:
        is_connected = self._opened is not None and self._opened.is_connected
        state = "closed" if self._is_closed else "connected" if is_connected else "not connected"
        return f"<Client of {self._server}, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close(error)
        except UsageError:  # another thread is in the midst of a call; what went wrong before says more
            if error is None:
                raise


def _watcher(log: Any, settings: Settings) -> Watcher:
    """Who hears what happens to the connection: the log, if there is one."""
    if log is None:
        return Silence()
    from mayhem_udp.endpoint.telemetry import Telemetry  # noqa: PLC0415  # structlog takes long to import

    return Telemetry(log, progress_interval_ns=settings.logging.progress_interval_ns)
