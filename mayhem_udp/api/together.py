"""Small files that travel in one request, as progress tells of them.

Owns what is told of the request as a whole: its name, and how many of its files are done. Never sends anything.
"""

from dataclasses import replace

from mayhem_udp.endpoint.errand import Errand, Tell
from mayhem_udp.results import Phase, Progress
from mayhem_udp.session.packs import GetPackReceiver, PutPackSender
from mayhem_udp.units import BITS_PER_BYTE


class Telling:
    """The progress callback of one request for many files; `errand` is known once it has been made.

    Bytes count with their file, once that is in place: what has arrived may have to wait long for the disk.
    """

    def __init__(self, tell: Tell, *, first: str, files: int) -> None:
        """`first` is the name of its first file: it tells requests side by side from each other."""
        self._tell = tell
        self._name = f"{files} small files from {first}"
        self._files = files
        self.errand: Errand | None = None

    @classmethod
    def of(cls, tell: Tell | None, *, first: str, files: int) -> "Telling | None":
        """One for this callback, if there is any."""
        return None if tell is None else cls(tell, first=first, files=files)

    def __call__(self, progress: Progress) -> None:
        """Tell it as that of several files."""
        exchange = self.errand.exchange if self.errand is not None else None
        files_done = bytes_done = 0
        if isinstance(exchange, PutPackSender | GetPackReceiver):
            files_done, bytes_done = exchange.files_done, exchange.file_bytes_done
        if progress.state is Phase.DONE:
            files_done = self._files  # those that were under way when it was cut have failed
        goodput_bps = bytes_done * BITS_PER_BYTE / progress.seconds if progress.seconds > 0 else 0.0
        self._tell(
            replace(
                progress,
                name=self._name,
                files=self._files,
                files_done=files_done,
                bytes_done=bytes_done,
                goodput_bps=goodput_bps,
            )
        )
