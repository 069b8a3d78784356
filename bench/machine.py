"""The machine that a figure was measured on: without it, the figure means nothing.

Owns what is told about hardware, kernel, versions and the commit. Never measures.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.peers import INSTALLABLE

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("mayhem_udp", "numpy", "zlib-ng", "construct", "click")
SYSCTLS: Final = (
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_available_congestion_control",
)


def about(*, seed: int) -> dict[str, Any]:
    """Everything that a result is kept with."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "seed": seed,
        "machine": {
            "cpu": _field("/proc/cpuinfo", "model name"),
            "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": int(_field("/proc/meminfo", "MemTotal").split()[0] or 0) * 1024,
        },
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME", separator="=").strip('"'),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "peers": {peer.name: peer.version() for peer in INSTALLABLE if peer.is_installed},
        "peers_missing": [peer.name for peer in INSTALLABLE if not peer.is_installed],
        "sysctls": {name: _sysctl(name) for name in SYSCTLS},
        "load_before": os.getloadavg()[0],
    }


def commit() -> str:
    """The commit that is checked out, and whether files differ from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"


def in_words(about: dict[str, Any]) -> list[str]:
    """The same for people, a line each."""
    machine = about["machine"]
    lines = [
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"Linux {about['kernel']}, Python {about['python']}, numpy {about['packages']['numpy']}",
        f"{about['date']}, commit {about['commit']}, seed {about['seed']}, load before {about['load_before']:.1f}",
        "peers: " + ("; ".join(f"{name}: {told}" for name, told in about["peers"].items()) or "none"),
    ]
    if about["peers_missing"]:
        names = ", ".join(about["peers_missing"])
        lines.append(f"not installed, so not measured: {names} (make bench-peers installs them)")
    return lines


def _field(path: str, name: str, *, separator: str = ":") -> str:
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(separator)[2].strip() for line in lines if line.startswith(name))
    return next(found, "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _sysctl(name: str) -> str:
    try:
        return Path("/proc/sys", *name.split(".")).read_text().strip()
    except OSError:
        return ""
