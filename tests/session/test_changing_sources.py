"""A file that changes while it is sent is an error, never a wrong file."""

import os

import pytest
from virtual_pair import some_bytes
from virtual_sessions import SessionPair

from mayhem_udp.errors import Code, TransferError
from mayhem_udp.store.source import open_local

SPEC = "delay=10ms,rate=4M"


def grow(path):
    with path.open("ab") as file:
        file.write(b"and more")


def shrink(path):
    os.truncate(path, 1_000)


def rewrite(path):
    path.write_bytes(some_bytes(path.stat().st_size, seed=9))


def touch(path):
    os.utime(path, ns=(1, 1))


def rewrite_and_date_back(path):
    """As `cp -p`, `rsync -t` and `touch -r` leave a file; only the inode's own time tells."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a tick of it may last milliseconds
        rewrite(path)
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


CHANGES = [grow, shrink, rewrite, touch, rewrite_and_date_back]


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_uploaded_is_an_error(tmp_path, change):
    pair = SessionPair(tmp_path, SPEC)
    (pair.root / "a").write_bytes(b"the version before")
    path = tmp_path / "source"
    path.write_bytes(some_bytes(400_000))
    exchange = pair.client.put("a", b"", source=open_local(path, disk=pair.client.disk))
    pair.run_until(lambda: pair.server.transfers == 1)
    change(path)
    pair.finish(exchange)
    assert isinstance(exchange.error, TransferError)
    assert exchange.error.code is Code.SOURCE_CHANGED
    pair.run(seconds=1)
    assert pair.served("a") == b"the version before"
    assert pair.server.transfers == 0


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_downloaded_is_an_error(tmp_path, change):
    pair = SessionPair(tmp_path, SPEC)
    path = pair.root / "a"
    path.write_bytes(some_bytes(400_000))
    exchange = pair.client.get("a")
    pair.run_until(lambda: exchange.receiver is not None)
    change(path)
    pair.finish(exchange)
    assert exchange.error.code is Code.SOURCE_CHANGED
    assert pair.fetched("a") is None


def permit(path):
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.chmod(0o600)


def link(path):
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.with_name("link").unlink(missing_ok=True)
        path.with_name("link").hardlink_to(path)


@pytest.mark.parametrize("change", [permit, link])
def test_a_file_whose_contents_stay_is_sent_whatever_else_becomes_of_it(tmp_path, change):
    pair = SessionPair(tmp_path, SPEC)
    data = some_bytes(400_000)
    (pair.root / "a").write_bytes(data)
    exchange = pair.client.get("a")
    pair.run_until(lambda: exchange.receiver is not None)
    change(pair.root / "a")
    pair.finish(exchange)
    assert exchange.error is None
    assert pair.fetched("a") == data


def test_a_file_that_is_replaced_while_it_is_downloaded_comes_as_it_was(tmp_path):
    pair = SessionPair(tmp_path, SPEC)
    old, new = some_bytes(400_000, seed=1), some_bytes(300_000, seed=2)
    (pair.root / "a").write_bytes(old)
    download = pair.client.get("a")
    pair.run_until(lambda: download.receiver is not None)
    upload = pair.client.put("a", new)
    pair.finish(download, upload)
    assert (download.error, upload.error) == (None, None)
    assert pair.fetched("a") == old
    assert pair.served("a") == new


def test_a_file_that_is_removed_while_it_is_downloaded_comes_whole(tmp_path):
    pair = SessionPair(tmp_path, SPEC)
    data = some_bytes(400_000)
    (pair.root / "a").write_bytes(data)
    exchange = pair.client.get("a")
    pair.run_until(lambda: exchange.receiver is not None)
    (pair.root / "a").unlink()
    pair.finish(exchange)
    assert pair.fetched("a") == data
