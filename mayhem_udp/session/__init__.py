"""What is asked over a connection: a verb a file, both halves, no I/O.

`session` hands the events of a connection to the exchanges of its requests; `exchange` says what one
is; `sending` and `receiving` are the two ends of a file's way. Sockets, threads and the clock are the
endpoint's: blocking work is given to it as functions to run elsewhere.
"""
