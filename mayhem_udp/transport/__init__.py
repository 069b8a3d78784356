"""The engine of a connection, sans-I/O: datagrams and the time in, datagrams, events and deadlines out.

Start at `connection` (one end of a connection) and `listener` (a server's front door).
Nothing here reads a clock, opens a socket, touches a file or makes a random number.
"""
