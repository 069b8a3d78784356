"""The default controller: the BBR family, with random loss told from congestion."""

from mayhem_udp.transport.congestion.bbr.controller import Bbr

__all__ = ["Bbr"]
