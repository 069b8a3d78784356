"""Courses of the controllers over links in virtual time: rate, in flight and queue against time, as pictures.

Owns which links are shown. Everything else is the product's own: two engines, the simulator, the links.
"""

import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from docs.workshop.rooms import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from virtual_pair import MS, SECOND, Pair  # the pair of engines that the tests have

SECONDS: Final = 12
STEP_NS: Final = 20 * MS
BLOCK: Final = bytes(1 << 16)
LINKS: Final = {
    "no loss": "rate=20M,delay=25ms,queue=125k",
    "10 % random loss": "rate=20M,delay=25ms,queue=125k,drop=10%,direction=out",
    "a queue of a fifth": "rate=20M,delay=25ms,queue=25k",
}
CONTROLLERS: Final = ("bbr", "cubic")


class Moment(NamedTuple):
    """What is seen at one moment; rates in Mbit/s, amounts in kB."""

    seconds: float
    paced: float
    carried: float
    in_flight: float
    queued: float


def course(controller: str, spec: str) -> list[Moment]:
    """One transfer, from its first datagram on."""
    pair = Pair(spec, client={"controller": controller}, server={"controller": controller})
    pair.open()
    connection = pair.connection
    request = connection.open_request()
    offset, acked, moments = 0, 0, []
    began_ns = pair.now_ns
    while pair.now_ns - began_ns < SECONDS * SECOND:
        while connection.body_room_bytes(request) >= len(BLOCK):
            connection.supply_body(request, offset, BLOCK)
            offset += len(BLOCK)
        pair.run(seconds=STEP_NS / SECOND)
        before, acked = acked, connection.body_acked_bytes(request)
        moments.append(
            Moment(
                (pair.now_ns - began_ns) / SECOND,
                connection.path.controller.pacing_rate_bps / 1e6,
                (acked - before) * 8 / STEP_NS * SECOND / 1e6,
                connection.in_flight_bytes / 1e3,
                pair.links.outward.queued_bytes(now_ns=pair.now_ns) / 1e3,
            )
        )
    return moments


def draw(folder: Path) -> list[Path]:
    """One picture for each controller; returns the files."""
    import matplotlib as mpl  # noqa: PLC0415  # slow to import, and only wanted here

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "courses"  # the same picture from the same courses
    import matplotlib.pyplot as plt  # noqa: PLC0415  # likewise

    files = []
    for controller in CONTROLLERS:
        figure, axes = plt.subplots(3, len(LINKS), figsize=(12, 7), sharex=True, sharey="row")
        for column, (name, spec) in zip(axes.T, LINKS.items(), strict=True):
            _fill(column, course(controller, spec), name)
        figure.suptitle(f"{controller}, 20 Mbit/s, round trip 50 ms (one bandwidth-delay product is 125 kB)")
        figure.tight_layout()
        files.append(folder / f"course-{controller}.svg")
        figure.savefig(files[-1], metadata={"Date": None})
        plt.close(figure)
    return files


def _fill(column: Any, moments: list[Moment], name: str) -> None:
    seconds = [each.seconds for each in moments]
    smooth = [
        sum(each.carried for each in moments[max(0, at - 9) : at + 1]) / len(moments[max(0, at - 9) : at + 1])
        for at in range(len(moments))
    ]
    rate, in_flight, queue = column
    rate.set_title(name)
    rate.plot(seconds, [each.paced for each in moments], lw=0.8, color="#bbbbbb", label="paced at")
    rate.plot(seconds, smooth, lw=1.4, color="#1f77b4", label="acknowledged, over 0.2 s")
    rate.set_ylim(0, 40)
    in_flight.plot(seconds, [each.in_flight for each in moments], lw=1, color="#2ca02c")
    queue.plot(seconds, [each.queued for each in moments], lw=1, color="#d62728")
    queue.set_xlabel("s")
    if name == next(iter(LINKS)):
        rate.legend(loc="lower right", fontsize="small")
        for axis, label in zip(column, ("rate, Mbit/s", "in flight, kB", "queue, kB"), strict=True):
            axis.set_ylabel(label)
