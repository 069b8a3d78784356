"""Tokens: only this server makes them, for one address, for a while; and its resets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.limits import TOKEN_MAX_BYTES
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.tokens import CLOCK_SKEW_S, RETRY_LIFETIME_S, USED_MAX, TokenKind, TokenMint
from mayhem_udp.units import HOUR, SECOND

HERE = Address("2001:db8::1", 4_000)
NOW_S = 1_750_000_000
DAY_S = 24 * 3_600
ID = 0xC0FFEE1234567890


def mint(secret=b"0123456789abcdef", boot=b"", lifetime_ns=24 * HOUR):
    return TokenMint(secret, boot=boot, visit_lifetime_ns=lifetime_ns)


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_holds_where_it_was_made_for(kind):
    token = mint().make(kind, HERE, connection_id=ID, unix_s=NOW_S)
    assert mint().is_valid(token, HERE, connection_id=ID, unix_s=NOW_S)
    assert len(token) <= TOKEN_MAX_BYTES


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_of_another_secret_does_not_hold(kind):
    token = mint(b"fedcba9876543210").make(kind, HERE, connection_id=ID, unix_s=NOW_S)
    assert not mint().is_valid(token, HERE, connection_id=ID, unix_s=NOW_S)


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_does_not_hold_at_another_host(kind):
    token = mint().make(kind, HERE, connection_id=ID, unix_s=NOW_S)
    assert not mint().is_valid(token, HERE._replace(host="2001:db8::2"), connection_id=ID, unix_s=NOW_S)


def test_a_retry_is_for_one_port_and_a_visit_for_any():
    elsewhere = HERE._replace(port=4_001)
    retry = mint().make(TokenKind.RETRY, HERE, connection_id=ID, unix_s=NOW_S)
    visit = mint().make(TokenKind.VISIT, HERE, connection_id=ID, unix_s=NOW_S)
    assert not mint().is_valid(retry, elsewhere, connection_id=ID, unix_s=NOW_S)
    assert mint().is_valid(visit, elsewhere, connection_id=ID, unix_s=NOW_S)


@pytest.mark.parametrize(
    ("kind", "lifetime_s"), [(TokenKind.RETRY, RETRY_LIFETIME_S), (TokenKind.VISIT, DAY_S)]
)
def test_a_token_expires(kind, lifetime_s):
    token = mint().make(kind, HERE, connection_id=ID, unix_s=NOW_S)
    assert mint().is_valid(token, HERE, connection_id=ID, unix_s=NOW_S + lifetime_s)
    assert not mint().is_valid(token, HERE, connection_id=ID, unix_s=NOW_S + lifetime_s + 1)


def test_a_token_from_the_future_holds_only_as_far_as_clocks_differ():
    token = mint().make(TokenKind.RETRY, HERE, connection_id=ID, unix_s=NOW_S)
    assert mint().is_valid(token, HERE, connection_id=ID, unix_s=NOW_S - CLOCK_SKEW_S)
    assert not mint().is_valid(token, HERE, connection_id=ID, unix_s=NOW_S - CLOCK_SKEW_S - 1)


def test_keys_rotate_and_a_token_outlives_its_epoch():
    """Made in the last second of an epoch, it holds in the next, which seals with another key."""
    last = NOW_S // DAY_S * DAY_S + DAY_S - 1
    old = mint().make(TokenKind.VISIT, HERE, connection_id=ID, unix_s=last)
    new = mint().make(TokenKind.VISIT, HERE, connection_id=ID, unix_s=last + 1)
    assert mint().is_valid(old, HERE, connection_id=ID, unix_s=last + 10)
    assert old[-16:] != new[-16:]


def test_a_retry_cannot_be_passed_off_as_a_visit():
    token = bytearray(mint().make(TokenKind.RETRY, HERE, connection_id=ID, unix_s=NOW_S))
    token[0] = TokenKind.VISIT
    assert not mint().is_valid(bytes(token), HERE, connection_id=ID, unix_s=NOW_S)


def test_a_life_cannot_be_prolonged():
    token = mint(lifetime_ns=60 * SECOND).make(TokenKind.VISIT, HERE, connection_id=ID, unix_s=NOW_S)
    later = token[:5] + (NOW_S + 30).to_bytes(4) + token[9:]
    assert not mint(lifetime_ns=60 * SECOND).is_valid(later, HERE, connection_id=ID, unix_s=NOW_S + 30)


@given(st.binary(max_size=300))
def test_noise_is_no_token(noise):
    assert not mint().is_valid(noise, HERE, connection_id=ID, unix_s=NOW_S)


@given(st.integers(0, 25 * 8 - 1))
def test_no_bit_of_a_token_is_free(bit):
    token = bytearray(mint().make(TokenKind.RETRY, HERE, connection_id=ID, unix_s=NOW_S))
    token[bit // 8] ^= 1 << bit % 8
    assert not mint().is_valid(bytes(token), HERE, connection_id=ID, unix_s=NOW_S)


def test_a_reset_token_is_of_one_connection_and_one_secret():
    assert mint().reset_token(1) == mint().reset_token(1)
    assert len({mint().reset_token(1), mint().reset_token(2), mint(b"fedcba9876543210").reset_token(1)}) == 3


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_of_an_earlier_process_does_not_hold(kind):
    """Whether it was used is not known any more."""
    token = mint(boot=b"first").make(kind, HERE, connection_id=ID, unix_s=NOW_S)
    assert not mint(boot=b"second").is_valid(token, HERE, connection_id=ID, unix_s=NOW_S)


def test_a_retry_is_for_one_connection_and_a_visit_for_any():
    retry = mint().make(TokenKind.RETRY, HERE, connection_id=ID, unix_s=NOW_S)
    visit = mint().make(TokenKind.VISIT, HERE, connection_id=ID, unix_s=NOW_S)
    assert not mint().is_valid(retry, HERE, connection_id=ID + 1, unix_s=NOW_S)
    assert mint().is_valid(visit, HERE, connection_id=ID + 1, unix_s=NOW_S)


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_opens_one_connection(kind):
    ours = mint()
    token = ours.make(kind, HERE, connection_id=ID, unix_s=NOW_S)
    other = ours.make(kind, HERE, connection_id=ID + 1, unix_s=NOW_S)
    ours.use(token)
    assert not ours.is_valid(token, HERE, connection_id=ID, unix_s=NOW_S)
    assert ours.is_valid(other, HERE, connection_id=ID + 1, unix_s=NOW_S)


def test_what_is_used_is_remembered_within_bounds_and_what_is_forgotten_does_not_hold():
    ours = mint()
    tokens = [
        ours.make(TokenKind.VISIT, HERE, connection_id=number, unix_s=NOW_S + number // 100)
        for number in range(USED_MAX + 2)
    ]
    for token in tokens[:-1]:
        ours.use(token)
    assert len(ours._used) <= USED_MAX
    later_s = NOW_S + USED_MAX // 100
    assert not any(ours.is_valid(each, HERE, connection_id=0, unix_s=later_s) for each in tokens[:-1])
    assert ours.is_valid(tokens[-1], HERE, connection_id=0, unix_s=later_s)
