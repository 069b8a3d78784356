"""Proof of address, once: tokens that only this process can have made, each good for one connection.

A token names its kind, the connection that it was made for and the time, and carries a keyed BLAKE2b digest
over these and the client's address. The key of each epoch is derived from one secret, so keys rotate and
nothing is kept of those who never come back. A RETRY token binds address, port and connection and lives for
seconds; a VISIT token binds the address for as long as the settings say.

A greeting carries requests, so one that the network doubles, or somebody plays again, must not have them
carried out twice (RFC 8446 section 8): what has opened a connection is remembered, or, where there is too
much of it, all that was made until then is stale. A restart makes everything stale: the boot is in the key.
Owns the secret. Never reads a clock.
"""

import hmac
import struct
from enum import IntEnum
from hashlib import blake2b
from itertools import islice
from typing import Final

from mayhem_udp.transport.datagrams import Address
from mayhem_udp.units import SECOND

DIGEST_BYTES: Final = 16
RETRY_LIFETIME_S: Final = 30
"""A client that was asked to prove its address does so at once, or not at all."""
CLOCK_SKEW_S: Final = 5
USED_MAX: Final = 16_384
"""Tokens that are remembered to have been used; then the older half of them gives way."""
_HEAD: Final = struct.Struct(">BII")
_WORD: Final = 0xFFFFFFFF


class TokenKind(IntEnum):
    """What a token is for."""

    RETRY = 1
    VISIT = 2


class TokenMint:
    """Makes and checks tokens, and the tokens of stateless resets."""

    __slots__ = ("_boot", "_lifetime_s", "_secret", "_stale_s", "_used", "_visit_lifetime_s")

    def __init__(self, secret: bytes, *, boot: bytes, visit_lifetime_ns: int) -> None:
        """`boot` is another for each process; `visit_lifetime_ns`: how long a visitor's token holds, and one key seals."""
        assert len(secret) >= 16, "a secret of at least 128 bits"
        self._secret = secret
        self._boot = boot
        self._used: dict[bytes, int] = {}
        """Digests of tokens that have opened a connection, the oldest first, and when each was made."""
        self._stale_s = -1
        """Made until then: it is no longer known which were used."""
        self._visit_lifetime_s = max(visit_lifetime_ns // SECOND, 1)
        self._lifetime_s = {TokenKind.RETRY: RETRY_LIFETIME_S, TokenKind.VISIT: self._visit_lifetime_s}

    def make(self, kind: TokenKind, address: Address, *, connection_id: int, unix_s: int) -> bytes:
        """A token for `address`, made now, on the occasion of a connection."""
        head = _HEAD.pack(kind, connection_id & _WORD, unix_s & _WORD)
        return head + self._digest(head, kind, address, unix_s & _WORD)

    def is_valid(self, token: bytes, address: Address, *, connection_id: int, unix_s: int) -> bool:
        """Whether this process made `token` for `address`, recently enough, and it has opened nothing yet."""
        if len(token) != _HEAD.size + DIGEST_BYTES:
            return False
        number, mark, made_s = _HEAD.unpack_from(token)
        lifetime_s = self._lifetime_s.get(number)
        if lifetime_s is None or not -CLOCK_SKEW_S <= (unix_s & _WORD) - made_s <= lifetime_s:
            return False
        if made_s <= self._stale_s or (number == TokenKind.RETRY and mark != connection_id & _WORD):
            return False
        digest = token[_HEAD.size :]
        expected = self._digest(token[: _HEAD.size], TokenKind(number), address, made_s)
        return hmac.compare_digest(expected, digest) and digest not in self._used

    def use(self, token: bytes) -> None:
        """A valid token opens a connection: it is good for no other."""
        self._used[token[_HEAD.size :]] = _HEAD.unpack_from(token)[2]
        if len(self._used) > USED_MAX:
            for digest in list(islice(self._used, USED_MAX // 2)):
                self._stale_s = max(self._stale_s, self._used.pop(digest))

    def reset_token(self, connection_id: int) -> bytes:
        """What a stateless reset of this connection must show."""
        text = b"reset" + connection_id.to_bytes(8)
        return blake2b(text, key=self._secret[:64], digest_size=16).digest()

    def _digest(self, head: bytes, kind: TokenKind, address: Address, made_s: int) -> bytes:
        epoch = made_s // self._visit_lifetime_s
        text = b"epoch" + epoch.to_bytes(8) + self._boot
        key = blake2b(text, key=self._secret[:64], digest_size=32).digest()
        where = address.host.encode()
        if kind is TokenKind.RETRY:
            where += b"|" + address.port.to_bytes(2)
        return blake2b(head + where, key=key, digest_size=DIGEST_BYTES).digest()
