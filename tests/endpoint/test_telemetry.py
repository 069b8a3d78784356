"""What a server's log says of connections and transfers."""

import io
import json
import threading

import pytest
from blundering import Blundering
from host import WAIT_S, Host, Told, settings_with

import mayhem_udp
from mayhem_udp.endpoint.telemetry import Telemetry
from mayhem_udp.log import open_log


class Logging(Told):
    """Telemetry into memory, with the waiting of `Told`."""

    def __init__(self, level):
        super().__init__()
        self.stream = io.StringIO()
        settings = settings_with(logging__level=level, logging__format="json").logging
        self.log = open_log(settings, stream=self.stream, environ={})
        self._telemetry = Telemetry(self.log, progress_interval_ns=1)

    def on_opened(self, conversation):
        self._telemetry.on_opened(conversation)

    def on_event(self, conversation, event):
        self._telemetry.on_event(conversation, event)

    def on_served(self, conversation, *, now_ns):
        self._telemetry.on_served(conversation, now_ns=now_ns)

    def on_fault(self, conversation, fault):
        self._telemetry.on_fault(conversation, fault)

    def on_gone(self, conversation):
        self._telemetry.on_gone(conversation)
        super().on_gone(conversation)

    @property
    def lines(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def logged(tmp_path):
    """Does something as a client of a server that logs, and returns the lines."""

    def logged(act, *, level="info", **more):
        watcher = Logging(level)
        host = Host(tmp_path / "root", watcher=watcher, **more)
        try:
            with mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache")) as client:
                act(client)
            watcher.wait_for_gone()
        finally:
            host.close()
        return watcher.lines

    return logged


def events(lines):
    return [line["event"] for line in lines]


def test_a_transfer_is_told_from_its_beginning_to_its_end(logged):
    lines = logged(lambda client: client.put(bytes(2_000_000), "film"))
    told = events(lines)
    order = ["connection opened", "handshake done", "transfer started", "checksum verified", "transfer done",
             "connection closed"]  # fmt: skip
    assert [event for event in told if event in order] == order
    assert "transfer progress" in told
    (done,) = (line for line in lines if line["event"] == "transfer done")
    assert (done["verb"], done["file"], done["bytes"]) == ("put", "film", 2_000_000)
    assert done["datagrams_received"] > 30
    assert len({line["connection"] for line in lines}) == 1
    assert all(line["peer"].startswith("127.0.0.1:") for line in lines)


def test_a_refusal_is_told_with_its_code_and_reason(logged):
    def act(client):
        with pytest.raises(mayhem_udp.RefusedError):
            client.stat("nothing")

    (refused,) = (line for line in logged(act) if line["event"] == "request refused")
    assert refused["code"] == 23
    assert "nothing" in refused["reason"]


def test_a_client_that_stops_in_the_midst_is_told_as_a_failure(logged, tmp_path):
    with open(tmp_path / "endless", "wb") as file:
        file.truncate(1 << 40)

    def act(client):
        def tell(progress):
            if progress.bytes_done:
                raise KeyboardInterrupt

        client._tell = tell
        with pytest.raises(KeyboardInterrupt):
            client.put(tmp_path / "endless")
        client.close(KeyboardInterrupt())

    lines = logged(act)
    (ended,) = (line for line in lines if line["event"] == "connection failed")
    assert (ended["reason"], ended["by"]) == ("the client was stopped", "the peer")
    assert "transfer failed" in events(lines)


class Holding(io.BytesIO):
    """A stream that stops the server's loop once all has arrived, before the client says so."""

    def __init__(self, host):
        super().__init__()
        self._host = host
        self._is_held, self.may_go_on = threading.Event(), threading.Event()

    def flush(self):
        self._host.call_from_thread(self._hold)
        assert self._is_held.wait(WAIT_S), "the loop stands still already"

    def _hold(self):
        self._is_held.set()
        self.may_go_on.wait(WAIT_S)


def test_a_file_whose_last_words_come_with_the_farewell_is_told_before_the_end_of_its_connection(tmp_path):
    watcher = Logging("info")
    host = Host(tmp_path / "root", watcher=watcher)
    stream = Holding(host)
    with mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache")) as client:
        client.put(bytes(500_000), "film")
        client.get("film", stream)
    stream.may_go_on.set()
    watcher.wait_for_gone()
    host.close()
    assert events(watcher.lines)[-3:] == ["checksum verified", "transfer done", "connection closed"]


class Endless:
    """A binary file without an end."""

    def read(self, size):
        return bytes(size)


class Nowhere:
    """A place for as much as there is."""

    def write(self, data):
        return memoryview(data).nbytes


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_transfer_that_was_cut_is_told_with_what_had_crossed(logged, tmp_path, verb):
    (tmp_path / "root").mkdir()
    with open(tmp_path / "root" / "endless", "wb") as file:
        file.truncate(1 << 40)
    client_log = Logging("info")

    def act(client):
        def stop(progress):
            if progress.bytes_done > 1_000_000:
                raise KeyboardInterrupt

        client._tell = stop
        client._log = client_log.log
        with pytest.raises(KeyboardInterrupt):
            client.put(Endless(), "got") if verb == "put" else client.get("endless", Nowhere())
        client.close(KeyboardInterrupt())

    for lines in (logged(act), client_log.lines):
        (failed,) = (line for line in lines if line["event"] == "transfer failed")
        assert failed["goodput_bps"] * failed["seconds"] / 8 > 500_000


def test_a_name_with_control_characters_is_escaped(logged, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a\x1b[2Jb").write_bytes(b"x" * 100_000)

    def act(client):
        with pytest.raises(mayhem_udp.RefusedError):
            client.get("a\x1b[2Jb", tmp_path / "here")

    assert all("\x1b" not in json.dumps(line, ensure_ascii=False) for line in logged(act))


def test_datagrams_are_told_at_trace_level_only_and_questions_from_debug_on(logged):
    def act(client):
        client.put(bytes(100_000), "file")
        client.stat("file")

    for level, told in (("info", set()), ("debug", {"request"}), ("trace", {"request", "datagrams"})):
        assert {"request", "datagrams"} & set(events(logged(act, level=level))) == told


def test_a_fault_of_the_program_is_told_with_where_it_happened(logged):
    def act(client):
        with pytest.raises(mayhem_udp.MayhemError, match="an error of its own"):
            list(client.list())

    lines = logged(act, level="error", changed_store=Blundering)
    (line,) = [each for each in lines if each["event"] == "fault of the program"]
    assert line["error"] == "ZeroDivisionError: as an example"
    assert "blundering.py" in line["exception"]
