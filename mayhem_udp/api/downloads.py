"""What comes from the server: to a path, into a stream, back from a round trip, or many small files together.

Owns what is done with a download that was cut before, and which errors are this side's. The server never
chooses a place: paths are the caller's, whatever names it sends. Never talks to a server itself.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from mayhem_udp.api.landing import check_landing, landing_at, landing_name, landing_store, obstacle
from mayhem_udp.api.outcomes import failed, transfer_result
from mayhem_udp.api.reasons import error_of_file
from mayhem_udp.api.uploads import Uploadable, is_stream, open_upload
from mayhem_udp.config import Settings
from mayhem_udp.endpoint.errand import Errand, Tell
from mayhem_udp.errors import Code, IntegrityError, LocalFileError, MayhemError
from mayhem_udp.results import Outcome
from mayhem_udp.session.echo import EchoClient
from mayhem_udp.session.exchange import Exchange, Workers
from mayhem_udp.session.get import GetReceiver
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackReceiver
from mayhem_udp.store.names import encode_name
from mayhem_udp.store.outflow import Outflow
from mayhem_udp.store.source import NO_FINGERPRINT, FileSource, open_local
from mayhem_udp.store.staging import Staging
from mayhem_udp.store.store import Store
from mayhem_udp.transport.connection import Connection
from mayhem_udp.units import format_bytes
from mayhem_udp.wire.messages import SIZE_UNKNOWN, Accept

if TYPE_CHECKING:
    from collections.abc import Buffer

STORES_OPEN_MAX: Final = 64
"""Folders that a download of many files holds open at once."""


def announced(accept: Accept) -> int | None:
    """The size that the server says the file has."""
    return None if accept.size == SIZE_UNKNOWN else accept.size


class Download:
    """One file, to one path."""

    def __init__(self, name: str, path: Path, settings: Settings, *, tell: Tell | None = None) -> None:
        self.name = name
        self.path = path
        self._settings = settings
        self._store: Store | None = None
        self._partial: Staging | None = None
        self.errand = Errand(name, self._make, may_repeat=True, tell=tell, prepare=self._prepare)

    def _prepare(self) -> None:
        """Find and verify what an earlier try has left."""
        encode_name(self.name)
        with landing_at(self.path):
            check_landing(self.path)
            if self._store is None:
                self._store = landing_store(self.path.parent, self._settings)
            try:
                self._partial = self._store.find_partial(landing_name(self.path))
            except LocalFileError as error:
                if error.code is not Code.IS_DIRECTORY:
                    raise  # a folder may be one there, too, and that is what the caller needs to know first
            if self._partial is not None and self._partial.needs_recovery:
                self._partial.recover()

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        partial, self._partial = self._partial, None
        return GetReceiver(connection, workers, request, name=self.name, stage=self._stage, partial=partial)

    def _stage(self, accept: Accept) -> Staging:
        assert self._store is not None, "prepared before"
        with landing_at(self.path):
            return self._store.stage(
                landing_name(self.path),
                size=announced(accept),
                fingerprint=accept.fingerprint,
                mtime_ns=accept.mtime_ns,
                mode=accept.mode,
            )

    def outcomes(self) -> list[Outcome]:
        """What came of it; the folder is let go."""
        exchange, error = self.errand.exchange, self.errand.error
        if self._partial is not None:
            self._partial.keep()
        if self._store is not None:
            self._store.close()
            self._store = None
        if error is not None or not isinstance(exchange, GetReceiver) or exchange.sha256 is None:
            return [failed(self.name, error)]
        size = exchange.receiver.received_bytes + exchange.resumed_bytes if exchange.receiver else 0
        return [transfer_result(self.errand, self.name, size=size, sha256=exchange.sha256, path=self.path)]


class StreamDownload:
    """One file, into a stream: it can be neither resumed nor repaired."""

    def __init__(self, name: str, stream: BinaryIO, settings: Settings, *, tell: Tell | None = None) -> None:
        self.name = name
        self._stream = stream
        self._size_max_bytes = settings.limits.file_size_max_bytes
        self.errand = Errand(name, self._make, may_repeat=False, tell=tell)

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        return GetReceiver(connection, workers, request, name=self.name, stage=self._stage, partial=None)

    def _stage(self, accept: Accept) -> Outflow:
        size = announced(accept)
        if size is not None and 0 < self._size_max_bytes < size:
            raise LocalFileError(
                f"{self.name} has {format_bytes(size)}, more than limits.file_size_max allows here",
                code=Code.FILE_TOO_LARGE,
                remedy="raise it",
            )
        return Outflow(self._stream)

    def outcomes(self) -> list[Outcome]:
        """What came of it."""
        exchange, error = self.errand.exchange, self.errand.error
        if error is not None or not isinstance(exchange, GetReceiver) or exchange.sha256 is None:
            return [failed(self.name, error)]
        size = exchange.receiver.received_bytes if exchange.receiver else 0
        return [transfer_result(self.errand, self.name, size=size, sha256=exchange.sha256)]


class RoundTrip:
    """One file, to the server and back, beside the original under a name that says so."""

    def __init__(
        self, source: Path, name: str, path: Path, settings: Settings, *, tell: Tell | None = None
    ) -> None:
        self.name = name
        self.path = path
        self._source = source
        self._settings = settings
        self._store: Store | None = None
        self.errand = Errand(self.name, self._make, may_repeat=True, tell=tell)

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        source = open_local(self._source)
        try:
            staging = self._stage(source)
        except BaseException:
            source.close()
            raise
        return EchoClient(connection, workers, request, source=source, name=self.name, staging=staging)

    def _stage(self, source: FileSource) -> Staging:
        with landing_at(self.path):
            check_landing(self.path)
            if self._store is None:
                self._store = landing_store(self.path.parent, self._settings)
            return self._store.stage(
                landing_name(self.path),
                size=source.size,
                fingerprint=NO_FINGERPRINT,
                mtime_ns=source.mtime_ns,
                mode=source.mode,
            )

    def outcomes(self) -> list[Outcome]:
        """What came of it; the folder is let go."""
        exchange, error = self.errand.exchange, self.errand.error
        if self._store is not None:
            self._store.close()
            self._store = None
        if error is not None or not isinstance(exchange, EchoClient) or exchange.sha256 is None:
            return [failed(self.name, error)]
        size, digest = exchange.sender.offset, exchange.sha256
        return [transfer_result(self.errand, self.name, size=size, sha256=digest, path=self.path)]


class StreamRoundTrip:
    """Bytes or a stream, to the server and back; the copy is compared, and kept nowhere."""

    def __init__(self, source: Uploadable, name: str, *, tell: Tell | None = None) -> None:
        self.name = name
        self._source = source
        self.errand = Errand(name, self._make, may_repeat=not is_stream(source), tell=tell)

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        source, landing = open_upload(self._source), Outflow(_Nowhere())
        return EchoClient(connection, workers, request, source=source, name=self.name, staging=landing)

    def outcomes(self) -> list[Outcome]:
        """What came of it."""
        exchange, error = self.errand.exchange, self.errand.error
        if error is not None or not isinstance(exchange, EchoClient) or exchange.sha256 is None:
            return [failed(self.name, error)]
        size, digest = exchange.sender.offset, exchange.sha256
        return [transfer_result(self.errand, self.name, size=size, sha256=digest)]


class _Nowhere(BytesIO):
    """A stream that keeps nothing."""

    def write(self, data: "Buffer", /) -> int:
        return memoryview(data).nbytes


class PackDownload:
    """Many small files in one request. `too_large` are those that want a request of their own."""

    def __init__(
        self, files: Sequence[tuple[str, Path]], settings: Settings, *, tell: Tell | None = None
    ) -> None:
        self._files = files
        self._settings = settings
        self._stores: OrderedDict[Path, Store] = OrderedDict()
        self._codes: dict[int, int] = {}
        self._got: dict[int, tuple[int, bytes]] = {}
        self._obstacles: dict[int, LocalFileError] = {}
        self.too_large: list[tuple[str, Path]] = []
        self.errand = Errand(f"{len(files)} files", self._make, may_repeat=True, tell=tell)

    def _make(self, connection: Connection, workers: Workers, request: int) -> Exchange:
        names = tuple(encode_name(name) for name, _ in self._files)
        store = partial(self._put_in_place, iter(range(len(self._files))))
        return GetPackReceiver(connection, workers, request, names=names, store=store, on_codes=self._note)

    def _note(self, first: int, codes: Sequence[int]) -> None:
        self._codes.update(enumerate(codes, first))

    def _put_in_place(self, indexes: Iterator[int], files: list[SmallFile]) -> list[int]:
        """Store files that came; runs in a worker, one call at a time.

        They come in the order asked for. By their names they could not be told apart: one name may be
        wanted in two places.
        """
        return [
            file.code if file.code != Code.OK else self._try(index, file)
            for file, index in zip(files, indexes, strict=False)  # the next call goes on with the indexes
        ]

    def _try(self, index: int, file: SmallFile) -> int:
        self._got[index] = (len(file.data), file.sha256)
        try:
            self._store_one(self._files[index][1], file)
        except LocalFileError as error:
            self._obstacles[index] = error
            return error.code
        except MayhemError as error:
            return error.code
        return Code.OK

    def _store_one(self, path: Path, file: SmallFile) -> None:
        with landing_at(path):
            check_landing(path)
            code = self._store_of(path.parent).write_small([file], names=[landing_name(path)])[0]
        if code is Code.INTEGRITY:
            raise IntegrityError(f"{file.name!r} did not arrive as it was sent")
        if code is not Code.OK:
            raise obstacle(code, path)

    def _store_of(self, folder: Path) -> Store:
        known = self._stores.get(folder)
        if known is None:
            if len(self._stores) >= STORES_OPEN_MAX:
                self._stores.popitem(last=False)[1].close()
            known = self._stores[folder] = landing_store(folder, self._settings)
        return known

    def outcomes(self) -> list[Outcome]:
        """What came of each but those that are too large; the folders are let go."""
        for store in self._stores.values():
            with suppress(OSError):
                store.close()
        self._stores.clear()
        found: list[Outcome] = []
        together = sum(self._codes.get(index) != Code.FILE_TOO_LARGE for index in range(len(self._files)))
        for index, (name, path) in enumerate(self._files):
            code = self._codes.get(index)
            if code == Code.FILE_TOO_LARGE:
                self.too_large.append((name, path))
            elif code is None:
                found.append(failed(name, self.errand.error))
            elif code != Code.OK:
                found.append(failed(name, self._obstacles.get(index) or error_of_file(code, name)))
            else:
                size, digest = self._got[index]
                result = transfer_result(
                    self.errand, name, size=size, sha256=digest, path=path, together=together
                )
                found.append(result)
        return found
