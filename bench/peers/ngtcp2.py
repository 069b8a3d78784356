"""ngtcp2's client and server: HTTP/3 over QUIC, encrypted, with its BBRv2. The client downloads."""

import socket
from pathlib import Path
from typing import Final

from bench.peers.base import Job, Moved, Peer, free_port, is_listening
from bench.processes import ProgramError, program, run

CONTROLLER: Final = "bbr2"
WINDOW: Final = "64M"
"""Enough for 1 Gbit/s at 100 ms: it shall not lose for want of credit."""
OPENSSL_TIMEOUT_S: Final = 20


def _move(job: Job) -> Moved:
    target = job.folder / "to"
    target.mkdir(parents=True)
    key, certificate = _certificate(job.folder.parent)
    port = free_port(socket.SOCK_DGRAM)
    quiet = ["-q", "--no-quic-dump", "--no-http-dump", f"--cc={CONTROLLER}"]
    serve = ["gtlsserver", *quiet, "-d", job.source.parent, job.host, str(port), key, certificate]
    windows = [f"--max-data={WINDOW}", f"--max-stream-data-bidi-local={WINDOW}"]
    fetch = ["gtlsclient", *quiet, *windows, "--exit-on-all-streams-close", f"--download={target}"]
    with program(job.at_server(serve)) as server:
        server.wait_until(is_listening(port, protocol="udp"), what="gtlsserver does not listen")
        before_s = server.cpu_s()
        url = f"https://{job.host}/{job.source.name}"
        ended = run(job.at_client([*fetch, job.host, str(job.way_to(port)), url]), timeout_s=job.timeout_s)
        return Moved(
            ended=ended,
            server_cpu_s=server.cpu_s() - before_s,
            server_memory_bytes=server.memory_max_bytes(),
            target=target / job.source.name,
        )


def _certificate(place: Path) -> tuple[Path, Path]:
    key, certificate = place / "key.pem", place / "cert.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    files = ["-keyout", key, "-out", certificate]
    made = run(
        ["openssl", "req", "-x509", *curve, "-nodes", *files, "-days", "2", "-subj", "/CN=localhost"],
        timeout_s=OPENSSL_TIMEOUT_S,
    )
    if made.trouble:
        raise ProgramError(f"openssl: {made.trouble}")
    return key, certificate


PEER: Final = Peer(
    name="ngtcp2",
    programs=("gtlsclient", "gtlsserver", "openssl"),
    packages=("ngtcp2-client", "ngtcp2-server", "openssl"),
    version_command=("dpkg-query", "-W", "-f=${Version}", "ngtcp2-client"),
    move=_move,
    goes_through_proxies=True,
    is_download=True,
)
