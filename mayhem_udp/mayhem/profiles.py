"""Networks by name: the parameters of real and notorious ones, each with its source.

Owns the built-in profiles, as specs in text. A figure that no source gives is said to be chosen.
Never parses anything: `spec` does, also for the profiles that a user defines.
"""

from typing import Final

from msgspec import Struct


class Profile(Struct, frozen=True):
    """A named network: what it is, its faults as text, and where the figures come from."""

    name: str
    summary: str
    spec: str
    source: str


_BUILT_IN: Final = (
    Profile(
        "challenge",
        "one datagram in ten lost and one in ten damaged on the way back to the client",
        "drop=10%,corrupt=10%,direction=in",
        "the exercise that this project began as",
    ),
    Profile(
        "wifi",
        "a busy home Wi-Fi: drifting delay, short bursts of loss",
        "rate=25M,queue=256K,delay=2ms,jitter=16ms,drop=1%,burst=3",
        "Pei et al., WiFi can be the weakest link of round trip network latency in the wild, INFOCOM 2016"
        " (half of the packets spend over 20 ms there and back on the Wi-Fi hop); losses in runs as "
        "Carvalho et al., IEEE Trans. Consumer Electronics 51(3), 2005, found on 802.11g; their level is "
        "chosen",
    ),
    Profile(
        "mobile",
        "LTE: asymmetric, a deep queue, a little loss",
        "in.rate=13M,out.rate=6M,queue=512K,delay=28ms,jitter=15ms,drop=0.2%",
        "rates: medians of Huang et al., A close examination of performance and power characteristics of "
        "4G LTE networks, MobiSys 2012, whose round trips are near 70 ms; loss and jitter: Loadero's 4G "
        "preset; queue: chosen",
    ),
    Profile(
        "satellite",
        "a geostationary satellite: 600 ms there and back, shallow queues, 1 % loss",
        "delay=300ms,in.rate=20M,out.rate=2M,queue=37500,drop=1%",
        "the SATL link of Endres et al., Performance of QUIC implementations over geostationary satellite"
        " links, arXiv 2202.08228, 2022 (queue of 25 packets)",
    ),
    Profile(
        "leo",
        "a low-orbit constellation: fast, with a gap at each reconfiguration every 15 s",
        "in.rate=150M,out.rate=15M,delay=20ms,jitter=10ms,drop=0.5%,burst=2,blackout=14900ms+100ms/15s",
        "round trips of 40 to 60 ms and 100 to 200 Mbit/s: Michel et al., A first look at Starlink "
        "performance, IMC 2022; 15 s intervals: Mohan et al., arXiv 2310.09242, 2023; losses at "
        "handovers: Kassem et al., A browser-side view of Starlink connectivity, IMC 2022; uplink, loss "
        "and length of the gap are chosen",
    ),
    Profile(
        "transatlantic",
        "a clean, fast path between New York and London",
        "rate=1G,delay=45ms,jitter=1ms,drop=0.1%",
        "Verizon's service level of 90 ms there and back between its New York and London routers; the "
        "rest is chosen",
    ),
    Profile(
        "adsl",
        "a telephone line: 5.66 Mbit/s down, 0.82 Mbit/s up",
        "in.rate=5.66M,out.rate=820K,queue=64K,delay=18500us",
        "Verizon High Speed Internet, 3.1 to 7 Mbit/s tier, as measured by the FCC (Measuring Broadband "
        "America 2016), 37 ms there and back; queue: chosen",
    ),
    Profile(
        "dialup",
        "a V.90 modem",
        "in.rate=50K,out.rate=33600,queue=16K,delay=65ms",
        "ITU-T V.90; 110 to 159 ms there and back: Cheshire, It's the latency, stupid, 1996; queue: chosen",
    ),
    Profile(
        "handshake-loss",
        "three datagrams in ten lost, both ways: half of all round trips fail",
        "drop=30%,delay=15ms,rate=10M,queue=37500",
        "the handshakeloss test of the QUIC interop runner (which also bounds losses in a row to three)",
    ),
    Profile(
        "handshake-corruption",
        "three datagrams in ten damaged, both ways",
        "corrupt=30%,delay=15ms,rate=10M,queue=37500",
        "the handshakecorruption test of the QUIC interop runner",
    ),
    Profile(
        "blackhole",
        "a link that goes away for 2 s in every 7",
        "blackout=5s+2s/7s,delay=15ms,rate=10M,queue=37500",
        "the blackhole test of the QUIC interop runner",
    ),
    Profile(
        "long-rtt",
        "1.5 s there and back",
        "delay=750ms,rate=10M,queue=37500",
        "the longrtt test of the QUIC interop runner",
    ),
    Profile(
        "bursty",
        "5 % loss, twenty in a row on average",
        "drop=5%,burst=20,delay=25ms,rate=100M",
        "the model: Gilbert, Bell System Technical Journal 39, 1960, and Elliott, the same 42, 1963; "
        "figures chosen",
    ),
    Profile(
        "bufferbloat",
        "a slow line behind a queue of two seconds",
        "rate=1M,queue=256K,delay=15ms",
        "uplink queues of 256 KiB at 1 Mbit/s: Kreibich et al., Netalyzr: illuminating the edge network, "
        "IMC 2010",
    ),
    Profile(
        "flaky",
        "a bit of everything at once, to see what breaks",
        "drop=20%,burst=4,corrupt=2%,duplicate=2%,reorder=5%,delay=40ms,jitter=30ms,order=free,"
        "blackout=10s+2s/30s",
        "no network in particular: every figure is chosen",
    ),
)

PROFILES: Final = {profile.name: profile for profile in _BUILT_IN}
