"""Files over UDP through hostile networks, whole.

    import mayhem_udp

    with mayhem_udp.connect("mayhem://host/") as server:
        result = server.put("report.pdf")

`connect` is the way in; results, errors and settings are values of their own. The modules below the
library (`transport`, `session`, `mayhem`) are public too: anyone can drive the engine without a socket.
What is named here is imported when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # as in typing, which takes a while: Ctrl-C meanwhile would be answered with a traceback
)
if TYPE_CHECKING:
    from typing import Any, Final

    from mayhem_udp.api import Client, connect
    from mayhem_udp.config import Settings
    from mayhem_udp.errors import (
        ConfigError,
        IncompleteListError,
        IntegrityError,
        LocalFileError,
        MayhemError,
        RefusedError,
        TransferError,
        UnreachableError,
        UsageError,
    )
    from mayhem_udp.results import Entry, PingResult, Progress, Removal, TransferFailure, TransferResult

__version__: Final = "0.1.0"

__all__ = [
    "Client",
    "ConfigError",
    "Entry",
    "IncompleteListError",
    "IntegrityError",
    "LocalFileError",
    "MayhemError",
    "PingResult",
    "Progress",
    "RefusedError",
    "Removal",
    "Settings",
    "TransferError",
    "TransferFailure",
    "TransferResult",
    "UnreachableError",
    "UsageError",
    "__version__",
    "connect",
]

_HOMES: Final = {
    "Client": "api",
    "connect": "api",
    "Settings": "config",
    **dict.fromkeys(
        ("Entry", "PingResult", "Progress", "Removal", "TransferFailure", "TransferResult"), "results"
    ),
}
"""The module of each name; the others are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
