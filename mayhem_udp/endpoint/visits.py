"""Tokens of servers that were visited before, kept for a quicker start the next time.

Owns one small file for each server. A token proves our address to the server that made it and is worth
nothing to anybody else; one that is lost costs a round trip. So nothing here ever fails.
"""

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from mayhem_udp.limits import TOKEN_MAX_BYTES
from mayhem_udp.transport.handshake import NO_TOKEN
from mayhem_udp.url import HostPort


def cache_folder(chosen: Path | None) -> Path:
    """Where tokens are: as the settings say, or where the user's caches are."""
    if chosen is not None:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "mayhem_udp")


class Visits:
    """The tokens in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def token_of(self, server: HostPort) -> bytes:
        """The token of an earlier visit, or none."""
        try:
            with open(self._file_of(server), "rb") as file:
                token = file.read(TOKEN_MAX_BYTES + 1)
        except OSError:
            return NO_TOKEN
        return token if len(token) <= TOKEN_MAX_BYTES else NO_TOKEN

    def keep(self, server: HostPort, token: bytes) -> None:
        """Remember a token for the next visit; where that cannot be done, it is not."""
        path = self._file_of(server)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(token)
            os.replace(fresh, path)

    def _file_of(self, server: HostPort) -> Path:
        return self._folder / f"token-{blake2b(str(server).encode(), digest_size=16).hexdigest()}"
