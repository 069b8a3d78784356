"""The daemon as an administrator meets it: its start, its sockets, systemd, signals, settings, its end."""

import os
import shutil
import signal
import socket
import subprocess

import pytest
from town import MAYHEM, digest_of

ACTIVATE = shutil.which("systemd-socket-activate")


def ask(daemon, town, *arguments):
    """A command that means this daemon."""
    return town.mayhem(*arguments, environ={"MAYHEM_URL": daemon.url})


# --- Beginning ----------------------------------------------------------------------------------------


def test_port_0_picks_a_port_and_says_which(town):
    first, second = town.daemon(), town.daemon(root="other")
    assert first.port != second.port
    for daemon in (first, second):
        ask(daemon, town, "ping").well()


def test_a_port_in_use_ends_the_daemon_with_one_clear_line(town):
    daemon = town.daemon()
    ended = town.mayhem("serve", "--listen", f"127.0.0.1:{daemon.port}", "--root", "another")
    assert ended.code == 1
    (line,) = ended.err.strip().splitlines()
    assert f"port {daemon.port} is in use" in line
    assert "port 0 takes a free one" in line
    ask(daemon, town, "ping").well()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--listen", "203.0.113.1:5000"], 2, "not an address of this machine"),
        (["--listen", "nowhere"], 2, "port"),
        (["--config", "missing.toml"], 2, "missing.toml"),
        (["--mayhem", "drop=2"], 2, "between 0 and 1"),
        (["--root", "file/below"], 1, "file"),
    ],
)
def test_a_daemon_that_cannot_begin_says_why_in_one_line(town, arguments, code, says):
    town.file("file", 1)
    listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    ended = town.mayhem("serve", "--log-format", "json", *listen, *arguments)
    assert ended.code == code, ended.err
    line = ended.err.strip().splitlines()[-1]
    assert line.startswith("mayhem: ")
    assert says in line
    assert "Traceback" not in ended.err


# --- systemd ------------------------------------------------------------------------------------------


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not installed (package systemd)")
def test_a_socket_that_systemd_opened_is_served(town):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root, file = town.folder / "root", town.file("file", 300_000)
    activator = town.start(
        "--datagram", f"--listen=127.0.0.1:{port}", MAYHEM, "serve", "--root", root, "--log-format", "json",
        program=ACTIVATE,
    )  # fmt: skip
    activator.err.wait_for("Listening on")
    url = f"mayhem://127.0.0.1:{port}/"
    town.mayhem("put", "--timeout", "20", file, url).well()  # whose first datagram starts the daemon
    assert digest_of(root / "file") == digest_of(file)
    assert f'"port": {port}' in activator.err.text
    activator.signal(signal.SIGTERM)
    assert activator.end().code == 0


@pytest.fixture
def manager(tmp_path):
    """A service manager that is to be notified."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        place = tmp_path / "notify"
        listener.bind(str(place))
        listener.settimeout(30)
        yield listener, {"NOTIFY_SOCKET": str(place)}


def told_until(listener, assignment):
    """Notifications up to the one that has this assignment."""
    told = []
    while assignment not in told:
        told += listener.recv(4_096).decode().split("\n")
    return told


def test_systemd_is_told_of_the_daemons_life(town, manager):
    listener, environ = manager
    daemon = town.daemon(environ={**environ, "WATCHDOG_USEC": "200000"})
    assert f"MAINPID={daemon.process.pid}" in told_until(listener, "READY=1")
    told_until(listener, "WATCHDOG=1")
    daemon.signal(signal.SIGHUP)
    told_until(listener, "RELOADING=1")
    told_until(listener, "READY=1")
    daemon.signal(signal.SIGTERM)
    told_until(listener, "STOPPING=1")
    assert daemon.end().code == 0


# --- Settings -----------------------------------------------------------------------------------------


def test_sighup_takes_new_settings_and_logs_what_needs_a_restart(town):
    settings = town.folder / "config.toml"
    settings.write_text("[access]\nremove = true\n")
    daemon = town.daemon("--config", settings)
    town.file("file", 10)
    ask(daemon, town, "put", "file").well()
    settings.write_text("[access]\nremove = false\n[server]\nworkers = 2\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("setting changed", name="access.remove")
    daemon.wait_for_event("setting needs a restart", name="server.workers")
    daemon.wait_for_event("settings read again")
    assert ask(daemon, town, "rm", "file").code == 5
    assert daemon.stored() == {"file"}


def test_settings_with_an_error_leave_all_as_it_was(town):
    settings = town.folder / "config.toml"
    settings.write_text("[access]\nremove = false\n")
    daemon = town.daemon("--config", settings)
    settings.write_text("[access]\nremov = true\n")
    daemon.signal(signal.SIGHUP)
    daemon.err.wait_for(r"the settings stay as they are")
    assert "config.toml:2" in daemon.err.text
    (daemon.root / "file").write_bytes(b"x")
    assert ask(daemon, town, "rm", "file").code == 5


def test_limits_that_change_hold_for_the_next_transfer(town):
    settings = town.folder / "config.toml"
    settings.write_text("")
    daemon = town.daemon("--config", settings)
    file = town.file("file", 2_000)
    ask(daemon, town, "put", file, "--set", "client.progress=off").well()
    settings.write_text('[limits]\nfile_size_max = "1K"\n')
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("settings read again")
    other = town.file("other", 2_000)
    assert ask(daemon, town, "put", other).code == 5


def test_what_is_done_now_and_then_is_done_as_often_as_the_new_settings_say(town):
    settings = town.folder / "config.toml"
    settings.write_text("[server]\nstatus_interval = 0\n")
    daemon = town.daemon("--config", settings)
    settings.write_text('[server]\nstatus_interval = "1s"\n')
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("status")


def test_connection_limits_that_change_hold_for_the_next_connection(town):
    settings = town.folder / "config.toml"
    settings.write_text("")
    daemon = town.daemon("--config", settings)
    ask(daemon, town, "ping").well()
    settings.write_text("[limits]\nconnections_per_address_max = 1\nconnections_per_second_max = 1\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("settings read again")
    assert 5 in (ask(daemon, town, "ping").code for _ in range(20))


def test_a_daemon_that_began_without_writing_says_that_it_needs_a_restart(town):
    settings = town.folder / "config.toml"
    settings.write_text("[access]\nwrite = false\n")
    (town.folder / "root").mkdir()
    daemon = town.daemon("--config", settings)
    settings.write_text("[access]\nwrite = true\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("setting needs a restart", name="access.write")
    ended = ask(daemon, town, "put", town.file("file", 10))
    assert ended.code == 5
    assert "start the server with access.write on" in ended.err


# --- The log ------------------------------------------------------------------------------------------


def test_the_log_tells_a_transfer_from_its_beginning_to_its_end(town):
    daemon, file = town.daemon(), town.file("file", 50_000)
    ask(daemon, town, "put", file).well()
    daemon.stop()
    events = [each["event"] for each in daemon.log]
    for event in ("listening", "connection opened", "handshake done", "transfer started", "checksum verified",
                  "transfer done", "connection closed", "shutting down", "stopped"):  # fmt: skip
        assert event in events
    (done,) = daemon.events("transfer done")
    assert (done["file"], done["verb"], done["bytes"]) == ("file", "put", 50_000)
    assert done["connection"]
    assert done["peer"].startswith("127.0.0.1:")


def test_at_the_second_v_every_turn_tells_of_its_datagrams(town):
    daemon, file = town.daemon("-vv"), town.file("file", 50_000)
    ask(daemon, town, "put", file).well()
    daemon.stop()
    assert sum(each["received"] for each in daemon.events("datagrams")) > 1


def test_a_daemon_with_faults_of_its_own_warns_of_them_and_counts_them(town):
    daemon, file = town.daemon("--mayhem", "drop=0.2,direction=in,seed=4"), town.file("file", 400_000)
    ask(daemon, town, "echo", "--chunk-size", "1024", file).well()
    daemon.stop()
    assert daemon.events("mayhem is on: this daemon damages its own traffic")
    made = {each["direction"]: each for each in daemon.events("mayhem made")}
    assert made["in"]["dropped"] > 0
    assert made["out"]["dropped"] == 0


# --- Its end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_daemon_ends_at_once_and_well(town, number):
    daemon = town.daemon()
    ask(daemon, town, "ping").well()
    daemon.stop(number)
    assert daemon.log[-1]["event"] == "stopped"


def test_a_log_that_nobody_reads_any_more_does_not_end_the_daemon(town):
    process = subprocess.Popen(
        [MAYHEM, "serve", "--listen", "127.0.0.1:0", "--root", "root", "--log-format", "json"],
        stderr=subprocess.PIPE,
        env=town.environ,
        cwd=town.folder,
    )
    try:
        port = int(process.stderr.readline().split(b'"port": ')[1].split(b",")[0])
        process.stderr.close()  # the pipe breaks
        file = town.file("file", 10_000)
        town.mayhem("echo", file, f"mayhem://127.0.0.1:{port}/").well()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_files_of_an_earlier_daemon_are_there_for_the_next_one(town):
    daemon, file = town.daemon(), town.file("file", 100_000)
    ask(daemon, town, "put", file).well()
    daemon.stop()
    again = town.daemon()
    ask(again, town, "get", "file", "back").well()
    assert (town.here / "back").read_bytes() == file.read_bytes()
    assert os.stat(again.root / ".mayhem" / "secret").st_mode & 0o077 == 0


# --- The proxy ----------------------------------------------------------------------------------------


def test_the_proxy_says_what_is_wrong_before_it_begins(town):
    daemon = town.daemon()
    taken = f"127.0.0.1:{daemon.port}"
    for arguments, code, says in (
        (["--listen", taken, "--to", "127.0.0.1:9"], 1, "is in use"),
        (["--listen", "127.0.0.1:0", "--to", "no.such.host.invalid:9"], 3, "cannot be looked up"),
        (["--listen", "127.0.0.1:0", "--to", "127.0.0.1:0"], 2, "no place"),
        (["--listen", "127.0.0.1:0", "--to", "127.0.0.1:9", "--mayhem", "dorp=1"], 2, "drop"),
    ):
        ended = town.mayhem("proxy", *arguments)
        assert ended.code == code, ended.err
        assert says in ended.err.strip().splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_proxy_ends_well_and_tells_what_it_did(town, number):
    daemon, file = town.daemon(), town.file("file", 100_000)
    proxy, url = town.proxy(daemon, "drop=10%,seed=1")
    town.mayhem("put", "--chunk-size", "1024", file, url).well()
    proxy.signal(number)
    told = proxy.end().well().out
    assert "clients: 1, datagrams refused for want of room: 0" in told
    dropped = next(line for line in told.splitlines() if line.startswith("dropped")).split()[1]
    assert int(dropped) > 0


def test_the_proxy_counts_as_json_when_asked(town):
    daemon = town.daemon()
    proxy = town.start("proxy", "--json", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{daemon.port}")
    port = proxy.err.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
    town.mayhem("ping", f"mayhem://127.0.0.1:{port}/").well()
    proxy.signal(signal.SIGINT)
    last = proxy.end().well().results[-1]
    assert last["flows_seen"] == 1
    assert last["outward"]["delivered"] > 0
