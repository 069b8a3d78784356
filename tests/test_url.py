"""URLs and addresses: what is understood, and what is said about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import UsageError
from mayhem_udp.url import HostPort, Url, parse_host_port, parse_url

SERVER = Url("files.example.org", 7000, "")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("mayhem://localhost", Url("localhost", 5000, "")),
        ("mayhem://localhost/", Url("localhost", 5000, "")),
        ("mayhem://localhost:7/a.txt", Url("localhost", 7, "a.txt")),
        ("mayhem://10.0.0.1/dir/", Url("10.0.0.1", 5000, "dir/")),
        ("mayhem://[::1]/a b%20c", Url("::1", 5000, "a b%20c")),
        ("mayhem://[fe80::1%eth0]:65535/*.txt", Url("fe80::1%eth0", 65535, "*.txt")),
        ("mayhem://bücher.example/ü?", Url("bücher.example", 5000, "ü?")),
        ("mayhem://h/a:b@c", Url("h", 5000, "a:b@c")),
        ("MAYHEM://H/A", Url("H", 5000, "A")),
        ("mayhem:///a.txt", Url("files.example.org", 7000, "a.txt")),
    ],
)
def test_a_url_is_understood(text: str, url: Url):
    assert parse_url(text, default=SERVER) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost/a.txt", "does not begin with mayhem://; perhaps you mean mayhem://localhost/a.txt"),
        ("http://localhost/", "does not begin with mayhem://; perhaps you mean mayhem://localhost/"),
        ("http://h:x/", "does not begin with mayhem://; write it like"),
        ("host:/x", "does not begin with mayhem://; perhaps you mean mayhem://host/x"),
        ("mayhem:/localhost/", "does not begin with mayhem://; perhaps you mean mayhem://localhost/"),
        ("Mayhem:localhost/a", "does not begin with mayhem://; perhaps you mean mayhem://localhost/a"),
        ("mayhem:5000/a", "does not begin with mayhem://; perhaps you mean mayhem://mayhem:5000/a"),
        ("mayhem:/", "does not begin with mayhem://; write it like"),
        ("mayhem://me@host/", "has a user name"),
        ("mayhem://host:/", "has no port from 0 to 65535"),
        ("mayhem://host:0/", "port 0 cannot be reached"),
        ("mayhem://host:70000/", "has no port"),
        ("mayhem://host:٣/", "has no port"),
        ("mayhem://host:+1/", "has no port"),
        ("mayhem://:5000/", "it has no host"),
        ("mayhem:///a", "it has no host; name the host, as in mayhem://localhost/"),
        ("mayhem://::1/", "an IPv6 address needs brackets"),
        ("mayhem://[::1/", "is not an IPv6 address in brackets"),
        ("mayhem://[::1]x/", "is not an IPv6 address in brackets"),
        ("mayhem://ho st/", "is not a host name"),
        ("mayhem://ho\x1b[31mst/", "is not a host name"),
        ("mayhem://" + "a" * 254, "is not a host name"),
        ("mayhem://h//a", "has an empty part"),
        ("mayhem://h/a//b", "has an empty part"),
        ("mayhem://h/a//", "has an empty part"),
    ],
)
def test_a_bad_url_is_an_error_that_says_why(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert message in str(caught.value)


@given(
    st.builds(
        Url, st.sampled_from(["h", "::1", "1.2.3.4"]), st.integers(1, 65535), st.sampled_from(["", "a", "a/"])
    )
)
def test_a_url_that_is_shown_is_understood_again(url: Url):
    assert parse_url(str(url)) == url


@given(st.text(max_size=60))
def test_no_text_whatever_breaks_the_parser(text: str):
    for parse in (parse_url, parse_host_port):
        for begun in ("", "mayhem://", "mayhem://["):
            try:
                parse(begun + text)
            except UsageError as error:
                assert error.exit_code == 2  # noqa: PT017  # any text is either understood or a usage error


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (":5000", HostPort("", 5000)),
        ("0.0.0.0:0", HostPort("0.0.0.0", 0)),
        ("[::]:5000", HostPort("::", 5000)),
        ("localhost:1", HostPort("localhost", 1)),
    ],
)
def test_a_place_to_listen_at_is_understood_and_shown_again(text: str, place: HostPort):
    assert parse_host_port(text) == place
    assert str(place) == text


def test_a_port_may_only_be_left_out_where_there_is_a_default():
    assert parse_host_port("h", port_default=7) == HostPort("h", 7)
    with pytest.raises(UsageError, match="has no port"):
        parse_host_port("h")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mayhem://localhost:5100/", "is a URL, and HOST:PORT is wanted here; write localhost:5100"),
        ("udp://h", "is a URL, and HOST:PORT is wanted here; write it like HOST:5000"),
        ("6100", "has no port from 0 to 65535; a port alone is written :6100"),
        ("99999", "has no port from 0 to 65535; write it like HOST:5000"),
        ("1:2:3", "an IPv6 address needs brackets; write [1:2:3]"),
    ],
)
def test_a_bad_place_to_listen_at_is_an_error_that_says_what_is_wanted(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        parse_host_port(text)
    assert message in str(caught.value)


def test_folders_and_patterns_are_told_apart():
    assert Url("h", 1, "").is_folder
    assert Url("h", 1, "a/").is_folder
    assert not Url("h", 1, "a").is_folder
    assert [Url("h", 1, name).is_glob for name in ("a", "a*", "?", "[ab]")] == [False, True, True, True]
