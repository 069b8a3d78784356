"""Results: the fields that `--json` prints, in their order, frozen."""

import dataclasses
import json
from pathlib import Path

import pytest

from mayhem_udp.results import Entry, EntryKind, PingResult, TransferResult

FIELDS = [
    "name",
    "bytes",
    "seconds",
    "goodput_bps",
    "sha256",
    "verified",
    "datagrams_sent",
    "datagrams_received",
    "retransmitted",
    "corrupt_dropped",
    "duplicate_dropped",
    "srtt_ms",
    "min_rtt_ms",
    "loss",
]


def result(**fields: object) -> TransferResult:
    values = dict.fromkeys(FIELDS, 0) | {"name": "a.txt", "sha256": "00" * 32, "verified": True}
    return TransferResult(**(values | fields))  # type: ignore[arg-type]  # built from a table of names


def test_a_result_has_the_documented_fields_in_their_order():
    assert list(result().as_dict()) == FIELDS


def test_a_result_says_where_the_file_landed_when_it_did():
    shown = json.loads(json.dumps(result(path=Path("dir/a.txt")).as_dict()))
    assert shown["path"] == "dir/a.txt"


def test_a_result_says_how_much_was_there_already_when_some_was():
    assert result(resumed_bytes=7, path=Path("a")).as_dict().keys() == {*FIELDS, "resumed_bytes", "path"}


def test_results_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        result().verified = False  # type: ignore[misc]  # that is the point


def test_an_entry_shows_its_kind_as_a_word_and_leaves_out_what_it_lacks():
    entry = Entry(name="a", bytes=1, mtime_ns=2, kind=EntryKind.FILE)
    assert json.dumps(entry.as_dict()) == '{"name": "a", "bytes": 1, "mtime_ns": 2, "kind": "file"}'


def test_a_ping_without_answer_keeps_its_empty_times():
    ping = PingResult(sent=3, received=0, rtt_min_ms=None, rtt_avg_ms=None, rtt_max_ms=None, loss=1.0)
    assert ping.as_dict()["rtt_min_ms"] is None
