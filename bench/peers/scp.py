"""scp over a throw-away sshd: encrypted, over TCP, keys made for one run."""

import getpass
import os
import shutil
from pathlib import Path
from typing import Final

from bench.peers.base import Job, Moved, Peer, free_port, is_listening
from bench.processes import program, run

SSHD: Final = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "sshd"
PRIVILEGE_SEPARATION: Final = Path("/run/sshd")
KEYGEN_TIMEOUT_S: Final = 20


def _move(job: Job) -> Moved:
    place = job.folder.parent
    target = job.folder / "to"
    target.mkdir(parents=True)
    for name in ("host_key", "user_key"):
        run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name],
            timeout_s=KEYGEN_TIMEOUT_S,
        )
    if os.geteuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    with program(job.at_server([SSHD, "-D", "-e", "-f", _config(job, place, port)])) as daemon:
        daemon.wait_until(is_listening(port), what="sshd does not listen")
        before_s = daemon.cpu_s()
        quiet = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]
        who = ["-F", "none", "-i", place / "user_key", "-P", str(port), *(["-r"] if job.tree else [])]
        source = f"{job.source}/." if job.tree else job.source
        address = f"{getpass.getuser()}@{job.host}:{target}"
        ended = run(job.at_client(["scp", "-q", *quiet, *who, source, address]), timeout_s=job.timeout_s)
        return Moved(
            ended=ended,
            server_cpu_s=daemon.settled_cpu_s() - before_s,
            server_memory_bytes=daemon.memory_max_bytes(),
            target=target if job.tree else target / job.source.name,
        )


def _config(job: Job, place: Path, port: int) -> Path:
    config = place / "sshd_config"
    lines = {
        "Port": port,
        "ListenAddress": job.host,
        "HostKey": place / "host_key",
        "PidFile": "none",
        "AuthorizedKeysFile": place / "user_key.pub",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    return config


PEER: Final = Peer(
    name="scp",
    programs=("scp", "ssh-keygen", SSHD),
    packages=("openssh-client", "openssh-server"),
    version_command=("ssh", "-V"),
    move=_move,
    moves_trees=True,
)
