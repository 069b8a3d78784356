"""Logs: structured events on one stream, for people at a terminal, as JSON elsewhere.

Owns the form, the level and the escaping of everything that is logged. There is no global state: who
logs is given a logger, and binds `connection`, `peer` and `file` to it as they become known. A log that
cannot be written never stops a transfer. Imported by the daemon, the proxy and a client with `-v` only:
structlog takes longer to import than a small file to travel.
"""

import json
import logging
from collections.abc import Callable, Mapping, MutableMapping
from math import isfinite
from typing import Any, Final, TextIO, cast

import structlog

from mayhem_udp.config.schema import LoggingSettings
from mayhem_udp.escape import escape, escape_lines

Logger = structlog.typing.FilteringBoundLogger

LEVELS: Final = {
    "trace": logging.NOTSET,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
DEPTH_MAX: Final = 6
"""Values nested deeper than this are shown as one text."""


class LineWriter:
    """Writes lines to a stream, and counts those that could not be written instead of failing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lines_lost = 0

    def msg(self, line: str) -> None:
        """Write one line."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # a full disk, a reader that went away, a closed stream
            self.lines_lost += 1

    debug = info = warning = error = critical = msg


def open_log(settings: LoggingSettings, *, stream: TextIO, environ: Mapping[str, str]) -> Logger:
    """A logger that writes to `stream` in the form and from the level that the settings say."""
    as_console = _is_console(settings, stream=stream, environ=environ)
    if as_console:
        colours = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        plain = structlog.dev.plain_traceback
        render: Any = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)
    else:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        render = structlog.processors.JSONRenderer(serializer=json.dumps, default=str)
    processors: list[Any] = [
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.format_exc_info,
        escape_values,
        render,
    ]
    wrapper = structlog.make_filtering_bound_logger(LEVELS[settings.level])
    logger = structlog.wrap_logger(LineWriter(stream), processors=processors, wrapper_class=wrapper)
    return cast("Logger", logger.bind())


def per_datagram(logger: Logger) -> Callable[..., Any] | None:
    """What to call where datagrams come and go, or None when nobody wants to know.

    Ask once and keep the answer: `if trace is not None: trace("datagram sent", sequence=7)` costs
    nothing when it is off, not even the arguments.
    """
    return logger.debug if logger.is_enabled_for(LEVELS["trace"]) else None


def escape_values(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Make every key and value safe to show, whoever it came from (a structlog processor)."""
    return {
        escape(key): escape_lines(value) if key == "exception" else _safe(value, depth=0)
        for key, value in event.items()
    }


def _safe(value: Any, *, depth: int) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        return {escape(str(key)): _safe(each, depth=depth + 1) for key, each in value.items()}
    if depth < DEPTH_MAX and isinstance(value, list | tuple | set | frozenset):
        return [_safe(each, depth=depth + 1) for each in value]
    return escape(str(value))


def _is_console(settings: LoggingSettings, *, stream: TextIO, environ: Mapping[str, str]) -> bool:
    if settings.format != "auto":
        return settings.format == "console"
    return stream.isatty() and "JOURNAL_STREAM" not in environ
