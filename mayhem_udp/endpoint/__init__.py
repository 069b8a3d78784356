"""Where bytes, time and threads come in: sockets, the clock, the loop, workers, the service manager.

Linux's own socket options are used throughout (offload, path MTU, packet info). Of all the project, only
`udp` opens UDP sockets, helped by `receiving`, `sending` and `offload`; only `addresses` asks for names;
`systemd` opens a datagram socket of the service manager's. Only `clock` reads a clock.
"""
