"""Proof of address without state: tokens that only this server can have made.

A token names its kind and the time it was made, and carries a keyed BLAKE2b digest over both and the
client's address. The key of each epoch is derived from one secret, so keys rotate and nothing is kept.
A RETRY token binds address and port and lives for seconds; a VISIT token binds the address for as long as the settings say.
Owns the secret. Never reads a clock.
"""

import hmac
import struct
from enum import IntEnum
from hashlib import blake2b
from typing import Final

from mayhem_udp.transport.datagrams import Address
from mayhem_udp.units import SECOND

DIGEST_BYTES: Final = 16
RETRY_LIFETIME_S: Final = 30
"""A client that was asked to prove its address does so at once, or not at all."""
CLOCK_SKEW_S: Final = 5
_HEAD: Final = struct.Struct(">BQ")


class TokenKind(IntEnum):
    """What a token is for."""

    RETRY = 1
    VISIT = 2


class TokenMint:
    """Makes and checks tokens, and the tokens of stateless resets."""

    __slots__ = ("_lifetime_s", "_secret", "_visit_lifetime_s")

    def __init__(self, secret: bytes, *, visit_lifetime_ns: int) -> None:
        """`visit_lifetime_ns`: for how long a visitor's token holds, and one key seals."""
        assert len(secret) >= 16, "a secret of at least 128 bits"
        self._secret = secret
        self._visit_lifetime_s = max(visit_lifetime_ns // SECOND, 1)
        self._lifetime_s = {TokenKind.RETRY: RETRY_LIFETIME_S, TokenKind.VISIT: self._visit_lifetime_s}

    def make(self, kind: TokenKind, address: Address, *, unix_s: int) -> bytes:
        """A token for `address`, made now."""
        head = _HEAD.pack(kind, unix_s)
        return head + self._digest(head, kind, address, unix_s)

    def is_valid(self, token: bytes, address: Address, *, unix_s: int) -> bool:
        """Whether this server made `token` for `address`, recently enough."""
        if len(token) != _HEAD.size + DIGEST_BYTES:
            return False
        number, made_s = _HEAD.unpack_from(token)
        lifetime_s = self._lifetime_s.get(number)
        if lifetime_s is None or not -CLOCK_SKEW_S <= unix_s - made_s <= lifetime_s:
            return False
        expected = self._digest(token[: _HEAD.size], TokenKind(number), address, made_s)
        return hmac.compare_digest(expected, token[_HEAD.size :])

    def reset_token(self, connection_id: int) -> bytes:
        """What a stateless reset of this connection must show."""
        text = b"reset" + connection_id.to_bytes(8)
        return blake2b(text, key=self._secret[:64], digest_size=16).digest()

    def _digest(self, head: bytes, kind: TokenKind, address: Address, made_s: int) -> bytes:
        epoch = made_s // self._visit_lifetime_s
        key = blake2b(b"epoch" + epoch.to_bytes(8), key=self._secret[:64], digest_size=32).digest()
        where = address.host.encode()
        if kind is TokenKind.RETRY:
            where += b"|" + address.port.to_bytes(2)
        return blake2b(head + where, key=key, digest_size=DIGEST_BYTES).digest()
