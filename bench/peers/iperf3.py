"""iperf3: what TCP carries with CUBIC and with BBR, and how much of bare datagrams gets through.

No file is read or written, so these are upper bounds of what a program over TCP could reach.
"""

import json
from dataclasses import replace
from typing import Any, Final

from bench.peers.base import Job, Moved, Peer, free_port, is_listening
from bench.processes import Ended, Program, ProgramError, program, run

GRACE_S: Final = 20.0
BITS_PER_BYTE: Final = 8


def carried_by_tcp(job: Job, *, controller: str) -> Moved:
    """One TCP stream for as long as the job may take."""
    seconds = max(1, round(job.timeout_s))
    port = free_port()
    with program(job.at_server(["iperf3", "-s", "-1", "-p", str(port)])) as server:
        server.wait_until(is_listening(port), what="iperf3 does not listen")
        options = ["-C", controller, "-t", str(seconds), "-J"]
        ended = run(
            job.at_client(["iperf3", "-c", job.host, "-p", str(port), *options]), timeout_s=seconds + GRACE_S
        )
        told = report_of(ended)["end"]["sum_received"]
        return Moved(
            ended=replace(ended, wall_s=float(told["seconds"])),
            server_cpu_s=server.cpu_s() if not server.poll() else _cpu_s(server),
            server_memory_bytes=0,
            target=job.folder,
            bytes_arrived=int(told["bytes"]),
        )


def carried_bare(job: Job, *, seconds: float, headers_bytes: int) -> float:
    """Bits of full IP packets a second that arrive when datagrams are sent at the link's rate."""
    payload = job.mtu - headers_bytes
    port = free_port()
    with program(job.at_server(["iperf3", "-s", "-1", "-p", str(port)])) as server:
        server.wait_until(is_listening(port), what="iperf3 does not listen")
        options = ["-u", "-b", f"{job.rate_mbit}M", "-l", str(payload), "-t", f"{seconds:g}", "-J"]
        ended = run(
            job.at_client(["iperf3", "-c", job.host, "-p", str(port), *options]), timeout_s=seconds + GRACE_S
        )
    total = report_of(ended)["end"]["sum"]
    arrived = float(total["bits_per_second"]) * (1 - float(total["lost_percent"]) / 100)
    return arrived * job.mtu / payload


def report_of(ended: Ended) -> dict[str, Any]:
    """What iperf3 says in JSON. Raises `ProgramError` with its own error."""
    try:
        report: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise ProgramError(f"iperf3: {ended.trouble or 'no report'}") from None
    if "error" in report:
        raise ProgramError(f"iperf3: {report['error']}")
    return report


def _cpu_s(server: Program) -> float:
    assert server.ended is not None, "it was polled"
    return server.ended.cpu_s


def _peer(controller: str) -> Peer:
    return Peer(
        name=f"TCP {controller.upper()}",
        programs=("iperf3",),
        packages=("iperf3",),
        version_command=("iperf3", "--version"),
        move=lambda job: carried_by_tcp(job, controller=controller),
        checks_by_itself=True,
    )


CUBIC: Final = _peer("cubic")
BBR: Final = _peer("bbr")
