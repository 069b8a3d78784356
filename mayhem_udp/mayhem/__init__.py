"""Hostile networks, from a seed: fault models, a link of one direction, a simulator and a proxy.

One implementation for every place that has a bad network: an endpoint's own datagrams, the proxy
between two programs, and the simulator between engines.
Never reads a clock, opens a socket, or draws randomness from anywhere but `schedule`.
"""
