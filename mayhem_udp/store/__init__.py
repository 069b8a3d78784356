"""Files at rest: what a peer may call a file, reading one, and putting one in place whole or not at all.

`store` is the front; `disk` is the only door to the file system, so that tests can put a simulated one
behind it. Nothing here knows a socket, a message or a clock.
"""
