"""rsync's daemon over TCP: whole files, no encryption, and its own checksum over all of them."""

import os
from typing import Final

from bench.peers.base import Job, Moved, Peer, free_port, is_listening
from bench.processes import program, run


def _move(job: Job) -> Moved:
    port = free_port()
    config = job.folder.parent / "rsyncd.conf"
    target = job.folder / "to"
    target.mkdir(parents=True)
    # As root it would become nobody, who may not write here; anybody else stays who he is.
    who = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
    config.write_text(f"use chroot = no\n{who}[bench]\npath = {target}\nread only = no\n")
    command = [
        "rsync",
        "--daemon",
        "--no-detach",
        "--config",
        config,
        "--port",
        str(port),
        "--address",
        job.host,
    ]
    with program(job.at_server(command)) as daemon:
        daemon.wait_until(is_listening(port), what="rsync does not listen")
        before_s = daemon.cpu_s()
        source = f"{job.source}/" if job.tree else job.source
        options = ["--whole-file", "--inplace", "--recursive"]
        ended = run(
            job.at_client(["rsync", *options, source, f"rsync://{job.host}:{port}/bench/"]),
            timeout_s=job.timeout_s,
        )
        return Moved(
            ended=ended,
            server_cpu_s=daemon.settled_cpu_s() - before_s,
            server_memory_bytes=daemon.memory_max_bytes(),
            target=target if job.tree else target / job.source.name,
        )


PEER: Final = Peer(
    name="rsync daemon",
    programs=("rsync",),
    packages=("rsync",),
    version_command=("rsync", "--version"),
    move=_move,
    moves_trees=True,
)
