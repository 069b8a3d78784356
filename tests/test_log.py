"""Logs: which form they take, what they leave out, and that nothing in them can do harm."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.config.schema import LoggingSettings
from mayhem_udp.log import Logger, open_log, per_datagram


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def logger(
    stream: io.StringIO, *, level: str = "info", form: str = "auto", environ: dict[str, str] | None = None
) -> Logger:
    settings = LoggingSettings(level=level, format=form, progress_interval_ns=0)
    return open_log(settings, stream=stream, environ=environ or {})


def test_events_are_json_where_no_terminal_is():
    stream = io.StringIO()
    logger(stream).bind(connection="00ff", peer="[::1]:5").info(
        "transfer done", file="a.txt", verified=True, bytes=7
    )
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "transfer done",
        "level": "info",
        "connection": "00ff",
        "peer": "[::1]:5",
        "file": "a.txt",
        "verified": True,
        "bytes": 7,
    }


def test_events_are_readable_at_a_terminal():
    stream = Terminal()
    logger(stream, environ={"NO_COLOR": "1"}).warning("receive buffer is small", wanted=8, got=2)
    assert "receive buffer is small" in stream.getvalue()
    assert "wanted=8" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_service_manager_gets_json_even_on_a_terminal():
    stream = Terminal()
    logger(stream, environ={"JOURNAL_STREAM": "8:1"}).info("started")
    assert json.loads(stream.getvalue())["event"] == "started"


@pytest.mark.parametrize(("form", "is_json"), [("console", False), ("json", True)])
def test_the_form_may_be_chosen(form: str, is_json: bool):
    for stream in (Terminal(), io.StringIO()):
        logger(stream, form=form).info("started")
        assert stream.getvalue().startswith("{") is is_json


def test_what_is_below_the_level_is_not_written():
    stream = io.StringIO()
    log = logger(stream, level="warning")
    log.info("no")
    log.warning("yes")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["yes"]


def test_events_of_each_datagram_exist_at_trace_level_only():
    assert per_datagram(logger(io.StringIO(), level="debug")) is None
    stream = io.StringIO()
    trace = per_datagram(logger(stream, level="trace").bind(connection="00ff"))
    assert trace is not None
    trace("datagram sent", sequence=7)
    assert json.loads(stream.getvalue())["connection"] == "00ff"


def test_a_log_that_cannot_be_written_stops_nothing():
    logger(Full()).error("disk full")
    closed = io.StringIO()
    log = logger(closed, form="json")
    closed.close()
    log.error("nobody listens")


def test_exceptions_keep_their_lines_and_lose_their_escapes():
    stream = Terminal()
    log = logger(stream, environ={"NO_COLOR": "1"})
    try:
        raise RuntimeError("evil \x1b[2J")  # noqa: TRY301  # it is raised to be logged
    except RuntimeError:
        log.exception("failed")
    assert "Traceback" in stream.getvalue()
    assert stream.getvalue().count("\n") > 3
    assert "evil \\x1b[2J" in stream.getvalue()


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.tuples(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(
    event=st.text(), values=st.dictionaries(st.text(), anything), form=st.sampled_from(["console", "json"])
)
def test_nothing_that_is_logged_can_control_a_terminal(event: str, values: dict[str, object], form: str):
    reserved = {
        "event",
        "level",
        "timestamp",
        "exception",
        "exc_info",
        "stack",
        "stack_info",
        "logger",
        "logger_name",
    }
    stream = io.StringIO()
    log = logger(stream, form=form).bind(
        **{key: value for key, value in values.items() if key not in reserved}
    )
    log.info("%s", event)
    shown = stream.getvalue()
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()
    if form == "json":
        json.loads(shown, parse_constant=pytest.fail)
