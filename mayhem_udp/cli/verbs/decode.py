"""`mayhem decode [FILE]`: datagrams explained byte by byte."""

from collections.abc import Iterator
from typing import BinaryIO, Final

import click

from mayhem_udp.cli.capture.files import Packet, is_capture, read_packets
from mayhem_udp.cli.capture.hexadecimal import stretches
from mayhem_udp.cli.capture.packets import NoUdp, udp_of
from mayhem_udp.cli.capture.trains import is_ours, split_train
from mayhem_udp.cli.naming import STANDARD_STREAM
from mayhem_udp.cli.options import (
    Invocation,
    config_option,
    examples,
    invocation,
    json_option,
    local_path,
)
from mayhem_udp.cli.render.base import Output
from mayhem_udp.cli.render.explained import Found, as_text, as_value
from mayhem_udp.errors import UsageError

TEXT_MAX_BYTES: Final = 64 << 20
_HEAD_BYTES: Final = 4
_LINK_RAW_IP: Final = 101


@click.command(
    "decode",
    short_help="Explain datagrams byte by byte.",
    epilog=examples(
        "echo 4d590104... | mayhem decode",
        "tcpdump -i lo -U -w - udp port 5000 | mayhem decode",
        "mayhem decode --port 5000 trace.pcapng",
    ),
)
@click.argument("file", default=STANDARD_STREAM, metavar="[FILE]", type=local_path)
@click.option("--port", metavar="PORT", type=click.IntRange(1, 65535), help="Of a capture, only this port.")
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, file: str, port: int | None) -> int:
    """Explain datagrams: every byte, its field, its value, and what it means.

    FILE is a capture (pcap or pcapng) or hexadecimal text, plain or as xxd, hexdump -C and tcpdump -x
    write it; without FILE, standard input.
    """
    call = invocation(ctx)
    with call.output() as output:
        if file != STANDARD_STREAM:
            with open(file, "rb") as stream:
                _explain_all(call, stream, output, port=port)
        else:
            if call.surroundings.stdin.isatty():
                output.note("paste hexadecimal text, and end it with Ctrl-D")
            _explain_all(call, call.surroundings.stdin.buffer, output, port=port)
    return output.exit_code


def _explain_all(call: Invocation, stream: BinaryIO, output: Output, *, port: int | None) -> None:
    head = stream.read(_HEAD_BYTES)
    founds = _from_capture(head, stream, port=port) if is_capture(head) else _from_text(head, stream)
    shown = foreign = 0
    for found in founds:
        if found.packet_number is not None and not is_ours(found.datagram):
            foreign += 1
            continue
        shown += 1
        fields = call.surroundings.describe(found.datagram)
        output.tell(as_value(found, fields), as_text(found, fields, number=shown))
    if foreign or not shown:
        output.note(f"{shown} datagrams of mayhem, {foreign} others were passed over")


def _from_capture(head: bytes, stream: BinaryIO, *, port: int | None) -> Iterator[Found]:
    """The datagrams of a capture; what is no UDP is passed over, as is what goes elsewhere."""
    for packet in read_packets(head, stream):
        try:
            udp = udp_of(packet)
        except NoUdp:
            continue
        if port is None or port in (udp.source.port, udp.destination.port):
            for datagram in split_train(udp.payload):
                yield Found(datagram, packet.number, packet.time_ns, udp)


def _from_text(head: bytes, stream: BinaryIO) -> Iterator[Found]:
    """The datagrams of a text; a stretch may also be an IP packet, as tcpdump prints it."""
    content = head + stream.read(TEXT_MAX_BYTES + 1)
    if len(content) > TEXT_MAX_BYTES:
        raise UsageError(f"the text is larger than {TEXT_MAX_BYTES} bytes", remedy="give a capture instead")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        remedy = "give a pcap or pcapng file, or hexadecimal text"
        raise UsageError("this is neither a capture nor hexadecimal text", remedy=remedy) from None
    for stretch in stretches(text):
        try:
            udp = None if is_ours(stretch) else udp_of(Packet(0, None, _LINK_RAW_IP, stretch, 0))
        except NoUdp:
            udp = None
        for datagram in split_train(stretch if udp is None else udp.payload):
            yield Found(datagram, udp=udp)
