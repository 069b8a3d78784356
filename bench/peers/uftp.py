"""UFTP to one receiver: over UDP, at a rate that it is told, without encryption or integrity checks."""

import socket
from typing import Final

from bench.peers.base import Job, Moved, Peer, free_port, is_listening
from bench.processes import program, run

BUFFER_BYTES: Final = 10_000_000
HEADERS_BYTES: Final = 100
"""Of a packet, what its blocks have to leave free."""
AS_FAST_AS_IT_GOES: Final = "-1"


def _move(job: Job) -> Moved:
    target = job.folder / "to"
    target.mkdir(parents=True)
    port = free_port(socket.SOCK_DGRAM)
    device = "lo" if job.server is None else "le0"
    buffers = ["-B", str(BUFFER_BYTES), "-I", device, "-p", str(port)]
    rate = str(int(job.rate_mbit * 1_000)) if job.rate_mbit else AS_FAST_AS_IT_GOES
    block = str(min(job.mtu, 1_500) - HEADERS_BYTES)
    with program(job.at_server(["uftpd", "-d", "-t", "-D", target, *buffers])) as server:
        server.wait_until(is_listening(port, protocol="udp"), what="uftpd does not listen")
        before_s = server.cpu_s()
        command = ["uftp", *buffers, "-M", job.host, "-R", rate, "-b", block, job.source.name]
        ended = run(job.at_client(command), timeout_s=job.timeout_s, cwd=job.source.parent)
        return Moved(
            ended=ended,
            server_cpu_s=server.cpu_s() - before_s,
            server_memory_bytes=server.memory_max_bytes(),
            target=target / job.source.name,
        )


PEER: Final = Peer(
    name="UFTP",
    programs=("uftp", "uftpd"),
    packages=("uftp",),
    version_command=("dpkg-query", "-W", "-f=${Version}", "uftp"),
    move=_move,
    moves_trees=True,
)
