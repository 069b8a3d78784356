"""Every setting: its name, type and range. What each means, and its default, is said in `config.toml`.

A setting's attribute is its key with the unit of its kind at the end: the key `idle_timeout` of the
section `transport` is `settings.transport.idle_timeout_ns`.
"""

from pathlib import Path
from typing import Annotated, Any, Final, get_args

from msgspec import Struct

from mayhem_udp import limits
from mayhem_udp.config.kinds import (
    Choice,
    Count,
    Duration,
    Flag,
    FolderPath,
    Kind,
    ListenAddress,
    OptionalFolderPath,
    OptionalUrl,
    Rate,
    Share,
    Size,
    Tables,
    Text,
)
from mayhem_udp.units import GIB, HOUR, KIB, MIB, MINUTE, MS, SECOND
from mayhem_udp.url import HostPort, Url

TIB: Final = GIB << 10
DAY: Final = 24 * HOUR
COUNT_MAX: Final = 1_000_000_000

RESTART: Final = "needs a restart"
"""Marks a setting that SIGHUP does not change in a running daemon."""


class ServerSettings(Struct, frozen=True):
    """The daemon itself."""

    listen: Annotated[HostPort, ListenAddress(), RESTART]
    state_dir: Annotated[Path | None, OptionalFolderPath(), RESTART]
    grace_time_ns: Annotated[int, Duration(0, HOUR)]
    token_lifetime_ns: Annotated[int, Duration(MINUTE, 30 * DAY), RESTART]
    workers: Annotated[int, Count(1, 64), RESTART]
    stall_warning_ns: Annotated[int, Duration(10 * MS, MINUTE, zero="never")]
    status_interval_ns: Annotated[int, Duration(SECOND, HOUR, zero="never")]


class TransportSettings(Struct, frozen=True):
    """A connection, on either side."""

    chunk_size_bytes: Annotated[
        int, Size(limits.CHUNK_MIN_BYTES, limits.DATAGRAM_MAX_BYTES, zero="discover it")
    ]
    datagram_max_bytes: Annotated[int, Size(limits.DATAGRAM_MIN_BYTES, limits.DATAGRAM_MAX_BYTES)]
    idle_timeout_ns: Annotated[int, Duration(limits.IDLE_MIN_NS, HOUR)]
    keep_alive_ns: Annotated[int, Duration(100 * MS, HOUR, zero="never")]
    handshake_timeout_ns: Annotated[int, Duration(100 * MS, 10 * MINUTE)]
    ack_delay_max_ns: Annotated[int, Duration(0, limits.ACK_DELAY_MAX_NS)]
    body_window_initial_bytes: Annotated[int, Size(limits.EARLY_BODY_BYTES, GIB)]
    body_window_max_bytes: Annotated[int, Size(limits.EARLY_BODY_BYTES, GIB)]
    send_buffer_max_bytes: Annotated[int, Size(256 * KIB, GIB)]
    socket_receive_buffer_bytes: Annotated[int, Size(64 * KIB, GIB, zero="as the system has it"), RESTART]
    socket_send_buffer_bytes: Annotated[int, Size(64 * KIB, GIB, zero="as the system has it"), RESTART]
    offload: Annotated[bool, Flag(), RESTART]


class CongestionSettings(Struct, frozen=True):
    """How fast a connection sends."""

    controller: Annotated[str, Choice("bbr", "cubic", "fixed")]
    rate_cap_bps: Annotated[int, Rate(limits.RATE_CAP_MIN_BPS, 10**12, zero="none")]
    rate_fixed_bps: Annotated[int, Rate(1_000, 10**12)]


class LimitSettings(Struct, frozen=True):
    """What the daemon grants at most, to one and to all."""

    connections_max: Annotated[int, Count(1, 1_000_000)]
    connections_per_address_max: Annotated[int, Count(1, 1_000_000)]
    connections_per_second_max: Annotated[int, Count(1, 1_000_000)]
    requests_per_connection_max: Annotated[int, Count(limits.EARLY_REQUESTS, limits.OPEN_REQUESTS_MAX)]
    transfers_max: Annotated[int, Count(1, 1_000_000)]
    open_files_max: Annotated[int, Count(16, 1_000_000)]
    file_size_max_bytes: Annotated[int, Size(1, limits.BODY_OFFSET_MAX, zero="none")]
    stored_max_bytes: Annotated[int, Size(1, limits.BODY_OFFSET_MAX, zero="none")]
    files_max: Annotated[int, Count(1, COUNT_MAX, zero="none")]
    name_max_bytes: Annotated[int, Size(1, limits.NAME_MAX_BYTES)]
    name_depth_max: Annotated[int, Count(1, limits.NAME_DEPTH_MAX)]
    memory_per_connection_max_bytes: Annotated[int, Size(MIB, TIB)]
    memory_max_bytes: Annotated[int, Size(MIB, TIB)]


class StoreSettings(Struct, frozen=True):
    """Files at rest."""

    root: Annotated[Path, FolderPath(), RESTART]
    free_space_min_bytes: Annotated[int, Size(1, limits.BODY_OFFSET_MAX, zero="all of it may be used")]
    staging_age_max_ns: Annotated[int, Duration(MINUTE, 3650 * DAY)]
    sweep_interval_ns: Annotated[int, Duration(SECOND, 30 * DAY)]


class AccessSettings(Struct, frozen=True):
    """What clients may do at all."""

    read: Annotated[bool, Flag()]
    write: Annotated[bool, Flag()]
    list: Annotated[bool, Flag()]
    remove: Annotated[bool, Flag()]


class MayhemSettings(Struct, frozen=True):
    """Faults made on purpose, at this end."""

    spec: Annotated[str, Text(), RESTART]
    drop: Annotated[float, Share(), RESTART]
    corrupt: Annotated[float, Share(), RESTART]
    duplicate: Annotated[float, Share(), RESTART]
    reorder: Annotated[float, Share(), RESTART]
    direction: Annotated[str, Choice("out", "in", "both"), RESTART]
    seed: Annotated[int, Count(0, (1 << 63) - 1), RESTART]
    profiles: Annotated[dict[str, dict[str, object]], Tables(), RESTART]

    @property
    def text(self) -> str:
        """The faults as one text, for `mayhem.spec` to parse; empty when there are none.

        The spec, where there is one, says it all: the single rates only count without it.
        """
        if self.spec not in ("", "none"):
            return self.spec
        names = ("drop", "corrupt", "duplicate", "reorder")
        rates = [f"{name}={getattr(self, name)!r}" for name in names if getattr(self, name)]
        return ",".join([*rates, f"direction={self.direction}", f"seed={self.seed}"]) if rates else ""


class LoggingSettings(Struct, frozen=True):
    """What is written to the log, and how."""

    level: Annotated[str, Choice("trace", "debug", "info", "warning", "error"), RESTART]
    format: Annotated[str, Choice("auto", "console", "json"), RESTART]
    progress_interval_ns: Annotated[int, Duration(100 * MS, HOUR, zero="never")]


class ClientSettings(Struct, frozen=True):
    """The command line and the library."""

    url: Annotated[Url | None, OptionalUrl()]
    timeout_ns: Annotated[int, Duration(100 * MS, HOUR)]
    retry_ns: Annotated[int, Duration(SECOND, 7 * DAY, zero="never")]
    parallel: Annotated[int, Count(1, limits.OPEN_REQUESTS_MAX)]
    progress: Annotated[str, Choice("auto", "bar", "lines", "off")]
    cache_dir: Annotated[Path | None, OptionalFolderPath()]


class Settings(Struct, frozen=True):
    """All of them, by section."""

    server: ServerSettings
    transport: TransportSettings
    congestion: CongestionSettings
    limits: LimitSettings
    store: StoreSettings
    access: AccessSettings
    mayhem: MayhemSettings
    logging: LoggingSettings
    client: ClientSettings


class Setting(Struct, frozen=True):
    """One of them, as the loader needs it."""

    section: str
    key: str
    attribute: str
    kind: Kind
    reloads: bool
    """Whether SIGHUP changes it in a running daemon."""

    @property
    def name(self) -> str:
        """The full name: `transport.chunk_size`."""
        return f"{self.section}.{self.key}"


SECTIONS: Final[dict[str, Any]] = dict(Settings.__annotations__)
"""The class of each section, by its name."""


def _settings() -> dict[str, Setting]:
    found = {}
    for section, its_class in SECTIONS.items():
        for attribute, annotation in its_class.__annotations__.items():
            _, kind, *marks = get_args(annotation)
            key = attribute.removesuffix(kind.suffix)
            setting = Setting(section, key, attribute, kind, RESTART not in marks)
            found[setting.name] = setting
    return found


SETTINGS: Final = _settings()
"""Every setting by its full name, in the order of the sections."""

ALIASES: Final = {
    "cc": "congestion.controller",
    "rate": "congestion.rate_cap",
    "mayhem": "mayhem.spec",
    "requests": "limits.requests_per_connection_max",
}
"""Short names beside the keys that are unique anyway, for callers of the library."""


def full_name(name: str) -> str | None:
    """The setting that `chunk_size`, `transport__chunk_size` or `transport.chunk_size` means, if any."""
    dotted = ALIASES.get(name, name).replace("__", ".", 1)
    if dotted in SETTINGS:
        return dotted
    found = [each for each, setting in SETTINGS.items() if setting.key == name]
    return found[0] if len(found) == 1 else None
