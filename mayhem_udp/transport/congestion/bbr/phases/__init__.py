"""The phases of the controller, one file each (DOWN with TRIM, OUTAGE with RESUME), by their state."""

from typing import Final

from mayhem_udp.transport.congestion.bbr.phases.cruise import Cruise
from mayhem_udp.transport.congestion.bbr.phases.down import Down, Trim
from mayhem_udp.transport.congestion.bbr.phases.drain import Drain
from mayhem_udp.transport.congestion.bbr.phases.outage import Outage, Resume
from mayhem_udp.transport.congestion.bbr.phases.phase import Phase, State
from mayhem_udp.transport.congestion.bbr.phases.probe_rtt import ProbeRtt
from mayhem_udp.transport.congestion.bbr.phases.refill import Refill
from mayhem_udp.transport.congestion.bbr.phases.startup import Startup
from mayhem_udp.transport.congestion.bbr.phases.up import Up

PHASES: Final[dict[State, type[Phase]]] = {
    each.state: each for each in (Startup, Drain, Cruise, Refill, Up, Down, Trim, ProbeRtt, Outage, Resume)
}

assert set(PHASES) == set(State), "every state has its phase"

__all__ = ["PHASES", "Phase", "State"]
