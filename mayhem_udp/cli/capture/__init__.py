"""Datagrams out of what other programs recorded: captures (pcap, pcapng) and hexadecimal text.

`files` reads packets from captures, `packets` finds UDP in them, `hexadecimal` reads text. All of it may
come from anybody: every length is checked, nothing is read further than it says, errors name the place.
"""
