"""What is fuzzed: functions of bytes that may raise nothing but what bad input is allowed to raise.

Owns the table of targets. Each is a promise about every input there is: the decoders, both engines, the
journal, the configuration and the reader of captures.
"""

import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from engines import ClientStage, ServerStage, play

from mayhem_udp.cli.capture.files import is_capture, read_packets
from mayhem_udp.cli.capture.packets import NoUdp, udp_of
from mayhem_udp.cli.capture.trains import split_train
from mayhem_udp.config.load import Sources, load, options_from
from mayhem_udp.errors import ConfigError, LocalFileError, PeerError, UsageError
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.session.pack_shape import PackReader
from mayhem_udp.store.journal import (
    RECORD_BYTES,
    decode_header,
    decode_records,
    encode_header,
    encode_record,
)
from mayhem_udp.transport.datagrams import ReceivedBatch
from mayhem_udp.transport.opening import open_batch
from mayhem_udp.url import parse_url
from mayhem_udp.wire.codec import (
    decode_frames,
    decode_handshake,
    encode_frame,
    encode_handshake,
    retry_token,
    split_hello,
    split_versions,
)
from mayhem_udp.wire.describe import describe, describe_frames, describe_message
from mayhem_udp.wire.messages import decode, encode


def decoder(data):
    """What is decoded is encoded again to the same; what is not raises `PeerError`, and nothing else."""
    for read, write in (
        (decode_frames, _frames_again),
        (decode, encode),
        (decode_handshake, _handshake_again),
    ):
        try:
            value = read(data)
        except PeerError:
            continue
        if value is not None:
            again = write(value)
            assert read(again) == value, f"{read.__name__} and back is not the same"
    for read in (split_hello, retry_token, split_versions):
        with suppress(PeerError):
            read(data)
    for explain in (describe, describe_frames, describe_message):
        fields = explain(data)
        assert sum(1 for _ in fields) > 0 or not data, "every byte is told of"
    _open_as_batch(data)


def _frames_again(frames):
    return b"".join(encode_frame(each) for each in frames)


def _handshake_again(parameters):
    return encode_handshake(parameters)


def _open_as_batch(data):
    if len(data) > 1:
        batch = ReceivedBatch(data[1:], data[0] or 1, len(data) - 1, ("192.0.2.1", 1))
        stretches, broken = open_batch(batch)
        assert len(broken) <= len(data)
        assert all(each.count > 0 for each in stretches)


def pack(data):
    """A pack of small files: files, or `PeerError`, in whatever pieces it comes."""
    cut = data[0] if data else 0
    body = data[1:]
    try:
        whole = PackReader().put(0, _array(body))
        reader = PackReader()
        pieces = [(at, body[at : at + cut + 1]) for at in range(0, len(body), cut + 1)]
        found = [file for at, piece in reversed(pieces) for file in reader.put(at, _array(piece))]
    except PeerError:
        return
    assert found == whole, "the order of arrival changes nothing"


def _array(data):
    import numpy as np

    return np.frombuffer(data, np.uint8)


def journal(data):
    """Of a journal only whole records of its own count, wherever it was cut or spoilt."""
    decoded = decode_header(data)
    if decoded is None:
        return
    header, start = decoded
    head = encode_header(header)
    assert decode_header(head) == (header, start), "a header and back is the same"
    seed = crc32(head)
    records = list(decode_records(data[start:], seed, size=header.size))
    assert len(records) <= len(data) // RECORD_BYTES
    for record in records:
        assert 0 <= record.start < record.stop <= header.size
        assert encode_record(record.start, record.stop, record.digest, seed) in data


def configuration(data):
    """Settings, or a list of what is wrong with them; specs and URLs likewise."""
    text = data.decode("utf-8", "replace")
    file, path = tempfile.mkstemp(prefix="mayhem-fuzz-", suffix=".toml")
    try:
        os.write(file, data)
        os.close(file)
        _refused(lambda: load(Sources(file=Path(path))))
    finally:
        os.unlink(path)
    name, _, value = text.partition("=")
    _refused(lambda: load(Sources(options=options_from({name: value}, place="option --set"))))
    _refused(lambda: parse_spec(text))
    _refused(lambda: parse_url(text))


def _refused(step):
    with suppress(ConfigError, UsageError):
        step()


def captures(data):
    """Packets and what is in them, or a sentence about the file."""
    head, stream = data[:4], io.BytesIO(data[4:])
    if not is_capture(head):
        return
    try:
        for packet in read_packets(head, stream):
            try:
                datagram = udp_of(packet)
            except NoUdp:
                continue
            for each in split_train(datagram.payload):
                list(describe(each))
    except LocalFileError:
        pass


TARGETS = {
    "decoder": decoder,
    "pack": pack,
    "journal": journal,
    "configuration": configuration,
    "captures": captures,
    "server": lambda data: play(ServerStage, data),
    "client": lambda data: play(ClientStage, data),
}
