from mayhem_udp.transport.congestion.bbr.controller import Bbr
