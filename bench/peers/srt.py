"""SRT in file mode: reliable, over UDP, with congestion control of its own and no encryption."""

import socket
from typing import Final

from bench.peers.base import Job, Moved, Peer, free_port, is_listening
from bench.processes import program, run

FINISH_S: Final = 10.0


def _move(job: Job) -> Moved:
    target = job.folder / "to"
    target.mkdir(parents=True)
    port = free_port(socket.SOCK_DGRAM)
    listening = f"srt://{job.host}:{port}?mode=listener"
    with program(job.at_server(["srt-file-transmit", "-q", listening, f"file://{target}/"])) as server:
        server.wait_until(is_listening(port, protocol="udp"), what="SRT does not listen")
        # Without a stream id of its own SRT 1.5.1 now and then sends an empty one, and the file has no name.
        calling = f"srt://{job.host}:{job.way_to(port)}?streamid={job.source.name}"
        ended = run(
            job.at_client(["srt-file-transmit", "-q", f"file://{job.source}", calling]),
            timeout_s=job.timeout_s,
        )
        # The sender ends when everything is acknowledged; the receiver still writes.
        received = server.stop() if ended.was_cut else server.wait(timeout_s=FINISH_S)
        return Moved(
            ended=ended,
            server_cpu_s=received.cpu_s,
            server_memory_bytes=received.memory_max_bytes,
            target=target / job.source.name,
        )


PEER: Final = Peer(
    name="SRT file mode",
    programs=("srt-file-transmit",),
    packages=("srt-tools",),
    version_command=("srt-file-transmit", "-version"),
    move=_move,
    goes_through_proxies=True,
)
