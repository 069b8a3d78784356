"""The smaller verbs, down to the library's door."""

import json
from pathlib import Path

import pytest
from shell_in_memory import MemoryServer, Shell, byte_stream

from mayhem_udp.cli.render.counts import sentence
from mayhem_udp.config.schema import SETTINGS
from mayhem_udp.mayhem.link import LinkCounts
from mayhem_udp.mayhem.proxy import ProxyCounts
from mayhem_udp.url import HostPort

# --- echo ---------------------------------------------------------------------------------------------


def test_the_round_trip_saves_a_copy_under_its_own_name(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "out").mkdir()
    assert shell("echo", "a", "b", "mayhem://h/", "--out", "out") == 0
    assert (tmp_path / "out" / "received_a").read_bytes() == b"one"
    assert "b -> out/received_b: 3 B" in shell.out


def test_a_copy_that_differs_is_exit_4(shell: Shell, server: MemoryServer, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    server.echo_damage = b"!"
    assert shell("echo", "a", "mayhem://h/") == 4
    assert "SHA-256 NOT verified" in shell.out
    assert shell.err == "mayhem: a came back changed; next: do not use the copy\n"


def test_without_a_path_a_person_is_asked(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    shell.stdin = byte_stream(b"a\n", terminal=True)
    assert shell("echo", "mayhem://h/") == 0
    assert shell.err.startswith("File to send: ")
    assert (tmp_path / "received_a").exists()


def test_without_a_path_a_script_is_told(shell: Shell):
    shell.stdin = byte_stream(b"a\n")
    assert shell("echo", "mayhem://h/") == 2
    assert "there is no file to send" in shell.err


@pytest.mark.parametrize("paths", [["-"], ["a", "-"]])
def test_standard_input_is_no_file_for_a_round_trip(shell: Shell, server: MemoryServer, paths: list[str]):
    Path("a").write_bytes(b"one")
    shell.stdin = byte_stream(b"one")
    assert shell("echo", *paths, "mayhem://h/") == 2
    assert shell.err == (
        "mayhem: standard input has no name, and what comes back is saved under one; "
        "next: name a file (one that is called - is ./-)\n"
    )
    assert server.log == []
    Path("-").write_bytes(b"one")
    assert shell("echo", "./-", "mayhem://h/") == 0


def test_a_missing_file_of_a_round_trip_fails_alone(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    assert shell("echo", "none", "a", "mayhem://h/") == 1
    assert (tmp_path / "received_a").exists()


# --- ls, stat, rm ---------------------------------------------------------------------------------------


@pytest.fixture
def stocked(server: MemoryServer) -> MemoryServer:
    server.files = {"a.txt": b"x" * 2048, "b.log": b"y", "dir/c.txt": b"z", "dir/deep/d.txt": b""}
    return server


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["mayhem://h/"], ["a.txt", "b.log", "dir/"]),
        (["mayhem://h/dir"], ["dir/c.txt", "dir/deep/"]),
        (["mayhem://h/dir/"], ["dir/c.txt", "dir/deep/"]),
        (["mayhem://h/a.txt"], ["a.txt"]),
        (["mayhem://h/*.txt"], ["a.txt"]),
        (["-r", "mayhem://h/"], ["a.txt", "b.log", "dir/", "dir/c.txt", "dir/deep/", "dir/deep/d.txt"]),
        (["-r", "mayhem://h/d*"], ["dir/", "dir/c.txt", "dir/deep/", "dir/deep/d.txt"]),
        (["mayhem://h/b.log", "mayhem://h/a.txt"], ["b.log", "a.txt"]),
    ],
)  # fmt: skip
def test_a_listing_shows_what_is_there(
    shell: Shell, stocked: MemoryServer, arguments: list[str], names: list[str]
):
    assert shell("ls", *arguments) == 0
    assert [line.split("  ")[-1] for line in shell.out.splitlines()] == names


def test_a_listing_shows_sizes_and_times(shell: Shell, stocked: MemoryServer):
    shell("ls", "mayhem://h/a.txt")
    assert shell.out.startswith("   2.0 KiB  2023-11-1")


def test_listing_neighbours_takes_one_connection(shell: Shell, stocked: MemoryServer):
    shell("ls", "mayhem://h/a.txt", "mayhem://h/b.log", "mayhem://i/a.txt")
    assert stocked.log == ["mayhem://h:5000/", "closed", "mayhem://i:5000/", "closed"]


def test_the_default_server_is_listed_without_a_url(shell: Shell, stocked: MemoryServer):
    shell.environ["MAYHEM_URL"] = "mayhem://h/dir/"
    assert shell("ls") == 0
    assert [line.split()[-1] for line in shell.out.splitlines()] == ["dir/c.txt", "dir/deep/"]
    assert shell("ls", "mayhem:///") == 0
    assert "a.txt" in shell.out
    assert shell("ls", "deep") == 0
    assert "dir/deep/d.txt" in shell.out


@pytest.mark.parametrize("verb", ["ls", "ping"])
def test_without_any_url_one_is_told_how_to_name_a_server(shell: Shell, verb: str):
    assert shell(verb) == 2
    assert shell.err == ("mayhem: there is no URL; next: end with mayhem://HOST:PORT/, or set MAYHEM_URL\n")


def test_listing_what_is_not_there_is_exit_5(shell: Shell, stocked: MemoryServer):
    assert shell("ls", "mayhem://h/none", "mayhem://h/a.txt") == 5
    assert "there is no none on the server" in shell.err
    assert "a.txt" in shell.out


def test_a_listing_as_json_is_one_object_a_name(shell: Shell, stocked: MemoryServer):
    shell("ls", "--json", "mayhem://h/")
    assert [json.loads(line)["kind"] for line in shell.out.splitlines()] == ["file", "file", "folder"]


def test_names_of_a_server_do_not_control_the_terminal(shell: Shell, server: MemoryServer):
    server.files = {"\x1b[2Jx\u202ey": b""}
    shell("ls", "mayhem://h/")
    assert shell.out.endswith("  \\x1b[2Jx\\u202ey\n")
    shell("ls", "--json", "mayhem://h/")
    assert json.loads(shell.out)["name"] == "\x1b[2Jx\u202ey"
    assert shell.out[:-1].isprintable()


def test_stat_tells_all(shell: Shell, stocked: MemoryServer):
    assert shell("stat", "mayhem://h/a.txt", "mayhem://h/dir") == 0
    assert "size     2.0 KiB (2,048 bytes)" in shell.out
    assert "name     dir/" in shell.out


def test_files_are_removed_by_name_and_by_pattern(shell: Shell, stocked: MemoryServer):
    assert shell("rm", "mayhem://h/b.log", "mayhem://h/dir/*.txt") == 0
    assert set(stocked.files) == {"a.txt", "dir/deep/d.txt"}
    assert shell.out == "removed b.log\nremoved dir/c.txt\n"
    assert shell("rm", "-q", "mayhem://h/a.txt") == 0
    assert shell.out == ""
    assert shell("rm", "mayhem://h/a.txt") == 5


# --- ping -------------------------------------------------------------------------------------------------


def test_ping_tells_times_and_loss(shell: Shell, server: MemoryServer):
    server.pings_answered = 3
    assert shell("ping", "mayhem://h") == 0
    assert shell.out == (
        "h:5000: 4 asked, 3 answered, 25.0 % of the datagrams lost on the way there, "
        "round trip 1.25 / 1.25 / 1.25 ms (least / average / most)\n"
    )


def test_ping_without_any_answer_is_exit_3(shell: Shell, server: MemoryServer):
    server.pings_answered = 0
    assert shell("ping", "-c", "2", "mayhem://h") == 3
    assert shell.out == "h:5000: 2 asked, 0 answered, 100.0 % of the datagrams lost on the way there\n"


@pytest.mark.parametrize("options", [[], ["-q"], ["--json"]])
def test_pings_that_are_interrupted_tell_of_those_that_were(
    shell: Shell, server: MemoryServer, options: list[str]
):
    server.stop = KeyboardInterrupt()
    assert shell("ping", "-c", "1000", *options, "mayhem://h") == 1
    assert '"sent": 1' in shell.out if options == ["--json"] else "h:5000: 1 asked, 1 answered" in shell.out
    assert shell.err.strip() == "mayhem: interrupted"


# --- serve, proxy -------------------------------------------------------------------------------------------


def test_serve_hands_its_settings_to_the_daemon(shell: Shell):
    assert shell("serve", "--listen", "127.0.0.1:0", "--root", "files", "-v") == 0
    (settings,) = shell.daemons
    assert settings.server.listen == HostPort("127.0.0.1", 0)
    assert settings.store.root == Path("files")


@pytest.mark.parametrize(("option", "level"), [("-q", "warning"), ("-v", "debug"), ("-vv", "trace")])
def test_the_daemon_counts_datagrams_at_the_second_v_only(shell: Shell, option: str, level: str):
    assert shell("serve", option) == 0
    assert [settings.logging.level for settings in shell.daemons] == [level]


@pytest.mark.parametrize(("option", "level"), [("-q", "warning"), ("-v", "info"), ("-vv", "trace")])
def test_a_client_counts_datagrams_at_the_second_v_only(shell: Shell, option: str, level: str):
    assert shell("ls", option, "mayhem://h/") == 0
    assert shell.server.settings is not None
    assert shell.server.settings.logging.level == level


def test_serve_with_a_wrong_file_starts_nothing(shell: Shell, tmp_path: Path):
    (tmp_path / "wrong.toml").write_text("[sever]\n")
    assert shell("serve", "--config", "wrong.toml") == 2
    assert shell.err == "mayhem: wrong.toml:1: sever: there is no such section; did you mean [server]?\n"
    assert shell.daemons == []


def test_the_proxy_counts_while_it_runs_and_tells_at_the_end(shell: Shell):
    def run_proxy(listen, to, spec, *, on_listening, on_counts) -> int:
        assert (listen, to) == (HostPort("", 0), HostPort("h", 5000))
        assert spec.outward.drop == 0.1
        on_listening(HostPort("0.0.0.0", 4242))
        counts = ProxyCounts(1, 2, 0, LinkCounts(seen=1000, dropped=9), LinkCounts(seen=3))
        on_counts(counts)
        on_counts(counts)
        return 0

    shell.run_proxy = run_proxy
    assert shell("proxy", "--listen", ":0", "--to", "h", "--mayhem", "drop=0.1") == 0
    assert shell.err == (
        "mayhem: listening on 0.0.0.0:4242, passing on to h:5000\n"
        "1 client | out: 1,000 seen, 9 lost, 0 corrupted, 0 doubled | "
        "in: 3 seen, 0 lost, 0 corrupted, 0 doubled\n"
    )
    assert "dropped                      9             0\n" in shell.out
    assert shell("proxy", "--listen", ":0", "--to", "h", "--mayhem", "drop=0.1", "--json") == 0
    assert json.loads(shell.out)["outward"]["seen"] == 1000
    assert shell.err == "mayhem: listening on 0.0.0.0:4242, passing on to h:5000\n"


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_quiet_proxy_tells_its_table_alone(shell: Shell, is_watched: bool):
    def run_proxy(listen, to, spec, *, on_listening, on_counts) -> int:
        on_listening(HostPort("0.0.0.0", 4242))
        on_counts(ProxyCounts(1, 2, 0, LinkCounts(seen=1000, dropped=9), LinkCounts(seen=3)))
        return 0

    shell.run_proxy, shell.is_watched = run_proxy, is_watched
    assert shell("proxy", "-q", "--listen", ":0", "--to", "h") == 0
    assert shell.err == ""
    assert "dropped                      9             0\n" in shell.out


@pytest.mark.parametrize(("flows", "told"), [(0, "0 clients"), (1, "1 client"), (2_000, "2,000 clients")])
def test_the_proxy_counts_its_clients_as_people_do(flows: int, told: str):
    counts = ProxyCounts(flows, flows, 0, LinkCounts(), LinkCounts())
    assert sentence(counts).startswith(f"{told} | out: ")


def test_interrupting_the_proxy_is_how_it_ends(shell: Shell):
    def run_proxy(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    shell.run_proxy = run_proxy
    assert shell("proxy", "--listen", ":0", "--to", "h") == 0
    assert shell.err == ""


def test_a_wrong_spec_is_a_usage_error(shell: Shell):
    assert shell("proxy", "--listen", ":0", "--to", "h", "--mayhem", "drip=0.1") == 2
    assert "did you mean drop?" in shell.err


# --- config -------------------------------------------------------------------------------------------------


def test_config_shows_each_setting_and_its_origin(shell: Shell, tmp_path: Path):
    (tmp_path / "my.toml").write_text("[transport]\nchunk_size = 1024\n")
    shell.environ["MAYHEM_ACCESS__REMOVE"] = "off"
    assert shell("config", "show", "--config", "my.toml", "--set", "client.parallel=3") == 0
    lines = [" ".join(line.split()) for line in shell.out.splitlines()]
    assert "chunk_size = 1024 # my.toml:2" in lines
    assert "remove = false # environment MAYHEM_ACCESS__REMOVE" in lines
    assert "parallel = 3 # option --set" in lines
    assert 'idle_timeout = "30s" # default' in lines


def test_config_shows_values_of_json_as_json(shell: Shell, tmp_path: Path):
    (tmp_path / "my.toml").write_text(
        "[store]\nroot = '/srv/\"odd\"'\n[mayhem.profiles.train]\ndrop = 0.1\nsince = 2026-01-02\n"
    )
    assert shell("config", "show", "--json", "--config", "my.toml", "--set", "mayhem.drop=10%") == 0
    values = {each["name"]: each["value"] for each in map(json.loads, shell.out.splitlines())}
    assert list(values) == list(SETTINGS)
    assert values["server.listen"] == ":5000"
    assert values["server.workers"] == 4
    assert values["transport.offload"] is True
    assert values["transport.idle_timeout"] == "30s"
    assert values["transport.body_window_max"] == "64M"
    assert values["transport.datagram_max"] == 65487
    assert values["congestion.rate_cap"] == 0
    assert values["congestion.rate_fixed"] == "100M"
    assert values["mayhem.drop"] == 0.1
    assert values["mayhem.profiles"] == {"train": {"drop": 0.1, "since": "2026-01-02"}}
    assert values["store.root"] == '/srv/"odd"'
    assert values["client.url"] == values["client.cache_dir"] == ""


def test_what_config_shows_is_a_configuration(shell: Shell, tmp_path: Path):
    assert shell("config", "show") == 0
    (tmp_path / "shown.toml").write_text(shell.out)
    assert shell("config", "check", "shown.toml") == 0
    assert shell.out == "shown.toml: all is well\n"


def test_config_prints_its_defaults(shell: Shell):
    assert shell("config", "default") == 0
    assert shell.out == (Path(__file__).parents[2] / "config.toml").read_text()


def test_config_check_tells_every_problem(shell: Shell, tmp_path: Path):
    (tmp_path / "my.toml").write_text("[transport]\nchunk_sise = 1\n[access]\nread = 3\n")
    assert shell("config", "check", "my.toml") == 2
    assert shell.err == (
        "mayhem: my.toml:2: transport.chunk_sise: there is no such setting; "
        "did you mean transport.chunk_size?\n"
        "mayhem: my.toml:4: access.read: must be true or false, and is a whole number\n"
    )


def test_config_check_tells_what_is_wrong_together_and_of_mayhem_beside_the_rest(
    shell: Shell, tmp_path: Path
):
    (tmp_path / "my.toml").write_text(
        "[transport]\nchunk_sise = 1\nkeep_alive = 9\nidle_timeout = 5\n"
        "[limits]\nmemory_per_connection_max = '1T'\nmemory_max = 'much'\n"
        "[mayhem]\nspec = 'dorp=0.1'\n"
    )
    assert shell("config", "check", "my.toml") == 2
    places = [line.split(": ")[1:3] for line in shell.err.splitlines()]
    assert places == [
        ["my.toml:2", "transport.chunk_sise"],
        ["my.toml:7", "limits.memory_max"],
        ["my.toml:3", "transport.keep_alive"],
        ["my.toml:9", "mayhem.spec"],
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[mayhem]\nspec = 'dorp=0.1'\n", "my.toml:2: mayhem.spec: there is no fault or profile 'dorp'"),
        ("[mayhem.profiles.t]\ndrop = 2\n", "my.toml:2: mayhem.profiles: profile t: drop=2 is"),
        ("[mayhem.profiles.t]\nseed = 1\nin = { rate = 'x' }\n", "my.toml:3: mayhem.profiles: profile t: in.rate"),
        ("[mayhem.profiles.t]\nseed = 1\n[mayhem.profiles.t.out]\ndrop = 0\nloss = 1\n", "my.toml:5: mayhem"),
        ("[mayhem.profiles.t]\nblackout = ['1s+2s',\n'soon']\n", "my.toml:2: mayhem.profiles: profile t: blackout"),
        ("[mayhem.profiles]\nx.drop = 0.1\n'x y' = {}\n", "my.toml:3: mayhem.profiles: a profile cannot be called"),
        ("[mayhem.profiles.'x y']\ndrop = 0\n", "my.toml:1: mayhem.profiles: a profile cannot be called"),
        ("[mayhem.profiles.t]\ndrop = 0\ndirection = 'in'\nout.drop = 1\n", "my.toml:1: mayhem.profiles: profile t: a"),
    ],
)  # fmt: skip
def test_config_check_reads_specs_and_profiles_too(shell: Shell, tmp_path: Path, content: str, message: str):
    (tmp_path / "my.toml").write_text(content)
    assert shell("config", "check", "my.toml") == 2
    assert message in shell.err


def test_config_check_tells_of_every_profile_and_of_the_spec_beside_them(shell: Shell, tmp_path: Path):
    (tmp_path / "my.toml").write_text(
        "[mayhem]\nspec = 'loss=1'\n[mayhem.profiles.x]\nfoo = 1\n[mayhem.profiles.y]\ndrop = 2\n"
    )
    assert shell("config", "check", "my.toml") == 2
    assert [line.split("; ")[0] for line in shell.err.splitlines()] == [
        "mayhem: my.toml:4: mayhem.profiles: profile x: there is no fault or profile 'foo'",
        "mayhem: my.toml:6: mayhem.profiles: profile y: drop=2 is not a share between 0 and 1",
        "mayhem: my.toml:2: mayhem.spec: there is no fault or profile 'loss'",
    ]


def test_a_spec_that_names_a_wrong_profile_is_not_wrong_itself(shell: Shell, tmp_path: Path):
    (tmp_path / "my.toml").write_text("[mayhem]\nspec = 'x,seed=7'\n[mayhem.profiles.x]\nfoo = 1\n")
    assert shell("config", "check", "my.toml") == 2
    assert shell.err.count("\n") == 1


def test_config_check_takes_the_file_that_would_be_read(shell: Shell, tmp_path: Path):
    (tmp_path / "mayhem_udp").mkdir()
    (tmp_path / "mayhem_udp" / "config.toml").write_text(
        "[mayhem]\nspec = 'train'\n[mayhem.profiles.train]\ndrop = 0.1\n"
    )
    shell.environ["XDG_CONFIG_HOME"] = str(tmp_path)
    assert shell("config", "check") == 0
    assert "mayhem_udp/config.toml: all is well" in shell.out
